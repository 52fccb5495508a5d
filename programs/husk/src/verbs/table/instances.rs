//! Containers.

use super::rows::{ALL, COPY, FORCE, FORMAT, GRACE, QUIET, SETTINGS, UNSET, value};
use super::{Group, Kind, MANY, Row, Tail, Verb};

/// A verb that takes names of instances, one or more, and no options but these.
const fn on_instances(
    name: &'static str,
    text: &'static str,
    about: &'static str,
    options: &'static [&'static [Row]],
) -> Verb {
    Verb {
        name,
        group: Group::Instances,
        words: "NAME…",
        kinds: &[Kind::Instance],
        text,
        about,
        options,
        count: (1, MANY),
        tail: Tail::Words,
    }
}

/// Verbs, in the order in which help shows them.
pub const VERBS: [Verb; 15] = [
    Verb {
        name: "new",
        group: Group::Instances,
        words: "NAME IMAGE [-- CMD…]",
        kinds: &[Kind::Other, Kind::Image],
        text: "make an instance from an image",
        about: "Makes the instance NAME from IMAGE, and does not start it. CMD is what it runs in place of what the \
                image says. Whatever is given here is kept with the instance; husk set changes it.",
        options: &[&SETTINGS, &[COPY]],
        count: (2, 2),
        tail: Tail::AfterDashes,
    },
    Verb {
        name: "run",
        group: Group::Instances,
        words: "NAME [CMD…]",
        kinds: &[Kind::Root, Kind::Other],
        text: "start an instance, or resume it; follow it, or not (-d)",
        about: "Starts the instance NAME, or resumes it if it is frozen, shows what it writes and ends with its exit \
                code. CMD is what it runs in place of its own command, this once. With --rm there is an image in place of \
                NAME: an instance is made from it, with the options of husk new, and removed when it has ended, \
                whatever becomes of this husk until then. With a path, or with -- in place of \
                NAME, there is no instance and no daemon: husk-run(1).",
        options: &[],
        count: (1, MANY),
        tail: Tail::AfterFirst,
    },
    on_instances(
        "start",
        "start instances, without following them",
        "Starts each of the instances, or resumes it, as husk run -d does.",
        &[],
    ),
    on_instances(
        "stop",
        "end what runs in an instance",
        "Sends the stop signal to process 1 of the instance, and kills all of it when its time is over. When husk \
         ends, nothing of it runs any more. To stop one that does not run is no error. Several are stopped side by \
         side.",
        &[&[GRACE]],
    ),
    on_instances(
        "restart",
        "stop instances and start them again",
        "Stops each of the instances that runs, and starts it, with its own command. One of run --rm is refused: its stop \
         is its end.",
        &[&[GRACE]],
    ),
    on_instances(
        "kill",
        "send a signal to process 1 of an instance",
        "Sends KILL, or another signal, to process 1 of each of the instances, and does not wait for what becomes of it.",
        &[&[value("signal", Some('s'), "SIGNAL", Kind::Other, "in place of KILL: HUP, USR1, RTMIN+3, 15")]],
    ),
    on_instances("pause", "freeze an instance", "Freezes every process of the instance where it is.", &[]),
    on_instances(
        "resume",
        "let a frozen instance go on",
        "Lets a frozen instance go on as if nothing had been.",
        &[],
    ),
    on_instances(
        "rm",
        "remove an instance and its files",
        "Removes the instance with all of its files. One that runs is refused; with --force it is stopped first, and \
         with --grace 0 killed. The image that it was made from stays.",
        &[&[FORCE, GRACE]],
    ),
    Verb {
        name: "rename",
        group: Group::Instances,
        words: "NAME NEW",
        kinds: &[Kind::Instance, Kind::Other],
        text: "give an instance another name",
        about: "Gives an instance that does not run another name. One that was to be removed at its end stays then.",
        options: &[],
        count: (2, 2),
        tail: Tail::Words,
    },
    Verb {
        name: "set",
        group: Group::Instances,
        words: "NAME [-- CMD…]",
        kinds: &[Kind::Instance],
        text: "change what an instance keeps",
        about: "Changes settings of an instance, from its next start on. An option that can be given several times \
                replaces all that the instance had of it.",
        options: &[&SETTINGS, &[UNSET]],
        count: (1, 1),
        tail: Tail::AfterDashes,
    },
    Verb {
        name: "ls",
        group: Group::Instances,
        words: "[instances|images]",
        kinds: &[Kind::OneOf(&["instances", "images"])],
        text: "list instances, or images",
        about: "Lists instances: what they run, since when, and how the last run ended.",
        options: &[&[QUIET, ALL, FORMAT]],
        count: (0, 1),
        tail: Tail::Words,
    },
    Verb {
        name: "inspect",
        group: Group::Instances,
        words: "NAME…",
        kinds: &[Kind::Either],
        text: "all that is known of an instance or an image, as JSON",
        about: "Prints all that is known of an instance or an image, as JSON; of several, as an array.",
        options: &[],
        count: (1, MANY),
        tail: Tail::Words,
    },
    on_instances(
        "wait",
        "wait for the end of instances, print their exit codes",
        "Waits until each of the instances has ended, and prints their exit codes, one a line.",
        &[],
    ),
    Verb {
        name: "events",
        group: Group::Instances,
        words: "",
        kinds: &[],
        text: "what happens, as it happens",
        about: "Prints a line for everything that happens to instances and images from now on.",
        options: &[&[FORMAT]],
        count: (0, 0),
        tail: Tail::Words,
    },
];
