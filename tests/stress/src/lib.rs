//! What the stress tests share: starts from many threads, deadlines, random moments, and what is left behind.

mod deadline;
mod random;
mod remains;
mod starts;

pub use deadline::Deadline;
pub use random::Random;
pub use remains::{Tree, alone, children, descriptors, mounts_below, processes_of};
pub use starts::{Hammer, Noise, Tally};
