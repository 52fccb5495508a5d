//! A stream of bytes from a thread that makes it to one that uses it, and past one that digests it.
//!
//! Reading and decompressing, SHA-256, and writing files take about the same time; each has its thread.

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;

use sha2::Digest as _;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::progress::{Gauge, PATIENCE, Phase, Watch};
use crate::tar::{Blocks, Input};

/// Bytes that are passed on at once.
const CHUNK: usize = 256 << 10;
/// Chunks that may be on their way.
const QUEUE: usize = 16;

type Chunk = Arc<Piece>;

/// Bytes on their way. Whoever is done with them last gives their memory back: taking new memory for each costs
/// more than filling it.
#[derive(Default)]
struct Piece {
    /// Of one length always, once it is in use.
    memory: Vec<u8>,
    length: usize,
    home: Option<Sender<Vec<u8>>>,
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            // At the end of the stream nobody wants it any more.
            let _ = home.send(std::mem::take(&mut self.memory));
        }
    }
}

/// What a stream was, known when it has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flowed {
    pub(crate) digest: Digest,
    pub(crate) length: u64,
}

/// The begin of a stream: what is put in comes out at the other end.
pub(crate) struct Outflow {
    memory: Vec<u8>,
    length: usize,
    returned: (Sender<Vec<u8>>, Receiver<Vec<u8>>),
    user: SyncSender<Result<Chunk>>,
    digester: SyncSender<Chunk>,
    gauge: Gauge,
}

impl Outflow {
    fn new(user: SyncSender<Result<Chunk>>, digester: SyncSender<Chunk>, gauge: Gauge) -> Self {
        Self { memory: vec![0; CHUNK], length: 0, returned: channel(), user, digester, gauge }
    }

    /// All that a reader gives.
    pub(crate) fn drain(&mut self, reader: &mut dyn Read) -> Result<()> {
        loop {
            match reader.read(&mut self.memory[self.length..]) {
                Ok(0) => return Ok(()),
                Ok(count) => self.length += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.gauge.go_on()?;
                    return Err(Error::stream("read", "the archive", &error));
                }
            }
            // Whole chunks even of a pipe: whoever looks at the first one sees the begin of the archive.
            if self.length == CHUNK {
                self.pass()?;
            }
        }
    }

    fn pass(&mut self) -> Result<()> {
        let fresh = self.returned.1.try_recv().unwrap_or_else(|_| vec![0; CHUNK]);
        let memory = std::mem::replace(&mut self.memory, fresh);
        let length = std::mem::take(&mut self.length);
        let chunk = Arc::new(Piece { memory, length, home: Some(self.returned.0.clone()) });
        self.gauge.go_on()?;
        // Neither end goes away before this one but because of an error, which is theirs to tell.
        self.digester.send(Arc::clone(&chunk)).map_err(|_| Error::Interrupted)?;
        self.user.send(Ok(chunk)).map_err(|_| Error::Interrupted)
    }
}

impl Blocks for Outflow {
    fn put(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.gauge.add(bytes.len());
        while !bytes.is_empty() {
            let count = bytes.len().min(CHUNK - self.length);
            self.memory[self.length..self.length + count].copy_from_slice(&bytes[..count]);
            self.length += count;
            bytes = &bytes[count..];
            if self.length == CHUNK {
                self.pass()?;
            }
        }
        Ok(())
    }
}

/// The end of a stream.
pub(crate) struct Intake<'a, 'w> {
    receiver: Receiver<Result<Chunk>>,
    chunk: Chunk,
    at: usize,
    length: u64,
    limit: u64,
    watch: &'a mut Watch<'w>,
}

impl Intake<'_, '_> {
    /// What is done with the stream turned out to be another thing.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.watch.phase = phase;
    }

    /// Waits for the next chunk; false at the end.
    fn next(&mut self) -> Result<bool> {
        self.watch.report()?;
        loop {
            match self.receiver.recv_timeout(PATIENCE) {
                Ok(chunk) => {
                    (self.chunk, self.at) = (chunk?, 0);
                    self.length += self.chunk.length as u64;
                    if self.length > self.limit {
                        let limit = self.limit;
                        return Err(Error::Archive(format!(
                            "the archive is longer than {limit} bytes uncompressed, the limit here"
                        )));
                    }
                    return Ok(true);
                }
                Err(RecvTimeoutError::Timeout) => self.watch.report()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
        }
    }
}

impl Input for Intake<'_, '_> {
    fn fill(&mut self) -> Result<&[u8]> {
        while self.at == self.chunk.length {
            if !self.next()? {
                return Ok(&[]);
            }
        }
        Ok(&self.chunk.bytes()[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

/// Runs a stream: `make` in a thread of its own, `take` in this one. What `take` leaves is passed over, so that
/// the digest is that of the whole. An error of either is the error.
pub(crate) fn flow<T>(
    watch: &mut Watch<'_>,
    limit: u64,
    make: impl FnOnce(&mut Outflow) -> Result<()> + Send,
    take: impl FnOnce(&mut Intake<'_, '_>) -> Result<T>,
) -> Result<(T, Flowed)> {
    let (user, receiver) = sync_channel::<Result<Chunk>>(QUEUE);
    let (digester, digested) = sync_channel::<Chunk>(QUEUE);
    let gauge = watch.gauge.clone();
    thread::scope(|scope| {
        let error = |error| Error::stream("start", "a thread", &error);
        let digesting = thread::Builder::new()
            .name("digest".to_owned())
            .spawn_scoped(scope, move || {
                let mut hash = sha2::Sha256::new();
                digested.iter().for_each(|chunk| hash.update(chunk.bytes()));
                Digest::finish(hash)
            })
            .map_err(error)?;
        let making = gauge.clone();
        thread::Builder::new()
            .name("stream".to_owned())
            .spawn_scoped(scope, move || {
                let mut outflow = Outflow::new(user, digester, making);
                let made = make(&mut outflow)
                    .and_then(|()| if outflow.length == 0 { Ok(()) } else { outflow.pass() });
                if let Err(error) = made {
                    // Nobody listens any more only if the other end has an error of its own.
                    let _ = outflow.user.send(Err(error));
                }
            })
            .map_err(error)?;
        let mut intake = Intake { receiver, chunk: Chunk::default(), at: 0, length: 0, limit, watch };
        let taken = take(&mut intake).and_then(|taken| {
            while intake.next()? {}
            Ok((taken, intake.length))
        });
        if taken.is_err() {
            // Wakes up a thread that waits for a pipe; that its end is dropped one that waits for this.
            gauge.stop();
        }
        drop(intake);
        let (taken, length) = taken?;
        let digest = digesting.join().map_err(|_| Error::Archive("the digest was not made".to_owned()))?;
        Ok((taken, Flowed { digest, length }))
    })
}
