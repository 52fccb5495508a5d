//! The daemon over its socket, with real shims: needs root.

mod bed;
mod client;
mod crashes;
mod events;
mod hostile;
mod images;
mod initns;
mod lives;
mod many;
mod recovery;
mod refusals;
mod stalls;
