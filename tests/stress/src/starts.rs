//! Starts by the crate `spawn` itself, side by side from many threads, while others disturb.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cgroup::{Limits, Name, Parent};
use plan::{Execute, Launch, Links, Memory, Mount, Others, Pause, Plan, Step};
use spawn::{Caller, Exit, Stopped};
use sys::clone::{Child, Namespaces};
use sys::exec::Argument;
use sys::fd::{AsFd, OwnedFd};
use sys::mounts::{Attributes, Propagation};

/// How many starts came to what.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The program left with 0.
    pub good: usize,
    /// The program left with 1.
    pub unsuccessful: usize,
    /// There is no such program.
    pub missing: usize,
    /// A step before it failed.
    pub refused: usize,
}

/// Many starts.
#[derive(Debug)]
pub struct Hammer<'h> {
    /// A root file system with /bin/true and /bin/false in it.
    pub rootfs: &'h Path,
    /// How many threads start.
    pub threads: usize,
    /// How many starts there are in all.
    pub starts: usize,
    /// Where each gets a group of its own, if it does.
    pub groups: Option<&'h Parent>,
}

/// Nothing is done while a child waits.
struct Bystander;

impl Caller for Bystander {
    type Error = Infallible;

    fn pause(&mut self, _: Pause, _: &Child) -> Result<(), Infallible> {
        Ok(())
    }

    fn terminal(&mut self, _: OwnedFd) {}
}

impl Hammer<'_> {
    /// Starts and waits until all are done.
    ///
    /// # Panics
    /// At the first start that comes to something else than it should.
    pub fn run(&self) -> Tally {
        let next = AtomicUsize::new(0);
        let counts: [AtomicUsize; 4] = Default::default();
        thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= self.starts {
                            return;
                        }
                        counts[self.one(number)].fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let [good, unsuccessful, missing, refused] = counts.map(AtomicUsize::into_inner);
        Tally { good, unsuccessful, missing, refused }
    }

    /// Every tenth is meant to fail, in one of three ways.
    fn one(&self, number: usize) -> usize {
        let (kind, program) = match number % 30 {
            10 => (1, c"/bin/false"),
            20 => (2, c"no-such-program"),
            29 => (3, c"/bin/true"),
            _ => (0, c"/bin/true"),
        };
        let group = self.groups.map(|parent| {
            let name = Name::new(&format!("start-{number}")).expect("a name");
            (parent, parent.create(&name, &Limits::default()).expect("a group"))
        });
        let directory = group.as_ref().map(|(_, group)| group.as_fd());
        let result = self.start(program, if kind == 3 { c"nosuchfs" } else { c"proc" }, directory);
        match (kind, result) {
            (0 | 3, Ok(child)) if kind == 0 => assert_eq!(spawn::wait(&child), Ok(Exit::Code(0)), "{number}"),
            (1, Ok(child)) => assert_eq!(spawn::wait(&child), Ok(Exit::Code(1)), "{number}"),
            (2, Err(error)) => {
                let text = "\"no-such-program\": command not found in the container";
                assert_eq!((error.code(), error.to_string().as_str()), (127, text), "{number}");
            }
            (3, Err(error)) => {
                let text = "mount nosuchfs on /proc: No such device (step 3 of 5, mount)";
                assert_eq!((error.code(), error.to_string().as_str()), (125, text), "{number}");
            }
            (_, other) => panic!("start {number} of {program:?}: {other:?}"),
        }
        if let Some((parent, group)) = group {
            group.remove(parent.as_fd(), Duration::from_secs(10)).expect("an empty group");
        }
        kind
    }

    fn start(
        &self,
        program: &CStr,
        kind: &CStr,
        cgroup: Option<sys::fd::BorrowedFd<'_>>,
    ) -> Result<Child, spawn::Error> {
        let root = CString::new(self.rootfs.as_os_str().as_bytes()).expect("a path");
        let (argv, envp) = ([Argument::new(program), Argument::END], [Argument::END]);
        let mount = Mount {
            kind,
            source: c"proc",
            target: c"proc",
            set: Attributes::NONE,
            options: c"",
            links: Links::Refused,
        };
        let steps = [
            Step::Propagate(Propagation::Private),
            Step::Root { path: &root, set: Attributes::NONE },
            Step::Mount(mount),
            Step::Pivot,
            Step::Execute(Execute { file: program, search: c"/bin", argv: &argv, envp: &envp }),
        ];
        let namespaces = [Namespaces::MOUNT, Namespaces::PID, Namespaces::UTS, Namespaces::IPC].into_iter();
        let launch = Launch {
            plan: Plan { steps: &steps },
            namespaces: namespaces.fold(Namespaces::NONE, Namespaces::with),
            cgroup,
            standard: [None; 3],
            others: Others::Close,
            memory: Memory::Copied,
        };
        spawn::start(&launch, &mut Bystander).map_err(|stopped| match stopped {
            Stopped::Plan(error) => error,
            Stopped::Caller(never) => match never {},
        })
    }
}

/// Threads that allocate and free all the time, and one that opens and closes descriptors: at any moment one of
/// them holds a lock that a child in their place would wait for.
#[derive(Debug)]
pub struct Noise {
    over: AtomicBool,
}

impl Noise {
    /// Runs `body` beside four threads that allocate and one that opens files.
    pub fn beside<T>(body: impl FnOnce() -> T) -> T {
        let noise = Self { over: AtomicBool::new(false) };
        thread::scope(|scope| {
            for size in [16, 400, 9_000, 300_000] {
                let noise = &noise;
                scope.spawn(move || noise.allocate(size));
            }
            scope.spawn(|| noise.open());
            let ended = Ending(&noise);
            let value = body();
            drop(ended);
            value
        })
    }

    fn allocate(&self, size: usize) {
        while !self.over.load(Ordering::Relaxed) {
            let many: Vec<Vec<u8>> = (0..32).map(|number| vec![1; size + number]).collect();
            assert_eq!(many.iter().map(|one| usize::from(one[0])).sum::<usize>(), many.len());
            // Else four threads that never wait would have the machine to themselves.
            thread::sleep(Duration::from_micros(50));
        }
    }

    fn open(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let files: Vec<File> = (0..16).map(|_| File::open("/dev/null").expect("/dev/null")).collect();
            let pipe = std::io::pipe().expect("a pipe");
            drop((files, pipe));
            thread::sleep(Duration::from_micros(50));
        }
    }
}

/// The end of the noise, after a panic too.
struct Ending<'n>(&'n Noise);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}
