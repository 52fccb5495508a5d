//! The name of a group.
use crate::invalid::Invalid;
use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use core::fmt;

/// The name of one directory in the hierarchy, checked once: it cannot leave its parent and cannot be taken
/// for one of the kernel's files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// The longest name of a file (NAME_MAX).
const LONGEST: usize = 255;

/// What the names of the kernel's files in a group begin with. A directory that is called `memory.max` would
/// hide the limit of that name once the controller is enabled (the kernel warns and does not create the
/// file).
const KERNEL_PREFIXES: [&str; 16] = [
    "blkio.", "cgroup.", "cpu.", "cpuacct.", "cpuset.", "debug.", "devices.", "dmem.", "freezer.",
    "hugetlb.", "io.", "irq.", "memory.", "misc.", "pids.", "rdma.",
];

impl Name {
    /// Checks a name: letters, digits, `_`, `.`, `+`, `-`; at most 255; no dot in front and no `..` inside;
    /// not the beginning of a file of the kernel.
    ///
    /// # Errors
    /// [`Invalid`] says which of these it breaks.
    pub fn new(text: &str) -> Result<Name, Invalid> {
        match objection(text) {
            None => Ok(Name(text.to_owned())),
            Some(reason) => Err(Invalid {
                quantity: "cgroup name",
                text: text.to_owned(),
                reason: Cow::Borrowed(reason),
                example: "web-1",
            }),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is wrong with a name, if anything.
fn objection(text: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte);
    if text.is_empty() {
        Some("is empty")
    } else if text.len() > LONGEST {
        Some("is longer than 255 characters")
    } else if !text.bytes().all(plain) {
        Some("has a character other than letters, digits and _.+-")
    } else if text.starts_with('.') {
        Some("starts with a dot")
    } else if text.contains("..") {
        Some("has two dots in a row")
    } else if KERNEL_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) || text == "tasks" {
        Some("could be one of the kernel's files in a cgroup")
    } else {
        None
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_accepted_as_they_are() {
        for text in
            ["husk", "web-1", "a", "A_b.c+d-e", "run-x-1-2", "-", "memory", "cgroupish.x", &"x".repeat(255)]
        {
            assert_eq!(Name::new(text).expect(text).as_str(), text);
        }
    }

    #[test]
    fn names_that_lead_elsewhere_or_hide_kernel_files_are_refused() {
        for (text, reason) in [
            ("", "is empty"),
            (".", "starts with a dot"),
            ("..", "starts with a dot"),
            (".hidden", "starts with a dot"),
            ("a..b", "has two dots in a row"),
            ("a/b", "has a character other than letters, digits and _.+-"),
            ("/", "has a character other than letters, digits and _.+-"),
            ("a b", "has a character other than letters, digits and _.+-"),
            ("a\nb", "has a character other than letters, digits and _.+-"),
            ("a\0", "has a character other than letters, digits and _.+-"),
            ("ä", "has a character other than letters, digits and _.+-"),
            ("cgroup.procs", "could be one of the kernel's files in a cgroup"),
            ("memory.max", "could be one of the kernel's files in a cgroup"),
            ("cpu.x", "could be one of the kernel's files in a cgroup"),
            (&"x".repeat(256), "is longer than 255 characters"),
        ] {
            assert_eq!(Name::new(text).expect_err(text).reason, reason, "{text:?}");
        }
    }
}
