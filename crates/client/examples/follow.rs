//! Follows an exec through lost connections, without a byte lost or doubled: `follow SOCKET ID`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use husk_client::{Address, Attach, Client, Error, Event, Stream};

/// For how long a server that was there is looked for again.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is known by now, on whatever connection.
#[derive(Default)]
struct Known {
    from: Attach,
    code: Option<u8>,
    /// When the server was heard last.
    heard: Option<Instant>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [socket, id] = words.as_slice() else {
        eprintln!("follow: usage: follow SOCKET ID");
        return ExitCode::from(125);
    };
    let mut known = Known::default();
    loop {
        let ended = follow(Path::new(socket), id, &mut known);
        let is_gone = matches!(ended, Err(Error::Lost { .. } | Error::Connect { .. }));
        match (ended, known.code) {
            // What others go on writing is not waited for where the connection is lost after the end.
            (_, Some(code)) => return ExitCode::from(code),
            (Err(error), None) if !is_gone || known.heard.is_none_or(|heard| heard.elapsed() > PATIENCE) => {
                eprintln!("follow: {error}");
                return ExitCode::from(error.code());
            }
            _ => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn follow(socket: &Path, id: &str, known: &mut Known) -> Result<(), Error> {
    let mut client = Client::connect(Address::from(socket))?;
    let running = client.attach(id, known.from)?;
    while let Some(event) = running.next(&mut client)? {
        known.heard = Some(Instant::now());
        match event {
            Event::Stdout { bytes, offset } => {
                known.from.stdout = Some(offset + bytes.len() as u64);
                let _ = std::io::stdout().write_all(&bytes);
            }
            Event::Stderr { bytes, offset } => {
                known.from.stderr = Some(offset + bytes.len() as u64);
                let _ = std::io::stderr().write_all(&bytes);
            }
            Event::Gap { stream, from, to } => {
                let name = if stream == Stream::Stdout { "output" } else { "errors" };
                eprintln!("follow: {} bytes of {name} came too long ago", to - from);
            }
            Event::Exit(exit) => known.code = Some(exit.code),
            _ => {}
        }
    }
    Ok(())
}
