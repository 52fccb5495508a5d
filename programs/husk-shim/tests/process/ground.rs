//! A root file system, a runtime directory, and a shim in them.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use container::Failure;
use container::group;
use container::shim;
use container::task::{Ended, Files, LogFile, Root, Stdin, Task};
use husk_client::{Address, Client, Exec, Output};
use instance::{InstanceName, Settings};
use sys::clone::Child;
use sys::process::Pid;

/// A directory of a test's own, with a root file system in it.
pub struct Ground {
    pub directory: PathBuf,
    pub root: PathBuf,
    name: String,
}

impl Ground {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("shim-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(&name);
        let root = directory.join("rootfs");
        for name in ["bin", "dev", "etc", "proc", "root", "run", "srv", "sys", "tmp"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let busybox =
            std::env::var_os("BUSYBOX").map_or_else(|| PathBuf::from("/bin/busybox"), PathBuf::from);
        // By another process: one that is open for writing here could not be executed.
        assert!(
            Command::new(&busybox)
                .arg("cp")
                .arg(&busybox)
                .arg(root.join("bin/busybox"))
                .status()
                .unwrap()
                .success()
        );
        let list = Command::new(&busybox).arg("--list").output().expect("busybox-static");
        for applet in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nwww:x:33:33::/srv:/bin/sh\n").unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nwww:x:33:\nadm:x:4:www\n").unwrap();
        Self { directory, root, name }
    }

    /// The task of a container that runs this shell script.
    pub fn task(&self, script: &str) -> Task {
        Task {
            name: InstanceName::new(self.name.clone()).unwrap(),
            root: Root::Directory(self.root.clone()),
            settings: Settings {
                command: ["sh", "-c", script].map(String::from).to_vec(),
                ..Settings::default()
            },
            runtime: self.directory.join("run"),
            log: Some(LogFile { path: self.directory.join("log"), max_bytes: 1 << 20, files: 2 }),
            files: Files::default(),
            size: None,
            stdin: Stdin::Open,
            replay_bytes: 65_536,
            minit: None,
        }
    }

    pub fn start(&self, task: &Task) -> Result<Shim<'_>, Failure> {
        self.start_in(task, None)
    }

    /// The same, in this network.
    pub fn start_in(&self, task: &Task, network: Option<&fs::File>) -> Result<Shim<'_>, Failure> {
        let network = network.map(AsFd::as_fd);
        let starting = shim::start(&program(), task, network)?;
        let (child, pid) = starting.wait()?;
        Ok(Shim { ground: self, child, pid })
    }

    /// A shim whose container runs a shell script.
    pub fn run(&self, script: &str) -> Shim<'_> {
        self.start(&self.task(script)).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// What its shim has noted of its container's end.
    pub fn ended(&self) -> Ended {
        serde_json::from_slice(&fs::read(self.directory.join("run/exit.json")).unwrap()).unwrap()
    }

    /// What the main command has written, of both streams, as the log has it.
    pub fn logged(&self) -> String {
        let text = fs::read_to_string(self.directory.join("log")).unwrap();
        let mut all = String::new();
        for line in text.lines() {
            let parts: Vec<&str> = line.splitn(4, ' ').collect();
            // A line that goes on is marked P.
            all = all + parts[3] + if parts[2] == "F" { "\n" } else { "" };
        }
        all
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A shim, and the first process of its container.
pub struct Shim<'g> {
    ground: &'g Ground,
    pub child: Child,
    pub pid: i32,
}

impl Shim<'_> {
    pub fn client(&self) -> Client {
        let socket = self.ground.directory.join("run/shim.sock");
        Client::connect(Address::Unix(socket.as_os_str().as_encoded_bytes())).expect("a connection")
    }

    /// Runs a shell script in the container.
    pub fn shell(&self, script: &str) -> String {
        let output = self.output(&Exec::new("sh").args(["-c", script]));
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    pub fn output(&self, exec: &Exec) -> Output {
        self.client().output(exec, b"").unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits for the end of the container and of its shim.
    pub fn wait(&self) -> Ended {
        assert_eq!(spawn::wait(&self.child).unwrap(), spawn::Exit::Code(0));
        assert!(!exists(self.pid), "the container has ended");
        let left: Vec<_> = fs::read_dir(self.ground.directory.join("run"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["exit.json"], "nothing else is left");
        self.ground.ended()
    }
}

impl Drop for Shim<'_> {
    fn drop(&mut self) {
        spawn::end(&self.child);
        // What a killed shim leaves is for its starter to remove.
        if !std::thread::panicking() {
            group::clear(&self.ground.name).unwrap();
        }
    }
}

/// The program. In the guest, and wherever it is set, a variable says where it is.
pub fn program() -> PathBuf {
    std::env::var_os("HUSK_SHIM_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_husk-shim").into()).into()
}

/// The program that looks around in containers: given by a variable, or built.
pub fn probe() -> PathBuf {
    std::env::var_os("PROBE_BIN").map_or_else(
        || {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let mut build = Command::new(cargo);
            build.args(["build", "--quiet", "--package", "probe"]);
            assert!(build.status().expect("cargo").success(), "cargo build of the probe");
            PathBuf::from(env!("CARGO_BIN_EXE_husk-shim")).with_file_name("probe")
        },
        PathBuf::from,
    )
}

/// Whether a process lives.
pub fn exists(pid: i32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let state = state.and_then(|stat| stat.rsplit(") ").next()?.chars().next());
    Pid::from_raw(pid).is_some() && !matches!(state, None | Some('Z' | 'X'))
}

/// Waits until something is so.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}: not so after 20 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}
