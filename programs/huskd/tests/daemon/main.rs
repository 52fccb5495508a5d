//! The daemon over its socket, with real shims: needs root.

mod bed;
mod beside;
mod client;
mod crashes;
mod events;
mod faults;
mod full;
mod hostile;
mod images;
mod initns;
mod lives;
mod many;
mod places;
mod races;
mod recovery;
mod refusals;
mod stalls;
