//! The program, with containers of busybox.

mod attach;
mod exec;
mod ground;
mod hostile;
mod life;
mod options;
mod watched;
