//! Runs a command on a server and passes its output on: `run SOCKET CMD [ARG…]`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use husk_client::{Address, Client, Event, Exec};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [socket, cmd, args @ ..] = words.as_slice() else { return Err("run SOCKET CMD [ARG…]".into()) };
    let mut client = Client::connect(Address::from(Path::new(socket)))?;
    let running = client.exec(&Exec::new(cmd).args(args.iter().map(String::as_str)))?;
    while let Some(event) = running.next(&mut client)? {
        match event {
            Event::Stdout { bytes, .. } => std::io::stdout().write_all(&bytes)?,
            Event::Stderr { bytes, .. } => std::io::stderr().write_all(&bytes)?,
            Event::Exit(exit) => return Ok(ExitCode::from(exit.code)),
            _ => {}
        }
    }
    Err("it has no end".into())
}
