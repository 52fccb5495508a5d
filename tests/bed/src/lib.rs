//! What the guest promises to the suites that run in it: see `tests/kernel.rs`.
