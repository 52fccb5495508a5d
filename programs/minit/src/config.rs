//! The configuration file: the words of the command line as a JSON object. It is turned into such words, and what they
//! mean is known in one place.
//!
//! ```json
//! {"on-exit": "poweroff", "rlimit": ["nofile=1024:4096"], "env": {"LANG": "C"}, "command": ["/app", "-v"]}
//! ```

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ffi::CStr;

use sys::exec::Argument;
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::strerror::describe;
use wire::Quoted;
use wire::json::{Kind, Value};

use crate::errand;
use crate::options::{Value as Form, value_in_a_file};
use crate::{Ground, OURS};

/// Bytes that all words of a file may have together, with a null behind each.
pub const MOST_BYTES: usize = 32_768;
/// How many words there may be.
pub const MOST_WORDS: usize = 1024;
/// Bytes that a file may have.
const MOST: usize = 1 << 18;

/// Reads the file at `path` in a child. The words are put into `buffer`.
///
/// # Errors
/// The exit code; why has been said.
pub fn read<'b>(ground: &Ground, path: &CStr, buffer: &'b mut [u8]) -> Result<&'b [u8], u8> {
    let parcel = errand::run(ground, buffer, |counter| {
        let words = file(path).and_then(|text| words(&text));
        let words = words.map_err(|why| format!("--config {}: {why}", path.to_string_lossy()))?;
        counter.hand_over(&words, None).map_err(|errno| format!("--config: {}", describe(errno)))
    })?;
    Ok(parcel.bytes)
}

/// The words in `bytes`, put into `places`, with the program's name before them and the end mark behind.
///
/// # Errors
/// The exit code: there are too many.
pub fn arguments<'p, 'b>(
    name: &'b CStr,
    mut bytes: &'b [u8],
    places: &'p mut [Argument<'b>; MOST_WORDS],
) -> Result<&'p [Argument<'b>], u8> {
    let mut count = 0;
    let mut next = Some(name);
    while let Some(word) = next {
        *places.get_mut(count).ok_or(OURS)? = Argument::new(word);
        count += 1;
        next = CStr::from_bytes_until_nul(bytes).ok();
        bytes = next.and_then(|word| bytes.get(word.to_bytes_with_nul().len()..)).unwrap_or_default();
    }
    *places.get_mut(count).ok_or(OURS)? = Argument::END;
    places.get(..=count).ok_or(OURS)
}

fn file(path: &CStr) -> Result<String, String> {
    let words = |errno| describe(errno).to_string();
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(words)?;
    let mut text = Vec::new();
    let mut piece = [0u8; 4096];
    loop {
        match sys::io::read(&file, &mut piece[..]) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(sys::Errno::INTR) => {}
            Err(errno) => return Err(words(errno)),
        }
        if text.len() > MOST {
            return Err(format!("longer than {MOST} bytes"));
        }
    }
    String::from_utf8(text).map_err(|error| format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
}

/// The words that an object stands for, each with a null behind it.
///
/// # Errors
/// Why it stands for none, in words.
pub fn words(text: &str) -> Result<Vec<u8>, String> {
    let value = Value::parse(text).map_err(|error| format!("not JSON: {error}"))?;
    let members = value.members().ok_or_else(|| format!("it is {}, not an object", value.kind().words()))?;
    let (mut options, mut command) = (Words::default(), Words::default());
    for (name, value) in members {
        if name == "command" {
            let wrong = || "\"command\" is an array of strings".to_string();
            for element in value.elements().ok_or_else(wrong)? {
                command.push(&[&element.string().ok_or_else(wrong)?])?;
            }
        } else {
            option(&mut options, &name, value)?;
        }
    }
    options.push(&["--"])?;
    options.bytes.extend_from_slice(&command.bytes);
    // The program's name before them and the end mark behind count too.
    if options.bytes.len() > MOST_BYTES || options.count + command.count + 1 > MOST_WORDS {
        return Err(format!("more than {MOST_WORDS} words or {MOST_BYTES} bytes"));
    }
    Ok(options.bytes)
}

/// Words, each with a null behind it, and how many.
#[derive(Default)]
struct Words {
    bytes: Vec<u8>,
    count: usize,
}

impl Words {
    /// Adds one, made of parts.
    #[inline(never)]
    fn push(&mut self, parts: &[&str]) -> Result<(), String> {
        for part in parts {
            if part.as_bytes().contains(&0) {
                let shown: String = part.chars().take(64).collect();
                return Err(format!("{} has a null character in it", Quoted(&shown)));
            }
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.bytes.push(0);
        self.count += 1;
        Ok(())
    }
}

/// One option: a value, several, `NAME=VALUE` for each member of an object; for one that takes none, whether it is
/// given. What the option is not asked for its value: without one it would take the next word for it.
fn option(words: &mut Words, name: &str, value: Value<'_>) -> Result<(), String> {
    let Some(form) = value_in_a_file(name) else { return Err(format!("{} is no option", Quoted(name))) };
    let has_members = matches!(name, "env" | "rlimit");
    let wrong = || {
        let what = match form {
            Form::None => "true or false",
            Form::Needed if has_members => "a string, or an array or object of strings and numbers",
            Form::Needed => "a string, a number, or an array of these",
        };
        format!("{} is {what}", Quoted(name))
    };
    let mut add = |before: [&str; 2], value: Value<'_>| {
        let text = value.string().or_else(|| value.digits().map(Cow::Borrowed)).ok_or_else(wrong)?;
        words.push(&["--", name, "=", before[0], before[1], &text])
    };
    match (form, value.kind(), value.elements(), value.members()) {
        (Form::None, Kind::Truth, ..) if value.truth() == Some(false) => {}
        (Form::None, Kind::Truth, ..) => words.push(&["--", name])?,
        (Form::None, ..) => return Err(wrong()),
        (Form::Needed, _, Some(elements), _) => {
            for element in elements {
                add(["", ""], element)?;
            }
        }
        (Form::Needed, _, _, Some(members)) if has_members => {
            for (member, value) in members {
                add([&member, "="], value)?;
            }
        }
        (Form::Needed, ..) => add(["", ""], value)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Result<Vec<String>, String> {
        let bytes = words(text)?;
        Ok(bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect())
    }

    #[test]
    fn members_are_the_words_of_the_command_line() {
        let text = r#"{"on-exit": "stay", "nice": 5, "no-new-privs": true, "no-api": false, "rlimit": ["core=0", "cpu=9"],
            "env": {"A": "1 2", "B": ""}, "command": ["/bin/sh", "-c", "echo"]}"#;
        let expected = [
            "--on-exit=stay",
            "--nice=5",
            "--no-new-privs",
            "--rlimit=core=0",
            "--rlimit=cpu=9",
            "--env=A=1 2",
            "--env=B=",
            "--",
            "/bin/sh",
            "-c",
            "echo",
            "",
        ];
        assert_eq!(split(text).expect("words"), expected);
        assert_eq!(split("{}").expect("words"), ["--", ""]);
    }

    #[test]
    fn what_is_no_configuration_is_refused_in_words() {
        for (text, why) in [
            ("[]", "it is an array, not an object"),
            (r#"{"command": "sh"}"#, "\"command\" is an array of strings"),
            (r#"{"env": [["A"]]}"#, "\"env\" is a string, or an array or object of strings and numbers"),
            (r#"{"hostname": true}"#, "\"hostname\" is a string, a number, or an array of these"),
            (r#"{"hostname": null}"#, "\"hostname\" is a string, a number, or an array of these"),
            (r#"{"hostname": {"a": "b"}}"#, "\"hostname\" is a string, a number, or an array of these"),
            (r#"{"nice": [true]}"#, "\"nice\" is a string, a number, or an array of these"),
            (r#"{"no-new-privs": null}"#, "\"no-new-privs\" is true or false"),
            (r#"{"no-new-privs": "yes"}"#, "\"no-new-privs\" is true or false"),
            (r#"{"colour": false}"#, "\"colour\" is no option"),
            (r#"{"": true, "command": ["x"]}"#, "\"\" is no option"),
            (r#"{"user=root": true}"#, "\"user=root\" is no option"),
            (r#"{"config": "/other"}"#, "\"config\" is no option"),
            (r#"{"help": true}"#, "\"help\" is no option"),
            ("{\"env\": \"A=\\u0000\"}", "\"A=\\u{0}\" has a null character in it"),
        ] {
            assert_eq!(words(text), Err(why.to_string()), "{text}");
        }
        assert!(words("{").is_err_and(|why| why.starts_with("not JSON: ")));
        let many = format!("{{\"env\": [{}\"A=1\"]}}", "\"A=1\",".repeat(2000));
        assert!(words(&many).is_err_and(|why| why.starts_with("more than 1024 words")));
    }

    #[test]
    fn words_become_arguments() {
        let bytes = words(r#"{"nice": 1, "command": ["x", ""]}"#).expect("words");
        let mut places = [Argument::END; MOST_WORDS];
        let arguments = arguments(c"minit", &bytes, &mut places).expect("they fit");
        let texts: Vec<_> = arguments.iter().map_while(|word| word.text()).collect();
        assert_eq!(texts, [c"minit", c"--nice=1", c"--", c"x", c""]);
        assert_eq!(arguments.len(), 6);
    }
}
