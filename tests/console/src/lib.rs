//! A machine with a screen and a keyboard, and how a test uses both.

pub mod guest;
pub mod picture;

pub use guest::Guest;
pub use picture::Picture;
