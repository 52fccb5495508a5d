//! What is stressed in the guest.
