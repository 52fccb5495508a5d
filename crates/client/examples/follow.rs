//! Follows an exec through lost connections, without a byte lost or doubled: `follow SOCKET ID`.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use husk_client::{Address, Attach, Client, Error, Event, Stream};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [socket, id] = words.as_slice() else { return Err("follow SOCKET ID".into()) };
    let mut from = Attach::default();
    loop {
        match follow(Path::new(socket), id, &mut from) {
            Err(Error::Lost { .. } | Error::Connect { .. }) => std::thread::sleep(Duration::from_millis(200)),
            done => return Ok(done?),
        }
    }
}

fn follow(socket: &Path, id: &str, from: &mut Attach) -> Result<(), Error> {
    let mut client = Client::connect(Address::from(socket))?;
    let running = client.attach(id, *from)?;
    while let Some(event) = running.next(&mut client)? {
        match event {
            Event::Stdout { bytes, offset } => {
                from.stdout = Some(offset + bytes.len() as u64);
                let _ = std::io::stdout().write_all(&bytes);
            }
            Event::Stderr { bytes, offset } => {
                from.stderr = Some(offset + bytes.len() as u64);
                let _ = std::io::stderr().write_all(&bytes);
            }
            Event::Gap { stream, from, to } => {
                let name = if stream == Stream::Stdout { "output" } else { "errors" };
                eprintln!("follow: {} bytes of {name} came too long ago", to - from);
            }
            Event::Exit(exit) => eprintln!("follow: it has ended with code {}", exit.code),
            _ => {}
        }
    }
    Ok(())
}
