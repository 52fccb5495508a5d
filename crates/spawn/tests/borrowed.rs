//! Children that perform their plans in their caller's memory.

mod ground;

use std::ffi::{CStr, CString};

use ground::Bystander;
use plan::{Execute, Limit};
use spawn::{Exit, Launch, Memory, Others, Plan, Step, Stopped};
use sys::clone::Namespaces;
use sys::exec::Argument;
use sys::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use sys::pipe::PipeFlags;
use sys::process::Resource;
use sys::signals::SignalSet;

fn launch<'a>(steps: &'a [Step<'a>]) -> Launch<'a> {
    Launch {
        plan: Plan { steps },
        namespaces: Namespaces::NONE,
        cgroup: None,
        standard: [None; 3],
        others: Others::Keep,
        memory: Memory::Borrowed,
    }
}

fn execute<'a>(file: &'a CStr, argv: &'a [Argument<'a>]) -> Step<'a> {
    Step::Execute(Execute { file, search: c"", argv, envp: &[Argument::END] })
}

/// The session's number, 0 where its leader is outside the PID namespace: getsid of rustix takes that for a
/// process and panics.
fn session() -> i32 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_ascii_whitespace().nth(3).unwrap().parse().unwrap()
}

#[test]
fn what_a_child_changes_of_itself_is_not_changed_for_its_caller() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let before = || {
        let mask = sys::process::umask(sys::fs::Mode::from_raw_mode(0o22));
        sys::process::umask(mask);
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let of_interest = ["SigBlk", "SigIgn", "SigCgt", "NoNewPrivs"];
        let own: Vec<_> =
            status.lines().filter(|line| of_interest.iter().any(|name| line.starts_with(name))).collect();
        let is_open = file.metadata().is_ok();
        let nice = sys::process::getpriority_process(None);
        let limit = sys::process::getrlimit(Resource::Nofile).current;
        let session = session();
        format!("{mask:?} {own:?} {is_open} {nice:?} {limit:?} {session} {:?}", std::env::current_dir())
    };
    let argv = [Argument::END];
    let change = [
        Step::NewSession,
        Step::Umask(0o77),
        Step::Nice(5),
        Step::Limit(Limit { resource: Resource::Nofile, soft: Some(7), hard: Some(7) }),
        Step::NoNewPrivileges,
        Step::Signals { reset: SignalSet::ALL.without(9).without(19) },
        Step::CloseOthers,
        Step::Chdir { path: c"/proc" },
    ];
    for program in [c"/no/such", c"/bin/true"] {
        let steps = [&change, [execute(program, &argv)].as_slice()].concat();
        let state = before();
        match spawn::start(&launch(&steps), &mut Bystander) {
            Ok(child) => assert_eq!(spawn::wait(&child).unwrap(), Exit::Code(0)),
            Err(Stopped::Plan(error)) => assert_eq!(error.code(), 127, "{error}"),
            Err(Stopped::Caller(never)) => match never {},
        }
        assert_eq!(state, before());
    }
}

fn open(path: &CStr) -> OwnedFd {
    use sys::fs::{CWD, Mode, OFlags, openat};
    openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// What a child says that has 500 descriptors of its caller to copy, or one of them to inherit.
fn among_many_descriptors(steps: &[Step<'_>], file: &CStr, arguments: &[&CStr]) -> String {
    let null = open(c"/dev/null");
    let (reading, writing) = sys::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap();
    let _many: Vec<_> = (0..500).map(|_| sys::io::fcntl_dupfd_cloexec(&null, 3).unwrap()).collect();
    let argv: Vec<_> = arguments.iter().map(|word| Argument::new(word)).chain([Argument::END]).collect();
    let steps = [steps, &[execute(file, &argv)]].concat();
    let launch = Launch { standard: [None, Some(writing.as_fd()), None], ..launch(&steps) };
    let child = spawn::start(&launch, &mut Bystander).unwrap();
    drop(writing);
    // Less than a pipe holds.
    assert_eq!(spawn::wait(&child).unwrap(), Exit::Code(0));
    let mut said = [0; 4096];
    let count = sys::io::read(&reading, &mut said).unwrap();
    String::from_utf8_lossy(&said[..count]).into_owned()
}

#[test]
fn a_child_that_closes_all_others_is_not_born_with_a_copy_of_them() {
    let grep = [c"grep", c"FDSize", c"/proc/self/status"];
    let said = among_many_descriptors(&[Step::CloseOthers], c"/bin/grep", &grep);
    let size: u32 = said.trim_start_matches("FDSize:").trim().parse().unwrap();
    assert!(size <= 256, "{size}");
}

#[test]
fn a_program_that_is_to_inherit_descriptors_has_them_all() {
    let file = open(c"/proc/version");
    // Not close-on-exec, and far above what the child needs itself.
    let high = sys::io::fcntl_dupfd_cloexec(&file, 700).unwrap();
    sys::io::fcntl_setfd(&high, sys::io::FdFlags::empty()).unwrap();
    let path = CString::new(format!("/proc/self/fd/{}", high.as_raw_fd())).unwrap();
    let said = among_many_descriptors(&[], c"/bin/cat", &[c"cat", &path]);
    assert!(said.starts_with("Linux"), "{said}");
}

#[test]
fn a_change_of_the_user_does_not_make_the_caller_undumpable() {
    if !ground::is_root() {
        return;
    }
    let argv = [Argument::END];
    let steps = [Step::Groups(&[]), Step::User { uid: 65_533, gid: 65_533 }, execute(c"/bin/true", &argv)];
    let child = spawn::start(&launch(&steps), &mut Bystander).unwrap();
    assert_eq!(spawn::wait(&child).unwrap(), Exit::Code(0));
    let dumpable = sys::process::dumpable_behavior().unwrap();
    assert_eq!(dumpable, sys::process::DumpableBehavior::Dumpable);
}

#[test]
fn threads_start_children_side_by_side_and_allocate_meanwhile() {
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for round in 0..50 {
                    let text = CString::new(format!("{thread} {round}{}", "x".repeat(round * 100))).unwrap();
                    let argv = [c"echo", text.as_c_str()].map(Argument::new);
                    let argv = [argv[0], argv[1], Argument::END];
                    let (reading, writing) = sys::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap();
                    let steps = [Step::CloseOthers, execute(c"/bin/echo", &argv)];
                    let standard = [None, Some(writing.as_fd()), None];
                    let launch = Launch { standard, others: Others::Close, ..launch(&steps) };
                    let child = spawn::start(&launch, &mut Bystander).unwrap();
                    drop(writing);
                    let mut said = Vec::new();
                    let mut piece = [0; 8192];
                    while let count @ 1.. = sys::io::read(&reading, &mut piece).unwrap() {
                        said.extend_from_slice(&piece[..count]);
                    }
                    assert_eq!(said.trim_ascii_end(), text.to_bytes());
                    assert_eq!(spawn::wait(&child).unwrap(), Exit::Code(0));
                }
            });
        }
    });
}
