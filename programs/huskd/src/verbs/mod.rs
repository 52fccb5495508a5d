//! What can be asked for.

pub mod files;
pub mod images;
pub mod look;
pub mod make;
pub mod run;
