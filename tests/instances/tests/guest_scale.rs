//! The same as `scale`: on a Debian kernel with all of cgroup v2, where an instance has groups of its own.

#[path = "scale.rs"]
mod scale;
