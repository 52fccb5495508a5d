//! Children that do not get through their plans.

mod ground;

use std::ffi::CString;
use std::time::Instant;

use ground::{Bystander, is_root};
use plan::Execute;
use spawn::{Late, Launch, Memory, Others, Plan, Step};
use sys::clone::Namespaces;
use sys::exec::Argument;
use sys::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

/// A file system whose program never answers, mounted nowhere; and that program's end of it.
fn hanging() -> (OwnedFd, OwnedFd) {
    let device = openat(CWD, "/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let context = sys::mount::fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
    let number = device.as_raw_fd().to_string();
    for (key, value) in [("fd", number.as_str()), ("rootmode", "40000"), ("user_id", "0"), ("group_id", "0")]
    {
        sys::mount::fsconfig_set_string(context.as_fd(), key, value).unwrap();
    }
    sys::mount::fsconfig_create(context.as_fd()).unwrap();
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    (sys::mount::fsmount(context.as_fd(), flags, MountAttrFlags::empty()).unwrap(), device)
}

#[test]
fn a_child_whose_file_system_hangs_is_given_up_and_killed() {
    if !is_root() {
        return;
    }
    let (root, device) = hanging();
    let path = CString::new(format!("/proc/self/fd/{}/directory", root.as_raw_fd())).unwrap();
    let argv = [Argument::new(c"true"), Argument::END];
    let file = c"/bin/true";
    let envp = &[Argument::END];
    let program = Step::Execute(Execute { file, search: c"", argv: &argv, envp });
    let steps = [Step::Chdir { path: &path }, program];
    let launch = |steps| Launch {
        plan: Plan { steps },
        namespaces: Namespaces::NONE,
        cgroup: None,
        standard: [None; 3],
        others: Others::Keep,
        memory: Memory::Copied,
    };
    let child = spawn::start_within(&launch(&steps[1..]), &mut Bystander, 10_000);
    let child = child.map_err(|_| "it is in time").unwrap();
    assert_eq!(spawn::wait(&child), Ok(spawn::Exit::Code(0)));
    let begun = Instant::now();
    let Err(Late::Hangs(child, error)) = spawn::start_within(&launch(&steps), &mut Bystander, 200) else {
        panic!("it cannot have started");
    };
    assert_eq!(error.to_string(), "start the process: it has not begun within 200 ms");
    assert!((200..2000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!(spawn::wait(&child), Ok(spawn::Exit::Signal(9)));
    drop((root, device));
}
