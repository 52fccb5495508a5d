//! What is said, hinted at and answered for each kind of step that fails: on a kernel, by children.

mod ground;

use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd as _;

use ground::{Bystander, Scratch, is_root};
use plan::{Bind, Execute, FileSystem, Limit, Links, Mount};
use spawn::{Caller, Error, Launch, Memory, Others, Pause, Plan, Step, Stopped};
use sys::clone::{Child, Namespaces};
use sys::exec::Argument;
use sys::fd::{AsFd as _, OwnedFd};
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::mounts::{Attributes, Depth, Propagation};
use sys::process::Resource;

const MOUNT_AND_PID: Namespaces = Namespaces::MOUNT.with(Namespaces::PID);

/// Starts with the steps, in a copy of the memory and in borrowed memory; the error that comes of it.
fn fails(namespaces: Namespaces, steps: &[Step<'_>]) -> Error {
    let [copied, borrowed] = [Memory::Copied, Memory::Borrowed].map(|memory| {
        let launch = Launch {
            plan: Plan { steps },
            namespaces,
            cgroup: None,
            standard: [None; 3],
            others: Others::Keep,
            memory,
        };
        match spawn::start(&launch, &mut Bystander) {
            Err(Stopped::Plan(error)) => error,
            Err(Stopped::Caller(never)) => match never {},
            Ok(child) => panic!("{steps:?} became a program, {:?}", spawn::wait(&child)),
        }
    });
    assert_eq!((copied.to_string(), copied.code()), (borrowed.to_string(), borrowed.code()));
    copied
}

/// The steps, in a root file system, after which `more` come.
fn within<'a>(root: &'a CStr, more: &[Step<'a>]) -> Vec<Step<'a>> {
    let begin = [Step::Propagate(Propagation::Private), Step::Root { path: root, set: Attributes::NONE }];
    [&begin, more].concat()
}

const fn mount<'a>(kind: &'a CStr, target: &'a CStr, links: Links) -> Step<'a> {
    Step::Mount(Mount { kind, source: kind, target, set: Attributes::NONE, options: c"", links })
}

const fn bind<'a>(source: &'a CStr, target: &'a CStr) -> Step<'a> {
    Step::Bind(Bind {
        source,
        target,
        depth: Depth::One,
        set: Attributes::NONE,
        clear: Attributes::NONE,
        propagation: None,
    })
}

/// One way to fail: the steps, what is said, a part of the hint (empty: there is none).
type Row<'a> = (Namespaces, Vec<Step<'a>>, &'a str, &'a str);

#[track_caller]
fn check(rows: &[Row<'_>], code: u8) {
    for (namespaces, steps, text, hint) in rows {
        let error = fails(*namespaces, steps);
        assert_eq!(error.to_string(), *text);
        assert_eq!(error.code(), code, "{text}");
        match (error.hint(), hint.is_empty()) {
            (None, true) => {}
            (Some(given), false) => assert!(given.contains(hint), "{text}: {given:?} is not about {hint:?}"),
            (given, _) => panic!("{text}: the hint is {given:?}"),
        }
    }
}

#[test]
fn mounts_that_fail_say_what_on_what_and_why() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    let root = scratch.text();
    scratch.directory("dir");
    scratch.file("file", b"", 0o644);
    scratch.link("link", "dir");
    let (here, refused) = (Links::Within, Links::Refused);
    let read_only = Step::SetRoot { set: Attributes::READ_ONLY };
    let row = |more: &[Step<'static>]| within(&root, more);
    check(
        &[
            (
                MOUNT_AND_PID,
                row(&[mount(c"nosuchfs", c"dir", here)]),
                "mount nosuchfs on /dir: No such device (step 3 of 3, mount)",
                "",
            ),
            (
                MOUNT_AND_PID,
                row(&[mount(c"tmpfs", c"file", here)]),
                "mount tmpfs on /file: Not a directory (step 3 of 3, openat2)",
                "is a file in this root file system",
            ),
            (
                MOUNT_AND_PID,
                row(&[mount(c"tmpfs", c"link", refused)]),
                "mount tmpfs on /link: Too many levels of symbolic links (step 3 of 3, openat2)",
                "must be a real directory",
            ),
            (
                MOUNT_AND_PID,
                row(&[read_only, mount(c"tmpfs", c"none", here)]),
                "mount tmpfs on /none: Read-only file system (step 4 of 4, mkdirat)",
                "make the directory, or use --ephemeral",
            ),
            (
                MOUNT_AND_PID,
                row(&[bind(c"/no/such/source", c"dir")]),
                "bind /no/such/source on /dir: No such file or directory (step 3 of 3, open_tree)",
                "must exist",
            ),
            (
                MOUNT_AND_PID,
                row(&[Step::Enter { target: c"dir", expect: FileSystem::Proc }]),
                "enter /dir, a procfs: another file system is mounted there (step 3 of 3, check)",
                "",
            ),
        ],
        125,
    );
    assert_eq!(std::fs::read_dir(scratch.path()).expect("the root").count(), 3, "nothing was made");
}

#[test]
fn devices_are_the_ones_expected_or_refused() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    let root = scratch.text();
    scratch.directory("dev");
    let wrong = Step::Device { name: c"null", source: c"/dev/zero", expect: Some((1, 3)) };
    let place = Step::Enter { target: c"dev", expect: FileSystem::Tmpfs };
    let steps = within(&root, &[mount(c"tmpfs", c"dev", Links::Refused), place, wrong]);
    let text = "bind device /dev/zero on null: not the device it should be (step 5 of 5, check)";
    check(&[(MOUNT_AND_PID, steps, text, "")], 125);
}

#[test]
fn a_root_that_is_not_there_is_named_without_a_step() {
    if !is_root() {
        return;
    }
    let text = "root file system /no/such/root: No such file or directory";
    check(&[(MOUNT_AND_PID, within(c"/no/such/root", &[]), text, "")], 125);
}

#[test]
fn a_directory_that_leads_out_is_refused() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    let root = scratch.text();
    scratch.directory("proc");
    let outside = std::fs::File::open("/").expect("the host's root");
    let path = CString::new(format!("/proc/self/fd/{}", outside.as_raw_fd())).expect("a path");
    let proc = mount(c"proc", c"proc", Links::Refused);
    let steps = within(&root, &[proc, Step::Pivot, Step::Chdir { path: &path }]);
    let said = path.to_str().expect("ASCII");
    let text = format!("change directory to {said}: it leads out of the container (step 5 of 5, check)");
    check(&[(MOUNT_AND_PID, steps, &text, "")], 125);
}

#[test]
fn what_concerns_the_process_says_so_too() {
    if !is_root() {
        return;
    }
    let too_long = CString::new("h".repeat(65)).expect("a name");
    let limit = Limit { resource: Resource::Nofile, soft: Some(1), hard: Some(1 << 40) };
    let uts = Namespaces::UTS;
    let hostname = format!("set hostname {}: Invalid argument (step 1 of 1, sethostname)", "h".repeat(65));
    check(
        &[
            (uts, vec![Step::Hostname(&too_long)], &hostname, ""),
            (
                uts,
                vec![Step::Limit(limit)],
                "limit Nofile to 1: 1099511627776: Operation not permitted (step 1 of 1, prlimit64)",
                "CAP_SYS_RESOURCE",
            ),
            (
                uts,
                vec![Step::Chdir { path: c"/no/such/place" }],
                "change directory to /no/such/place: No such file or directory (step 1 of 1, fchdir)",
                "",
            ),
            (
                uts,
                vec![Step::WriteProc { path: c"sys/no/such/file", value: c"1" }],
                "write 1 to /proc/sys/no/such/file: No such file or directory (step 1 of 1, openat2)",
                "",
            ),
            (
                uts,
                vec![Step::WriteProc { path: c"../etc/passwd", value: c"1" }],
                "write 1 to /proc/../etc/passwd: Invalid cross-device link (step 1 of 1, openat2)",
                "",
            ),
        ],
        125,
    );
}

/// Executes `file` of the scratch directory, by its path.
fn execute<'a>(file: &'a CStr, argv: &'a [Argument<'a>]) -> Vec<Step<'a>> {
    const ENVP: &[Argument<'static>] = &[Argument::END];
    vec![Step::Execute(Execute { file, search: c"/no/such/directory:/bin", argv, envp: ENVP })]
}

#[test]
fn programs_that_are_not_there_are_127() {
    let argv = [Argument::END];
    for file in [c"no-such-program", c"/no/such/program", c"/etc/passwd/program"] {
        let error = fails(Namespaces::NONE, &execute(file, &argv));
        let said = file.to_str().expect("ASCII");
        assert_eq!(error.to_string(), format!("{said:?}: command not found in the container"));
        assert_eq!((error.code(), error.hint()), (127, None));
    }
}

#[test]
fn programs_that_cannot_be_executed_are_126() {
    let scratch = Scratch::new();
    scratch.directory("directory");
    scratch.file("plain", b"#!/bin/sh\n", 0o644);
    scratch.file("text", b"hello\n", 0o755);
    scratch.file("script", b"#!/no/such/interpreter\n", 0o755);
    scratch.file("busy", b"\x7fELF", 0o755);
    scratch.link("loop", "loop");
    let _writer = std::fs::OpenOptions::new().append(true).open(scratch.path().join("busy")).expect("busy");
    let long = "x".repeat(300);
    for (name, why) in [
        ("directory", "not executable (no permission, a directory, or a noexec mount)"),
        ("plain", "not executable (no permission, a directory, or a noexec mount)"),
        ("text", "not a program that this kernel runs (wrong architecture, or a script without #!)"),
        ("script", "it exists, but the interpreter that it names does not"),
        ("busy", "its file is open for writing"),
        ("loop", "too many symbolic links"),
        (long.as_str(), "its path is too long"),
    ] {
        let path = format!("{}/{name}", scratch.path().display());
        let (file, argv) = (CString::new(path.as_str()).expect("a path"), [Argument::END]);
        let error = fails(Namespaces::NONE, &execute(&file, &argv));
        assert_eq!((error.to_string(), error.code()), (format!("{path:?}: {why}"), 126));
    }
}

#[test]
fn arguments_that_are_too_long_are_126() {
    // MAX_ARG_STRLEN of the kernel: 32 pages.
    let long = CString::new("x".repeat(200_000)).expect("a text");
    let argv = [Argument::new(c"true"), Argument::new(&long), Argument::END];
    let error = fails(Namespaces::NONE, &execute(c"/bin/true", &argv));
    let text = "\"/bin/true\": arguments and environment are too long";
    assert_eq!((error.to_string().as_str(), error.code()), (text, 126));
}

#[test]
fn a_child_that_cannot_be_cloned_names_its_namespaces() {
    if !is_root() {
        return;
    }
    let how = (OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let directory = openat(CWD, c"/", how.0, how.1).expect("a directory that is no cgroup");
    let argv = [Argument::END];
    let steps = execute(c"/bin/true", &argv);
    let launch = Launch {
        plan: Plan { steps: &steps },
        namespaces: MOUNT_AND_PID,
        cgroup: Some(directory.as_fd()),
        standard: [None; 3],
        others: Others::Keep,
        memory: Memory::Copied,
    };
    let Err(Stopped::Plan(error)) = spawn::start(&launch, &mut Bystander) else { panic!("a child") };
    let text = "create a process with namespaces mount, pid: Bad file descriptor (clone3)";
    assert_eq!((error.to_string().as_str(), error.code()), (text, 125));
}

/// Refuses to do its part.
struct Refusing;

impl Caller for Refusing {
    type Error = &'static str;

    fn pause(&mut self, reason: Pause, child: &Child) -> Result<(), &'static str> {
        assert_eq!(reason, Pause::Start);
        assert!(sys::process::test_kill_process(child.pid).is_ok(), "the child is there");
        Err("no")
    }

    fn terminal(&mut self, _: OwnedFd) {}
}

#[test]
fn a_caller_that_gives_up_leaves_no_child() {
    let argv = [Argument::END];
    let steps = [&[Step::Pause(Pause::Start)], execute(c"/bin/true", &argv).as_slice()].concat();
    let launch = Launch {
        plan: Plan { steps: &steps },
        namespaces: Namespaces::NONE,
        cgroup: None,
        standard: [None; 3],
        others: Others::Close,
        memory: Memory::Copied,
    };
    match spawn::start(&launch, &mut Refusing) {
        Err(Stopped::Caller(why)) => assert_eq!(why, "no"),
        other => panic!("{other:?}"),
    }
}
