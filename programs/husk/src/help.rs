//! Help, from the tables of verbs and options.

use std::fmt::Write as _;

use crate::verbs::table::{CONNECTION, Group, ONCE, Row, Verb, verbs};

/// What help is about.
#[derive(Clone, Copy, Debug)]
pub enum Topic {
    /// The program.
    Husk,
    /// `husk run`
    Run,
    /// A verb.
    Verb(&'static Verb),
}

/// The text.
pub fn text(topic: Topic) -> String {
    match topic {
        Topic::Husk => husk(),
        Topic::Run => run(),
        Topic::Verb(verb) if verb.name == "run" => run(),
        Topic::Verb(verb) => of_verb(verb),
    }
}

fn husk() -> String {
    let parts = [
        ("Instances: containers with a name, kept by huskd", Group::Instances),
        ("In an instance", Group::Inside),
        ("Images", Group::Images),
        ("Without a daemon", Group::Alone),
    ];
    let mut text = String::from(HUSK);
    for (title, group) in parts {
        let _ = writeln!(text, "\n{title}:");
        for verb in verbs().filter(|verb| verb.group == group) {
            let _ =
                writeln!(text, "  {:<34} {}", format!("{} {}", verb.name, verb.words).trim_end(), verb.text);
        }
    }
    text + "\nAs in docker(1): create is new, ps is ls, unpause is resume; --volume, --network and --ulimit are --bind, --net and --rlimit.\n\
            husk help VERB tells all of a verb; husk(1), husk-run(1) and husk-instances(1) more.\n"
}

fn run() -> String {
    let mut text = String::from(RUN);
    if let Some(verb) = Verb::named("run") {
        for row in verb.rows() {
            text.push_str(match row.long {
                long if long == ONCE[0].long => "\nOf an image, with --rm:\n",
                long if long == CONNECTION[0].long => "\nOf an instance or an image:\n",
                _ => "",
            });
            options(&mut text, &[row]);
        }
    }
    text + EXIT
}

fn of_verb(verb: &Verb) -> String {
    let mut text = String::new();
    let words = verb.words;
    let _ = writeln!(
        text,
        "{}\n\n{}\n",
        format!("husk {} [OPTIONS] {words}", verb.name).trim_end(),
        fold(verb.about)
    );
    options(&mut text, &verb.rows());
    text
}

/// A String takes all that is written to it.
fn options(text: &mut String, rows: &[Row]) {
    for row in rows {
        let _ = writeln!(text, "{}", line(row));
    }
}

fn line(row: &Row) -> String {
    let short = row.short.map_or(String::from("    "), |letter| format!("-{letter}, "));
    let value = row.value.map_or(String::new(), |(value, _)| format!(" {value}"));
    format!("  {short}{:<28} {}", format!("--{}{value}", row.long), row.text)
}

/// Lines of at most 100 characters.
fn fold(text: &str) -> String {
    let (mut folded, mut column) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > 100 {
            folded.push('\n');
            column = 0;
        } else if column > 0 {
            folded.push(' ');
            column += 1;
        }
        folded.push_str(word);
        column += length;
    }
    folded
}

const HUSK: &str = "\
husk runs processes in containers of their own.

  husk run [OPTIONS] ROOTFS COMMAND [ARG…]   in the directory ROOTFS (starts with / or .), without a daemon
  husk run [OPTIONS] -- COMMAND [ARG…]       in a throw-away copy of this machine's own files, without a daemon
  husk run --rm [OPTIONS] IMAGE [COMMAND…]   in an instance of an image, which is removed at the end
  husk VERB [OPTIONS] …                      one of the verbs below
";

const RUN: &str = "\
husk run [OPTIONS] ROOTFS COMMAND [ARG…]
husk run [OPTIONS] -- COMMAND [ARG…]
husk run [-d] [-i] [-t] NAME [COMMAND [ARG…]]
husk run --rm [OPTIONS] IMAGE [COMMAND [ARG…]]

Runs COMMAND in a container. ROOTFS is a directory and starts with / or . ; without it the container sees
this machine's own files, copy on write, and its changes are thrown away at the end.
NAME is an instance (husk new): it has the options that it was given, and takes those below that are for one.
With --rm an instance is made from IMAGE, as by husk new, and removed when it has ended.

";

const EXIT: &str = "
Exit code: the command's own; 128+n when signal n ended it; 125 when the container could not be made,
126 when the command cannot be executed, 127 when it was not found.
";
