//! The text protocol of initns, so that its client can be used unchanged: a request is a line of words, an answer is
//! `ok`, `error`, `syntax` or a list, and ends with an empty line. What a request means there it means here: an instance
//! made so has all rights and its own /sbin/init, and to run one is to stop the others.

use std::fmt::Write as _;

use crate::message::{Files, Form, IfRunning, Others, Request, Stdin, What};
use crate::state::Then;
use crate::{ImageName, InstanceName, Profile, Settings};

/// The longest line, in bytes, with its end.
pub const LONGEST_LINE: usize = 4096;

/// What a line asks for.
#[derive(Clone, PartialEq, Debug)]
pub enum Asked {
    /// What a request of the other protocol asks for too.
    Request(Request),
    /// The words that there are.
    Help,
}

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// It is done.
    Ok,
    /// It is not done.
    Error,
    /// It is no request.
    Syntax,
    /// What there is, one a line.
    List(Vec<String>),
    /// The words that there are.
    Help,
}

const HELP: &str = "\
new <name> <image>      make an instance of an image
seed <src> <image>      make an image of one file system
commit <name> <image>   make an image of an instance
run <name>              start or resume an instance, and stop the others
stop <name>             stop an instance
rm <name>               remove an instance
ls image | instance     list images or instances
help                    this help";

/// Understands a line. What stands behind the words that a request has is passed over, as initns does.
///
/// # Errors
/// What to answer at once: [`Said::Syntax`] where it is no request, [`Said::Error`] where a name is none.
pub fn parse(line: &str) -> Result<Asked, Said> {
    let mut words = line.trim_end_matches(['\n', '\r']).split(' ').filter(|word| !word.is_empty());
    let (verb, first, second) = (words.next(), words.next(), words.next());
    let request = match (verb.ok_or(Said::Syntax)?, first, second) {
        ("help", _, _) => return Ok(Asked::Help),
        // Of the machine, which is not ours to end.
        ("reboot" | "poweroff", _, _) => return Err(Said::Error),
        ("new", Some(name), Some(of)) => Request::New {
            name: instance(name)?,
            image: image(of)?,
            files: Files::Overlay,
            settings: Box::new(Settings {
                command: vec![String::from("/sbin/init")],
                profile: Profile::Unrestricted,
                ..Settings::default()
            }),
            at_end: Then::Stay,
        },
        ("commit", Some(name), Some(to)) => {
            Request::Commit { name: instance(name)?, image: image(to)?, form: Form::Changes }
        }
        ("seed", Some(directory), Some(to)) => {
            Request::Seed { directory: String::from(directory), image: image(to)? }
        }
        ("rm", Some(name), _) => {
            Request::Rm { name: instance(name)?, if_running: IfRunning::Refuse, grace_ms: None }
        }
        ("run", Some(name), _) => Request::Run {
            name: instance(name)?,
            command: Vec::new(),
            others: Others::Stop,
            terminal: None,
            stdin: Stdin::None,
        },
        ("stop", Some(name), _) => Request::Stop { name: instance(name)?, grace_ms: None },
        ("ls", Some("image"), _) => Request::Ls { what: What::Images },
        ("ls", Some("instance"), _) => Request::Ls { what: What::Instances },
        _ => return Err(Said::Syntax),
    };
    Ok(Asked::Request(request))
}

fn instance(name: &str) -> Result<InstanceName, Said> {
    InstanceName::new(name).map_err(|_| Said::Error)
}

fn image(name: &str) -> Result<ImageName, Said> {
    ImageName::new(name).map_err(|_| Said::Error)
}

/// An answer as it is sent, to be written in one piece. It ends with three newlines where two would do: initns'
/// client reads 256 bytes at a time, and does not see two that lie in two pieces.
#[must_use]
pub fn print(said: &Said) -> String {
    let mut text = match said {
        Said::Ok => String::from("ok"),
        Said::Error => String::from("error"),
        Said::Syntax => String::from("syntax"),
        Said::Help => String::from(HELP),
        Said::List(names) => names.join("\n"),
    };
    // A String takes all that is written to it.
    let _ = text.write_str("\n\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_protocol_is_understood() {
        for good in [
            "new a b",
            "new  a  b \n",
            "rm a ",
            "run a",
            "stop a",
            "ls image",
            "ls instance",
            "commit a b",
            "seed / b",
            // Words that nobody asked for are passed over, as initns' strtok(3) does.
            "run a b c",
            "rm a b",
            "stop a b c d",
            "ls image x",
            "new a b c",
        ] {
            assert!(matches!(parse(good), Ok(Asked::Request(_))), "{good}");
        }
        assert_eq!(parse("help \n"), Ok(Asked::Help));
    }

    #[test]
    fn what_is_no_request_is_syntax_and_what_is_no_name_an_error() {
        for bad in
            ["", " ", "\n", "new a", "new", "rm", "ls", "ls x", "fly a", "commit a", "seed /", "NEW a b"]
        {
            assert_eq!(parse(bad), Err(Said::Syntax), "{bad:?}");
        }
        for bad in ["new ../a b", "rm ..", "new a b/c", "commit a .b", "reboot", "poweroff"] {
            assert_eq!(parse(bad), Err(Said::Error), "{bad:?}");
        }
    }

    #[test]
    fn an_instance_has_its_own_init_and_running_it_stops_the_others() {
        let Ok(Asked::Request(Request::New { settings, .. })) = parse("new a b") else { panic!() };
        assert_eq!(
            (settings.profile, &settings.command[..]),
            (Profile::Unrestricted, &[String::from("/sbin/init")][..])
        );
        let Ok(Asked::Request(Request::Run { others, .. })) = parse("run a") else { panic!() };
        assert_eq!(others, Others::Stop);
    }

    #[test]
    fn an_answer_ends_with_an_empty_line_and_has_none_before_it() {
        let list = Said::List(vec!["a".into(), "b".into()]);
        for said in [Said::Ok, Said::Error, Said::Syntax, Said::Help, list] {
            let text = print(&said);
            assert_eq!(text.find("\n\n"), Some(text.len() - 3), "{text:?}");
        }
        assert_eq!(print(&Said::Ok), "ok\n\n\n");
        assert_eq!(print(&Said::List(Vec::new())), "\n\n\n");
    }
}
