//! Words of docker(1) and podman(1): what is the same here under another name, and what there is in place of the rest.

/// Verbs that are called otherwise here.
const VERBS: [(&str, &str); 3] = [("create", "new"), ("ps", "ls"), ("unpause", "resume")];

/// Options that are called otherwise here.
const OPTIONS: [(&str, &str); 6] = [
    ("volume", "bind"),
    ("network", "net"),
    ("ulimit", "rlimit"),
    ("time", "grace"),
    ("timeout", "grace"),
    ("pids-limit", "pids"),
];

/// What there is in place of a verb.
const IN_PLACE_OF: [(&str, &str); 29] = [
    ("build", BUILD),
    ("buildx", BUILD),
    ("pull", REGISTRY),
    ("push", REGISTRY),
    ("login", REGISTRY),
    ("logout", REGISTRY),
    ("search", REGISTRY),
    ("tag", "husk export IMAGE | husk import - OTHER gives an image a second name, of the same layers"),
    ("load", "husk import FILE IMAGE takes what docker save writes"),
    ("save", "husk export --format oci -o FILE IMAGE"),
    ("diff", "husk inspect NAME tells its directory; what has changed is in upper there"),
    ("port", "husk inspect NAME, at publish"),
    ("update", "husk set NAME"),
    ("history", "husk inspect IMAGE"),
    ("info", "husk version; husk ls and husk images list what there is"),
    ("prune", "husk rm and husk rmi; layers that nobody uses go with them"),
    ("system", "husk ls and husk images list what there is, husk stats what it uses"),
    ("container", "the verbs stand alone: husk ls, husk rm"),
    ("image", "the verbs stand alone: husk images, husk rmi"),
    ("volume", "directories of this machine are shown by husk new --bind SRC:DST"),
    ("network", "husk new --net host, none or private"),
    ("compose", "a husk new for each, with --restart always"),
    ("daemon", "huskd is the daemon"),
    ("list", "husk ls"),
    ("remove", "husk rm"),
    ("delete", "husk rm"),
    ("enter", "husk exec -it NAME sh"),
    ("shell", "husk exec -it NAME sh"),
    ("checkpoint", "husk pause and husk resume, while it stays in memory"),
];

const BUILD: &str = "husk commit and husk seed make images; of a Dockerfile buildah does, and husk import takes what it saves";
const REGISTRY: &str =
    "there are no registries here: husk import takes what docker save or skopeo copy writes";

/// What there is in place of an option.
const IN_PLACE_OF_OPTION: [(&str, &str); 20] = [
    ("--privileged", "--profile unrestricted"),
    ("--mount", "--bind SRC:DST[:ro] or --tmpfs DST"),
    ("--dns", "a private network has the host's; or --bind FILE:/etc/resolv.conf"),
    ("--add-host", "--bind FILE:/etc/hosts"),
    ("--shm-size", "--tmpfs /dev/shm:size=256m"),
    ("--sysctl", "no sysctls are set; from inside, with --profile unrestricted"),
    ("--group-add", "--user USER:GROUP"),
    ("--entrypoint", "the command given takes the place of the image's entry point too"),
    ("--label", "an instance has a name and no labels"),
    ("--platform", "an image runs if this machine can"),
    ("--pid", "an instance has its own processes; --profile unrestricted comes nearest"),
    ("--ipc", "--profile unrestricted has the host's"),
    ("--security-opt", "--seccomp FILE, --profile"),
    ("--gpus", "--device SRC for each of its devices"),
    ("--memory-swap", "with --memory swap is not used"),
    ("--link", "private networks reach each other by address: husk ls"),
    ("--expose", "--publish PORT:PORT with --net private"),
    ("--publish-all", "--publish PORT:PORT for each"),
    ("-P", "--publish PORT:PORT for each"),
    ("-f", "it is JSON: husk inspect NAME | jq"),
];

/// The name that a verb has here.
pub fn verb(word: &str) -> &str {
    VERBS.iter().find(|(theirs, _)| *theirs == word).map_or(word, |(_, ours)| ours)
}

/// The name that an option has here.
pub fn option(long: &str) -> &str {
    OPTIONS.iter().find(|(theirs, _)| *theirs == long).map_or(long, |(_, ours)| ours)
}

/// What there is in place of a verb.
pub fn in_place_of(word: &str) -> Option<&'static str> {
    IN_PLACE_OF.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours)
}

/// What there is in place of an option of a verb, as it was written.
pub fn in_place_of_option(verb: &str, written: &str) -> Option<&'static str> {
    match (verb, written) {
        ("rmi", "-f" | "--force") => {
            Some("instances keep the layers that they need: an image is removed without")
        }
        ("inspect", _) => find(written).filter(|_| written == "-f"),
        ("new" | "set" | "run", _) if written != "-f" => find(written),
        _ => None,
    }
}

fn find(written: &str) -> Option<&'static str> {
    IN_PLACE_OF_OPTION.iter().find(|(theirs, _)| *theirs == written).map(|(_, ours)| *ours)
}

#[cfg(test)]
mod tests {
    use super::super::table::{Verb, verbs};
    use super::*;

    #[test]
    fn what_is_here_under_another_name_is_here() {
        assert!(
            VERBS.iter().all(|(theirs, ours)| Verb::named(ours).is_some() && Verb::named(theirs).is_none())
        );
        let rows: Vec<_> = verbs().flat_map(Verb::rows).collect();
        let has = |long: &str| rows.iter().any(|row| row.long == long);
        assert!(OPTIONS.iter().all(|(theirs, ours)| has(ours) && !has(theirs)));
        assert!(IN_PLACE_OF.iter().all(|(theirs, _)| Verb::named(theirs).is_none()));
        // What is said to be done is a verb of the table.
        for (theirs, text) in IN_PLACE_OF {
            for named in text.split("husk ").skip(1) {
                let name = named.split([' ', ',', ';', ':']).next().unwrap_or_default();
                assert!(Verb::named(name).is_some(), "{theirs}: husk {name}");
            }
        }
    }
}
