//! What depends on the kernel and on cgroup v2, once more on a Debian kernel with all of it.

#[path = "calls.rs"]
mod calls;
#[path = "devices.rs"]
mod devices;
#[path = "privileges.rs"]
mod privileges;
#[path = "procfs.rs"]
mod procfs;
#[path = "root.rs"]
mod root;
#[path = "rootless.rs"]
mod rootless;
