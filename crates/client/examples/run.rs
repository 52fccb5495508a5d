//! Runs a command on a server and passes its output on: `run SOCKET CMD [ARG…]`.

use std::error::Error as Any;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use husk_client::{Address, Client, Error, Event, Exec};

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("run: {error}");
            ExitCode::from(error.downcast_ref().map_or(125, Error::code))
        }
    }
}

/// The exit code of the command.
fn run() -> Result<u8, Box<dyn Any>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [socket, cmd, args @ ..] = words.as_slice() else {
        return Err("usage: run SOCKET CMD [ARG…]".into());
    };
    let mut client = Client::connect(Address::from(Path::new(socket)))?;
    let running = client.exec(&Exec::new(cmd).args(args.iter().map(String::as_str)))?;
    while let Some(event) = running.next(&mut client)? {
        match event {
            Event::Stdout { bytes, .. } => std::io::stdout().write_all(&bytes)?,
            Event::Stderr { bytes, .. } => std::io::stderr().write_all(&bytes)?,
            Event::Exit(exit) => return Ok(exit.code),
            _ => {}
        }
    }
    Err("the command has no end".into())
}
