//! What tests of instances share: a daemon that says what a test wants it to say, and a shim without a container.

mod fake;
mod ground;
mod shim;

pub use fake::{Fake, Peer};
pub use ground::{Ground, programs};
pub use shim::Shim;

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// husk, with a daemon of the test's.
pub fn husk(fake: &Fake, line: &[&str]) -> Command {
    let mut command = Command::new(cli::program("husk"));
    command.args(line).env("HUSK_SOCKET", fake.socket()).env("HUSK_NO_DAEMON", "1").stdin(Stdio::null());
    command
}

/// A shell on a terminal of script(1), in which `$H` is husk, with the daemon at a socket.
pub fn on_terminal(socket: impl AsRef<OsStr>, text: &str) -> Command {
    let mut command = Command::new("script");
    command.args(["-qec", text, "/dev/null"]).env("H", cli::program("husk")).env("SHELL", "/bin/sh");
    command.env("HUSK_SOCKET", socket).env("HUSK_NO_DAEMON", "1").env("TERM", "vt220");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Reads until this was seen.
///
/// # Panics
/// Where the output ends before.
pub fn until(from: &mut impl std::io::Read, word: &str) -> String {
    let mut text = String::new();
    let mut bytes = [0; 256];
    while !text.contains(word) {
        let count = from.read(&mut bytes).expect("output");
        assert_ne!(count, 0, "no {word} in {text:?}");
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    text
}
