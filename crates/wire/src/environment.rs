//! What an exec may put into the environment of its command.

use alloc::collections::BinaryHeap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::Words;
use crate::fields::Fields;
use crate::quoted::shortened;

/// Names by which the dynamic loader, the allocator or an interpreter is told to load other code. In any
/// letter case. The last column of no table: whoever may start a program may also choose it, but a name that
/// slips through a client's own filter must not change what a program is.
const REFUSED: [&str; 15] = [
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "LD_PROFILE",
    "LD_DEBUG",
    "LD_DEBUG_OUTPUT",
    "LD_SHOW_AUXV",
    "LD_BIND_NOW",
    "GLIBC_TUNABLES",
    "MALLOC_CHECK_",
    "MALLOC_PERTURB_",
    "PYTHONPATH",
    "PERL5LIB",
    "RUBYLIB",
    "NODE_PATH",
];

/// Whether a name is refused unless the server was told to allow it.
#[must_use]
pub fn refused_name(name: &str) -> bool {
    REFUSED.iter().any(|refused| refused.eq_ignore_ascii_case(name))
}

/// Variables as `NAME=VALUE`, each name once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Variables {
    /// In the order given.
    pub words: Words,
    /// The first name that is refused unless the server allows it, if there is one.
    pub refused: Vec<String>,
}

impl Variables {
    pub(crate) fn parse(fields: &Fields<'_>) -> Self {
        let mut variables = Self::default();
        for (name, value) in fields.members("env", "an object of strings").into_iter().flatten() {
            let refuse = |why| fields.object_to(&shown(&name), why);
            if name.is_empty() || name.contains('=') {
                refuse("has an empty name, or one with = in it");
                return variables;
            }
            let Some(text) = value.string() else {
                fields.refuse_kind(&shown(&name), "a string", value);
                return variables;
            };
            if refused_name(&name) {
                variables.refused.push(name.clone().into_owned());
            }
            if variables.words.push(&[name.as_bytes(), b"=", text.as_bytes()]).is_err() {
                refuse("has a NUL character in it");
                return variables;
            }
        }
        if let Some(name) = variables.repeated() {
            fields.object_to(&shown(name), "is given twice");
        }
        variables
    }

    /// A name that stands there more than once: a program would see the first, a reader of JSON the last.
    fn repeated(&self) -> Option<&str> {
        let texts = self.words.iter().filter_map(|word| word.to_str().ok());
        let names: BinaryHeap<&str> = texts.filter_map(|text| text.split('=').next()).collect();
        // By a heap, which is less code than the sorts of slices.
        let names = names.into_sorted_vec();
        let mut pairs = names.iter().zip(names.iter().skip(1));
        pairs.find(|(name, next)| name == next).map(|(name, _)| *name)
    }
}

/// How a message names a variable.
fn shown(name: &str) -> String {
    format!("env.{}", shortened(name, 64))
}
