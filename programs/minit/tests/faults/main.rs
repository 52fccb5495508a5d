//! Every system call of the first process and of the api fails, once and from some moment on: minit neither exits nor
//! hangs nor spins. strace's fault injection, from outside of the pid namespace that minit is the first process of.
//!
//! A part of the faults is chosen by a fixed seed; `MINIT_FAULTS=all` is every one of them.

mod api;
#[path = "../process/bed.rs"]
#[allow(dead_code)]
mod bed;
mod calls;
mod choice;
mod core;
mod traced;
