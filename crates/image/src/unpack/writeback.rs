//! Files go to the disk while others are still unpacked.
//!
//! A layer is on the disk before it gets its name. Left to the end, that takes nearly as long as unpacking: the kernel
//! itself begins after seconds only. A thread tells it to begin with each file at once; what that thread does not get to
//! is left to the sync at the end, which is what the promise rests on.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use sys::fd::{AsFd, OwnedFd};

use crate::error::{Error, Result};

/// Of a file that is being written, a piece of this length is begun with before the next is there, bytes.
const STRIDE: u64 = 8 << 20;
/// How many files are handed over at once: waking up a thread costs more than to begin with one.
const BATCH: usize = 8;
/// How many batches may wait: with the one in work and the one that is collected, 144 files are open for this.
const QUEUE: usize = 16;

type Span = (OwnedFd, Range<u64>);

/// The thread that tells the kernel to begin. Dropped, it does no more; see [`finish`](Self::finish).
pub(super) struct Writeback {
    sender: Option<SyncSender<Vec<Span>>>,
    batch: Vec<Span>,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writeback {
    pub(super) fn start() -> Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let is_stopped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_stopped);
        let thread = Builder::new().name("writeback".to_owned()).spawn(move || begin_all(&receiver, &seen));
        let thread = thread.map_err(|error| Error::stream("start", "a thread", &error))?;
        Ok(Self { sender: Some(sender), batch: Vec::new(), is_stopped, thread: Some(thread) })
    }

    /// More of a file has been written, up to `end`; `begun` is how much of it has been handed over.
    pub(super) fn advance(&mut self, file: &OwnedFd, begun: &mut u64, end: u64) {
        if end - *begun < STRIDE {
            return;
        }
        // Without a descriptor to spare it is left to the sync at the end.
        if let Ok(file) = file.try_clone() {
            self.add((file, *begun..end));
            *begun = end;
        }
    }

    /// All of a file has been written, up to `end`.
    pub(super) fn complete(&mut self, file: OwnedFd, begun: u64, end: u64) {
        if begun < end {
            self.add((file, begun..end));
        }
    }

    fn add(&mut self, span: Span) {
        self.batch.push(span);
        if self.batch.len() >= BATCH {
            self.pass();
        }
    }

    /// Hands the batch over. A disk that is busy is not waited for: it has enough to do until the sync at the end.
    fn pass(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let Some(sender) = &self.sender else { return };
        if let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = sender.try_send(batch) {
            drop(batch);
        }
    }

    /// Everything has been handed over: waits until it has been begun with.
    pub(super) fn finish(mut self) {
        self.pass();
        self.end();
    }

    fn end(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and what it does has no outcome.
            let _ = thread.join();
        }
    }
}

impl Drop for Writeback {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.end();
    }
}

fn begin_all(receiver: &Receiver<Vec<Span>>, is_stopped: &AtomicBool) {
    for (file, bytes) in receiver.iter().flatten() {
        if !is_stopped.load(Ordering::Relaxed) {
            // Errors of the disk are told by the sync at the end. A file system that cannot do this is not asked to.
            let _ = sys::writeback::begin(file.as_fd(), bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands over a descriptor many times; what the reader of the pipe behind it finds after `end` is its end only if
    /// every one of them is closed.
    fn hand_over(end: impl FnOnce(Writeback)) {
        let (reader, writer) = sys::pipe::pipe().unwrap();
        let mut writeback = Writeback::start().unwrap();
        for _ in 0..1000 {
            let mut begun = 0;
            writeback.advance(&writer, &mut begun, STRIDE - 1);
            assert_eq!(begun, 0);
            writeback.advance(&writer, &mut begun, STRIDE);
            assert_eq!(begun, STRIDE);
            writeback.complete(writer.try_clone().unwrap(), begun, STRIDE + 1);
        }
        drop(writer);
        end(writeback);
        assert_eq!(sys::io::read(&reader, &mut [0; 1]), Ok(0));
    }

    #[test]
    fn no_file_stays_open_whether_it_was_begun_with_or_not() {
        hand_over(Writeback::finish);
        hand_over(drop);
    }
}
