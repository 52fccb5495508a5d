//! Running other programs, with the failure in words.

use std::process::{Command, Stdio};

use crate::Result;

/// Runs a command with its output shown; a non-zero exit is an error that names the command.
pub fn shown(mut command: Command) -> Result<()> {
    let words = words_of(&command);
    println!("$ {words}");
    let status = command.status().map_err(|why| format!("{words}: {why}"))?;
    if status.success() { Ok(()) } else { Err(format!("{words}: {status}")) }
}

/// Runs a command and returns its standard output, as bytes; its standard error becomes the error.
pub fn output(command: Command) -> Result<Vec<u8>> {
    output_of(command, Stdio::null())
}

/// The same with a standard input.
pub fn output_of(mut command: Command, input: Stdio) -> Result<Vec<u8>> {
    let words = words_of(&command);
    let done = command.stdin(input).output().map_err(|why| format!("{words}: {why}"))?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    Err(format!("{words}: {}: {}", done.status, String::from_utf8_lossy(&done.stderr).trim()))
}

/// Runs a command and returns its standard output as text.
pub fn text(command: Command) -> Result<String> {
    let words = words_of(&command);
    String::from_utf8(output(command)?).map_err(|_| format!("{words}: its output is not UTF-8"))
}

/// A command with its arguments, to keep the callers on one line.
pub fn command<const N: usize>(program: &str, arguments: [&str; N]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn words_of(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    words.join(" ")
}
