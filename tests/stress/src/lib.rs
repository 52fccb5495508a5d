//! What the stress tests share: starts from many threads, deadlines, random moments, and what is left behind.

mod containers;
mod deadline;
mod kills;
mod minit;
mod random;
mod release;
mod remains;
mod starts;

pub use containers::{Crowd, rootfs};
pub use deadline::Deadline;
pub use kills::Kills;
pub use minit::{Pings, Served, load, time_until};
pub use random::Random;
pub use release::{release, release_alone};
pub use remains::{Tree, alone, children, descriptors, mounts_below, processes_of};
pub use starts::{Hammer, Noise, Tally};
