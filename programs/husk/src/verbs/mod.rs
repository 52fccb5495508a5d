//! Verbs of instances and images: what is asked of the daemon, and how its answers are shown.

pub mod near;
pub mod said;
pub mod table;

use container::Failure;

use said::Said;

/// Does what was said; the exit code.
pub fn perform(said: &Said) -> Result<u8, Failure> {
    match said.verb.name {
        other => unreachable!("{other}: in the table and not here"),
    }
}
