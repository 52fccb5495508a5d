//! What tests of instances share: a daemon that says what a test wants it to say, and a shim without a container.

mod fake;
mod ground;
mod shim;

pub use fake::{Fake, Peer};
pub use ground::{Ground, programs};
pub use shim::Shim;

use std::process::{Command, Stdio};

/// husk, with a daemon of the test's.
pub fn husk(fake: &Fake, line: &[&str]) -> Command {
    let mut command = Command::new(cli::program("husk"));
    command.args(line).env("HUSK_SOCKET", fake.socket()).env("HUSK_NO_DAEMON", "1").stdin(Stdio::null());
    command
}
