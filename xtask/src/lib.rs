//! What tests that boot machines of their own share with the commands.

pub mod cpio;
