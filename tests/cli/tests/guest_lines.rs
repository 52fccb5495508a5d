//! The ten lines, and life without root, again: on a Debian kernel with all of cgroup v2.

#[path = "rootless.rs"]
mod rootless;
#[path = "ten_lines.rs"]
mod ten_lines;
