//! How far long work has come, and whether it shall go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};

/// What is being done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// An image archive is copied, since it cannot be read from the begin twice.
    Receiving,
    /// A layer is unpacked.
    Unpacking {
        /// Which one, from 1.
        layer: usize,
        /// Of how many.
        of: usize,
    },
    /// A directory becomes a layer.
    Packing,
    /// An image or a tree is written to an archive.
    Exporting,
    /// The disk is waited for.
    Syncing,
}

/// A report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// What is being done.
    pub phase: Phase,
    /// Bytes of the source that are done with in this phase.
    pub done: u64,
    /// Of how many, if that is known.
    pub total: Option<u64>,
}

/// The answer to a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Go {
    /// Continue.
    On,
    /// End with [`Error::Interrupted`], and leave nothing behind.
    Stop,
}

/// Is told of long work, at least ten times a second while it goes on, and can end it.
pub trait Progress {
    /// The work has come this far.
    fn advance(&mut self, step: &Step) -> Go;
}

/// For whoever does not want to know.
impl Progress for () {
    fn advance(&mut self, _: &Step) -> Go {
        Go::On
    }
}

impl<F: FnMut(&Step) -> Go> Progress for F {
    fn advance(&mut self, step: &Step) -> Go {
        self(step)
    }
}

/// How long anything may wait without asking whether to go on.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);

/// What the threads of one phase tell each other.
#[derive(Clone, Default)]
pub(crate) struct Gauge {
    pub(crate) done: Arc<AtomicU64>,
    pub(crate) is_stopped: Arc<AtomicBool>,
}

impl Gauge {
    pub(crate) fn add(&self, count: usize) {
        self.done.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// An error once somebody has said stop.
    pub(crate) fn go_on(&self) -> Result<()> {
        if self.is_stopped.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// One phase of the work, and who wants to know.
pub(crate) struct Watch<'a> {
    progress: &'a mut dyn Progress,
    pub(crate) phase: Phase,
    total: Option<u64>,
    pub(crate) gauge: Gauge,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(progress: &'a mut dyn Progress, phase: Phase, total: Option<u64>) -> Self {
        Self { progress, phase, total, gauge: Gauge::default() }
    }

    /// About how many bytes there will be.
    pub(crate) fn expect(&mut self, total: u64) {
        self.total = Some(total);
    }

    /// Reports, and says by an error whether to stop.
    pub(crate) fn report(&mut self) -> Result<()> {
        let done = self.gauge.done.load(Ordering::Relaxed);
        // What was expected may have grown.
        let total = self.total.map(|total| total.max(done));
        match self.progress.advance(&Step { phase: self.phase, done, total }) {
            Go::On => Ok(()),
            Go::Stop => {
                self.gauge.stop();
                Err(Error::Interrupted)
            }
        }
    }
}
