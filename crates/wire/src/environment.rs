//! What an exec may put into the environment of its command.

use crate::json::Members;
use crate::{Refusal, Words};

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
    pub refused: alloc::vec::Vec<alloc::string::String>,
}

impl Variables {
    pub(crate) fn parse(request: &str, members: Members<'_>) -> Result<Self, Refusal> {
        let mut variables = Self::default();
        for (name, value) in members {
            let shown: alloc::string::String = name.chars().take(64).collect();
            let field = alloc::format!("env.{shown}");
            if name.is_empty() || name.contains('=') {
                return Err(Refusal::field(request, &field, "has an empty name, or one with = in it"));
            }
            let Some(text) = value.string() else {
                return Err(Refusal::kind(request, &field, "a string", value));
            };
            if refused_name(&name) {
                variables.refused.push(name.clone().into_owned());
            }
            variables
                .words
                .push(&[name.as_bytes(), b"=", text.as_bytes()])
                .map_err(|_| Refusal::field(request, &field, "has a NUL character in it"))?;
        }
        Ok(variables)
    }
}
