//! Help, from the table of options.

use std::fmt::Write as _;

use crate::options::{Description, OPTIONS};

/// What help is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topic {
    /// The program.
    Husk,
    /// `husk run`
    Run,
}

/// The text.
pub fn text(topic: Topic) -> String {
    match topic {
        Topic::Husk => String::from(HUSK),
        Topic::Run => {
            let mut text = String::from(RUN);
            for option in &OPTIONS {
                // A String takes all that is written to it.
                let _ = writeln!(text, "{}", line(option));
            }
            text + EXIT
        }
    }
}

fn line(option: &Description) -> String {
    let short = option.short.map_or(String::from("    "), |letter| format!("-{letter}, "));
    let value = option.value.map_or(String::new(), |value| format!(" {value}"));
    format!("  {short}{:<28} {}", format!("--{}{value}", option.long), option.text)
}

const HUSK: &str = "\
husk runs a process in a container of its own.

  husk run [OPTIONS] ROOTFS COMMAND [ARG…]   in the directory ROOTFS (starts with / or .)
  husk run [OPTIONS] -- COMMAND [ARG…]       in a throw-away copy of this machine's own files
  husk plan BUNDLE                           print what an OCI bundle's config.json comes to
  husk help [run]                            this help, or that of a command
  husk version
";

const RUN: &str = "\
husk run [OPTIONS] ROOTFS COMMAND [ARG…]
husk run [OPTIONS] -- COMMAND [ARG…]

Runs COMMAND in a container. ROOTFS is a directory and starts with / or . ; without it the container sees
this machine's own files, copy on write, and its changes are thrown away at the end.

";

const EXIT: &str = "
Exit code: the command's own; 128+n when signal n ended it; 125 when the container could not be made,
126 when the command cannot be executed, 127 when it was not found.
";
