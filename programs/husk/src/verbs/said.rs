//! What was said to a verb, by its row in the table.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use container::Failure;
use instance::{ImageName, InstanceName};
use lexopt::Arg;

use super::foreign;
use super::table::{CONNECTION, Kind, Row, Tail, Verb};

/// The command line of a verb.
#[derive(Debug)]
pub struct Said {
    /// Which verb.
    pub verb: &'static Verb,
    options: Given,
    /// Its words.
    pub words: Vec<OsString>,
    /// A command's words, after them.
    pub command: Vec<OsString>,
}

/// Options that were given, in order.
#[derive(Clone, Debug, Default)]
pub struct Given(Vec<(&'static str, OsString)>);

impl Given {
    /// Takes an option, and its value from the command line.
    pub fn take(&mut self, row: &Row, parser: &mut lexopt::Parser) -> Result<(), Failure> {
        let value = match row.value {
            None => OsString::new(),
            Some((_, kind)) => {
                let value = parser.value().map_err(wrong)?;
                let is_path = matches!(kind, Kind::File | Kind::Directory);
                if !is_path && value.to_str().is_none() {
                    return Err(Failure::usage(format!("--{} {}: not UTF-8", row.long, value.display())));
                }
                value
            }
        };
        self.0.push((row.long, value));
        Ok(())
    }

    /// The row of an option that is about the connection, if this is one.
    pub fn connection_row(&self, argument: &Arg<'_>) -> Option<&'static Row> {
        CONNECTION.iter().find(|row| matches!(argument, Arg::Long(long) if row.long == *long))
    }

    /// An option of a name that the table has.
    pub fn put(&mut self, long: &'static str, value: OsString) {
        self.0.push((long, value));
    }

    /// The last value of an option.
    pub fn path(&self, long: &str) -> Option<&Path> {
        self.0.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| Path::new(value))
    }
}

/// An option that a verb does not have.
pub fn unexpected(verb: &Verb, argument: Arg<'_>) -> Failure {
    let written = match &argument {
        Arg::Long(long) => format!("--{long}"),
        Arg::Short(letter) => format!("-{letter}"),
        Arg::Value(word) => word.to_string_lossy().into_owned(),
    };
    let failure = Failure::usage(argument.unexpected().to_string());
    match foreign::in_place_of_option(verb.name, &written) {
        Some(hint) => failure.hint(Some(hint)),
        None => failure,
    }
}

/// `-h` is help; where something follows it, and the verb has a host name, that was meant as docker-run(1) has it.
pub fn not_a_name(verb: &Verb, parser: &mut lexopt::Parser) -> Result<(), Failure> {
    let has_name = verb.rows().iter().any(|row| row.long == "hostname");
    let follows = parser.try_raw_args().is_none_or(|rest| rest.peek().is_some());
    match has_name && follows {
        true => Err(Failure::usage("-h: is help, and nothing follows it").hint(Some("--hostname NAME"))),
        false => Ok(()),
    }
}

/// What the parser of options says.
pub fn wrong(error: lexopt::Error) -> Failure {
    Failure::usage(error.to_string())
}

impl Said {
    /// A verb whose command line is understood elsewhere.
    pub fn new(verb: &'static Verb, options: Given, words: Vec<OsString>, command: Vec<OsString>) -> Self {
        Self { verb, options, words, command }
    }

    /// Understands what follows a verb; `None`: it is help that is asked for.
    pub fn parse(
        verb: &'static Verb,
        options: Given,
        parser: &mut lexopt::Parser,
    ) -> Result<Option<Self>, Failure> {
        let rows = verb.rows();
        let mut said = Self::new(verb, options, Vec::new(), Vec::new());
        loop {
            // lexopt swallows `--`; what follows it is a command's where the verb takes one.
            let separated = parser.try_raw_args().is_some_and(|rest| rest.peek() == Some(OsStr::new("--")));
            let rest_is_raw = match verb.tail {
                Tail::Words => false,
                Tail::AfterFirst => !said.words.is_empty(),
                Tail::AfterDashes => separated,
            };
            if rest_is_raw {
                let rest = parser.raw_args().map_err(wrong)?;
                said.command.extend(rest.skip(usize::from(separated)));
                break;
            }
            let Some(argument) = parser.next().map_err(wrong)? else { break };
            let row = match &argument {
                Arg::Long(long) => {
                    rows.iter().find(|row| row.long == *long || row.long == foreign::option(long))
                }
                Arg::Short(short) => rows.iter().find(|row| row.short == Some(*short)),
                Arg::Value(word) => {
                    said.words.push(word.clone());
                    continue;
                }
            };
            let Some(row) = row else {
                // It may be the command's, whose first word is one too many.
                if said.words.len() > verb.count.1 {
                    said.count()?;
                }
                return Err(unexpected(verb, argument));
            };
            if row.long == "help" {
                let is_letter = matches!(argument, Arg::Short(_));
                return if is_letter { not_a_name(verb, parser).map(|()| None) } else { Ok(None) };
            }
            said.options.take(row, parser)?;
        }
        said.count()?;
        Ok(Some(said))
    }

    fn count(&self) -> Result<(), Failure> {
        let Verb { name, words, .. } = self.verb;
        let (least, most) = self.verb.count;
        let count =
            self.words.len() + if self.verb.tail == Tail::AfterFirst { self.command.len() } else { 0 };
        if count < least {
            return Err(Failure::usage(format!("{name}: takes {words}")));
        }
        match self.words.get(most) {
            Some(word) if self.verb.tail == Tail::AfterDashes => {
                let words: Vec<_> = self.words[..most].iter().map(|word| word.to_string_lossy()).collect();
                let hint = format!("husk {name} {} -- {} …", words.join(" "), word.display());
                let what = format!("{name} {}: a command comes after --", word.display());
                Err(Failure::usage(what).hint(Some(hint)))
            }
            Some(word) => {
                let takes = if words.is_empty() { "no arguments" } else { words };
                Err(Failure::usage(format!("{name} {}: one too many, it takes {takes}", word.display())))
            }
            None => Ok(()),
        }
    }

    /// Whether an option was given.
    pub fn has(&self, long: &str) -> bool {
        self.path(long).is_some()
    }

    /// The last value of an option, a path.
    pub fn path(&self, long: &str) -> Option<&Path> {
        debug_assert!(self.verb.rows().iter().any(|row| row.long == long), "{long} is in no row");
        self.options.path(long)
    }

    /// The last value of an option.
    pub fn text(&self, long: &str) -> Option<&str> {
        self.path(long).and_then(Path::to_str)
    }

    /// All values of an option.
    pub fn texts<'s>(&'s self, long: &'s str) -> impl Iterator<Item = &'s str> {
        self.options.0.iter().filter(move |(name, _)| *name == long).filter_map(|(_, value)| value.to_str())
    }

    /// The value of an option that is one of these words.
    pub fn choice<T: Copy>(&self, long: &str, words: &[(&str, T)]) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(long) else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(Failure::usage(format!("--{long} {text:?}: it is one of {}", words.join(", "))))
            }
        }
    }

    /// A word as text; nothing where there is none.
    pub fn word(&self, place: usize) -> Result<&str, Failure> {
        let word = self.words.get(place).map(OsString::as_os_str).unwrap_or_default();
        word.to_str().ok_or_else(|| Failure::usage(format!("{}: not UTF-8", word.display())))
    }

    /// A word as the name of an instance.
    pub fn instance(&self, place: usize) -> Result<InstanceName, Failure> {
        InstanceName::new(self.word(place)?).map_err(|error| Failure::usage(error.to_string()))
    }

    /// A word as the name of an image.
    pub fn image(&self, place: usize) -> Result<ImageName, Failure> {
        ImageName::new(self.word(place)?).map_err(|error| Failure::usage(error.to_string()))
    }

    /// All words as names of instances.
    pub fn instances(&self) -> Result<Vec<InstanceName>, Failure> {
        (0..self.words.len()).map(|place| self.instance(place)).collect()
    }

    /// The command; it travels as text.
    pub fn command(&self) -> Result<Vec<String>, Failure> {
        let text = |word: &OsString| {
            word.to_str()
                .map(String::from)
                .ok_or_else(|| Failure::usage(format!("{}: not UTF-8", word.display())))
        };
        self.command.iter().map(text).collect()
    }
}

/// A time: `500ms`, `10s`, `2m`, `1h`, or seconds; in milliseconds.
pub fn milliseconds(long: &str, text: &str) -> Result<u64, Failure> {
    let wrong = || Failure::usage(format!("--{long} {text:?}: is no time; as in 500ms, 10s, 2m, 1h"));
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// What a command line says.
    pub fn said(line: &str) -> Result<Said, Failure> {
        let mut words = line.split(' ');
        let verb = Verb::named(words.next().unwrap()).expect("a verb");
        let mut parser = lexopt::Parser::from_args(words);
        let parsed = Said::parse(verb, Given::default(), &mut parser);
        parsed.map(|said| said.expect("no help"))
    }

    #[test]
    fn options_may_stand_anywhere_before_a_command() {
        let said = said("new --memory 1g web debian:12 -t -- ls -l -- x").unwrap();
        assert_eq!((said.text("memory"), said.has("tty"), said.has("init")), (Some("1g"), true, false));
        assert_eq!(said.words, ["web", "debian:12"]);
        assert_eq!(said.command, ["ls", "-l", "--", "x"]);
    }

    #[test]
    fn what_follows_the_name_is_the_commands() {
        let said = said("exec -it web -- ls -l").unwrap();
        assert_eq!(said.command, ["ls", "-l"]);
        assert_eq!(said.words, ["web"]);
    }

    #[test]
    fn a_wrong_number_of_words_is_said() {
        for (line, part) in [
            ("new web", "new: takes NAME IMAGE"),
            ("new web debian ls", "a command comes after --"),
            ("rename a b c", "rename c: one too many"),
            ("images x", "no arguments"),
            ("exec web", "exec: takes NAME CMD"),
            ("stop", "stop: takes NAME"),
            ("stop --fly web", "--fly"),
            ("stop --grace", "--grace"),
            ("rename ../a b", "is no name of an instance"),
        ] {
            let error = said(line).and_then(|said| said.instances().map(drop)).unwrap_err();
            assert!(error.to_string().contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, expected) in [("10", 10_000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000), ("0", 0)]
        {
            assert_eq!(milliseconds("grace", text).unwrap(), expected);
        }
        for text in ["", "x", "5x", "-1", "99999999999999999999", "18446744073709551615h"] {
            assert!(milliseconds("grace", text).is_err(), "{text}");
        }
    }
}
