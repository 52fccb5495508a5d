//! What is no concern of the daemon's.

use super::{Group, Kind, Tail, Verb};

/// Verbs, in the order in which help shows them.
pub const VERBS: [Verb; 4] = [
    Verb {
        name: "plan",
        group: Group::Alone,
        words: "BUNDLE",
        kinds: &[Kind::File],
        text: "print what an OCI bundle's config.json comes to",
        about: "Prints the steps in which the container of an OCI bundle would be made, and does nothing.",
        options: &[],
        count: (1, 1),
        tail: Tail::Words,
    },
    Verb {
        name: "completion",
        group: Group::Alone,
        words: "bash|zsh|fish",
        kinds: &[Kind::OneOf(&["bash", "zsh", "fish"])],
        text: "a completion script for a shell",
        about: "Prints a script that makes a shell complete husk's command lines, as for bash: source <(husk completion bash)",
        options: &[],
        count: (1, 1),
        tail: Tail::Words,
    },
    Verb {
        name: "help",
        group: Group::Alone,
        words: "[VERB]",
        kinds: &[Kind::Verb],
        text: "this help, or that of a verb",
        about: "Prints help on husk, or on one of its verbs.",
        options: &[],
        count: (0, 1),
        tail: Tail::Words,
    },
    Verb {
        name: "version",
        group: Group::Alone,
        words: "",
        kinds: &[],
        text: "the version",
        about: "Prints the version.",
        options: &[],
        count: (0, 0),
        tail: Tail::Words,
    },
];
