//! A client of the minit protocol that costs as little as it can: lines out, lines in.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Result;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    line: Vec<u8>,
}

impl Client {
    /// Connects to a server that listens already.
    pub fn connect(socket: &Path) -> Result<Client> {
        let stream = UnixStream::connect(socket).map_err(|why| format!("{}: {why}", socket.display()))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|why| format!("a time limit: {why}"))?;
        Ok(Client { stream: BufReader::with_capacity(1 << 18, stream), line: Vec::new() })
    }

    /// Sends a request, which needs no newline.
    pub fn send(&mut self, request: &str) -> Result<()> {
        let mut line = request.to_owned();
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes()).map_err(|why| format!("send {request}: {why}"))
    }

    /// The next message as it came, without its newline.
    pub fn line(&mut self) -> Result<&[u8]> {
        self.line.clear();
        self.stream.read_until(b'\n', &mut self.line).map_err(|why| format!("no answer: {why}"))?;
        self.line.strip_suffix(b"\n").ok_or_else(|| "the connection ended".to_owned())
    }

    /// The next message.
    pub fn message(&mut self) -> Result<Value> {
        serde_json::from_slice(self.line()?).map_err(|why| format!("not JSON: {why}"))
    }

    /// The next message of this type; others are passed over, but an error ends it.
    pub fn message_of(&mut self, kind: &str) -> Result<Value> {
        loop {
            let message = self.message()?;
            if message["type"] == kind {
                return Ok(message);
            }
            if message["type"] == "error" {
                return Err(format!("{message} instead of {kind}"));
            }
        }
    }

    /// Sends a request and times the answer.
    pub fn time(&mut self, request: &str) -> Result<Duration> {
        let begun = Instant::now();
        self.send(request)?;
        self.line()?;
        Ok(begun.elapsed())
    }
}
