//! What containers are made from.

use super::rows::{FORMAT, QUIET, flag, value};
use super::{Group, Kind, MANY, Tail, Verb};

/// Verbs, in the order in which help shows them.
pub const VERBS: [Verb; 6] = [
    Verb {
        name: "import",
        group: Group::Images,
        words: "FILE|- IMAGE",
        kinds: &[Kind::File, Kind::Other],
        text: "an image from an archive",
        about: "Makes an image from an archive: a tar of a file system, plain or compressed (gzip, zstd, xz), an OCI \
                archive, or what docker save wrote. FILE may be - for standard input, or an OCI layout's directory.",
        options: &[],
        count: (2, 2),
        tail: Tail::Words,
    },
    Verb {
        name: "seed",
        group: Group::Images,
        words: "DIR IMAGE",
        kinds: &[Kind::Directory, Kind::Other],
        text: "an image from a directory of this machine",
        about: "Makes an image from the directory DIR: of one file system, without what is mounted in it and without \
                husk's own files. husk seed / base makes this machine an image.",
        options: &[],
        count: (2, 2),
        tail: Tail::Words,
    },
    Verb {
        name: "commit",
        group: Group::Images,
        words: "NAME IMAGE",
        kinds: &[Kind::Instance, Kind::Other],
        text: "an image from an instance's files",
        about: "Makes an image from the files that an instance has now. One that runs is frozen meanwhile. Its command, \
                variables, user, working directory and stop signal are the image's, too. An image that exists is never \
                replaced.",
        options: &[&[flag("flat", None, "one layer, in place of one more over the image's")]],
        count: (2, 2),
        tail: Tail::Words,
    },
    Verb {
        name: "export",
        group: Group::Images,
        words: "NAME",
        kinds: &[Kind::Either],
        text: "an archive from an image or an instance",
        about: "Writes the files of an image or an instance as an archive, to standard output or a file.",
        options: &[&[
            value("output", Some('o'), "FILE", Kind::File, "to this file, in place of standard output"),
            value(
                "format",
                None,
                "tar|oci",
                Kind::OneOf(&["tar", "oci"]),
                "a tar of the file system (default), or an OCI archive",
            ),
            value(
                "compress",
                None,
                "gzip|zstd",
                Kind::OneOf(&["gzip", "zstd", "none"]),
                "compressed (default: as the name of the file ends)",
            ),
        ]],
        count: (1, 1),
        tail: Tail::Words,
    },
    Verb {
        name: "rmi",
        group: Group::Images,
        words: "IMAGE…",
        kinds: &[Kind::Image],
        text: "remove an image",
        about: "Removes images, and the layers that nobody uses any more. Instances that were made from them keep theirs.",
        options: &[],
        count: (1, MANY),
        tail: Tail::Words,
    },
    Verb {
        name: "images",
        group: Group::Images,
        words: "",
        kinds: &[],
        text: "list images",
        about: "Lists images, as husk ls images does.",
        options: &[&[QUIET, FORMAT]],
        count: (0, 0),
        tail: Tail::Words,
    },
];
