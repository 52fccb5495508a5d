//! Names of instances and of images. They become names of files, of cgroups and of links, so they are parsed once,
//! here, and hold nothing that means something there.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something is no name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidName(String);

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidName {}

/// Characters beside letters and digits, and the longest name.
struct Form {
    what: &'static str,
    marks: &'static [u8],
    longest: usize,
    /// Names of something else.
    taken: &'static [&'static str],
}

const INSTANCE: Form = Form { what: "instance", marks: b"_.-", longest: 64, taken: &["run"] };
const IMAGE: Form = Form { what: "image", marks: b"_.:@+-", longest: 128, taken: &[] };

fn check(name: &str, form: &Form) -> Result<(), InvalidName> {
    let wrong = |why: String| Err(InvalidName(format!("{name:?} is no name of an {}: {why}", form.what)));
    let Some(first) = name.bytes().next() else {
        return wrong("it is empty".into());
    };
    if !first.is_ascii_alphanumeric() {
        return wrong("it begins with neither a letter nor a digit".into());
    }
    if name.len() > form.longest {
        return wrong(format!("it is longer than {} bytes", form.longest));
    }
    if form.taken.contains(&name) {
        return wrong("that is where `husk run` keeps its records".into());
    }
    match name
        .chars()
        .find(|one| !one.is_ascii_alphanumeric() && !form.marks.iter().any(|mark| *one == char::from(*mark)))
    {
        None => Ok(()),
        Some(other) => wrong(format!(
            "{other:?} is none of A-Z a-z 0-9 {}",
            form.marks.iter().map(|mark| char::from(*mark)).collect::<String>()
        )),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $form:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes a text for a name.
            ///
            /// # Errors
            /// What is wrong with it.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                check(&text, &$form).map(|()| Self(text))
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// Name of an instance: 1 to 64 letters, digits, `_`, `.` or `-`, the first a letter or digit.
    InstanceName, INSTANCE
}

name! {
    /// Name of an image: 1 to 128 letters, digits, `_`, `.`, `:`, `@`, `+` or `-`, the first a letter or digit.
    ImageName, IMAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_nothing_that_means_something_to_a_file_system() {
        for good in ["a", "A0", "web-1", "x_y.z", "0"] {
            assert_eq!(InstanceName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "a\0", "ä", "a:b", "run", &"a".repeat(65)]
        {
            assert!(InstanceName::new(bad).is_err(), "{bad:?} was taken");
        }
        assert!(ImageName::new("debian:12").is_ok());
        assert!(ImageName::new("a/b").is_err());
    }

    #[test]
    fn a_message_with_a_wrong_name_is_refused_in_words() {
        let error = serde_json::from_str::<InstanceName>("\"../x\"").unwrap_err().to_string();
        assert!(error.contains("\"../x\" is no name of an instance"), "{error}");
    }
}
