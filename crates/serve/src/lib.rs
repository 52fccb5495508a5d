//! The minit protocol, served: one epoll loop over explicit state, without threads and without callbacks but
//! those of the one trait [`Machine`], by which the embedding program says what it is.
//!
//! ```text
//!  listener ─▶ connection ─▶ request ─▶ session ─▶ (spawn) a command
//!                  ▲                      │ outlets: pipe ─▶ ring
//!                  └──── watcher ◀────────┘
//! ```
//!
//! A command's output is read from its pipe into a *ring*; each client that follows it has a *watcher* with
//! its own offset, and puts messages in line at its *connection* while that takes them. A client that does not
//! read stops its watcher, the watcher holds the ring, and a ring without room leaves the pipe alone: that is
//! the whole of back-pressure, and why no memory grows.
#![no_std]
extern crate alloc;

mod accounts;
mod adopted;
mod blind;
mod clients;
mod connection;
mod cri;
mod dial;
mod events;
mod execs;
mod figures;
mod group;
mod inlet;
mod journal;
mod key;
mod kill;
mod listener;
mod listing;
mod log;
mod machine;

mod ordered;
mod outlet;
mod poll;
mod proc;
mod processes;
mod recover;
mod requests;
mod ring;
mod round;
mod server;
mod session;
mod settings;
mod start;
mod supervise;
mod terminal;
mod timers;
mod tree;
mod turns;
mod watcher;

pub use adopted::{Main, Streams};
pub use cgroup::Parent;
pub use listener::{Listener, Way};
pub use log::{Log, Rotation};
pub use machine::{Done, Frozen, Machine, News, Next, Watch};

pub use server::Server;
pub use settings::{Orphans, Settings};
pub use start::{NotStarted, Start, Started};
