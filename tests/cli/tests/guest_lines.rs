//! The ten lines again, on a Debian kernel with all of cgroup v2.

#[path = "ten_lines.rs"]
mod ten_lines;
