//! A daemon with a root of its own, below a directory that is removed with all that is left of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;

/// Longer than anything takes that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Bed {
    pub directory: PathBuf,
    daemon: Option<Child>,
    options: Vec<String>,
    /// A network namespace (ip-netns(8)) that the daemon runs in.
    namespace: Option<String>,
}

/// The shim, built as its package says.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "husk-shim"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        assert!(build.status().expect("cargo").success(), "cargo build of husk-shim");
        Path::new(env!("CARGO_BIN_EXE_huskd")).with_file_name("husk-shim")
    })
}

impl Bed {
    /// A daemon that serves, and an image `box` with busybox in it.
    pub fn new() -> Self {
        Self::with(&[])
    }

    pub fn with(options: &[&str]) -> Self {
        Self::within(options, None)
    }

    /// With a socket `initns` in its directory.
    pub fn with_initns() -> Self {
        Self::with(&["--initns-socket", "DIRECTORY/initns"])
    }

    /// The same, in a network namespace of its own.
    pub fn apart() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!("huskd-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name]);
        Self::within(&[], Some(name))
    }

    fn within(options: &[&str], namespace: Option<String>) -> Self {
        assert!(sys::privilege::ids().are_root(), "these tests need root");
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("huskd-{}-{number}", std::process::id()));
        fs::create_dir(&directory).expect("a directory of our own");
        let here = directory.to_str().expect("UTF-8");
        let options = options.iter().map(|option| option.replace("DIRECTORY", here)).collect();
        let mut bed = Self { directory, daemon: None, options, namespace };
        bed.start();
        let files = bed.files();
        bed.client().done(&json!({"type": "seed", "directory": files, "image": "box"}));
        bed
    }

    /// The files of an image: busybox, a passwd, and an init, which a shim takes for busybox's own and asks by USR2.
    pub fn files(&self) -> PathBuf {
        let files = self.directory.join("files");
        if files.exists() {
            return files;
        }
        for directory in ["bin", "etc", "sbin", "proc", "sys", "dev", "tmp"] {
            fs::create_dir_all(files.join(directory)).unwrap();
        }
        fs::copy("/bin/busybox", files.join("bin/busybox")).expect("busybox-static");
        for name in ["sh", "sleep", "true", "false", "echo", "cat", "hostname", "env", "id", "kill"] {
            symlink("busybox", files.join("bin").join(name)).unwrap();
        }
        fs::write(files.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
        fs::write(
            files.join("sbin/init"),
            "#!/bin/sh\ntrap 'exit 0' TERM USR2\necho ready\nsleep 1000 &\nwait\n",
        )
        .unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(files.join("sbin/init"), fs::Permissions::from_mode(0o755)).unwrap();
        files
    }

    fn command(&self) -> Command {
        let mut command = match &self.namespace {
            None => Command::new(env!("CARGO_BIN_EXE_huskd")),
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name, env!("CARGO_BIN_EXE_huskd")]);
                command
            }
        };
        let path = |name: &str| self.directory.join(name);
        command.arg("--no-console").arg("--root").arg(path("root")).arg("--runtime").arg(path("run"));
        command.arg("--socket").arg(path("sock")).arg("--shim").arg(shim()).args(&self.options);
        command
    }

    /// Starts the daemon, and waits until it serves.
    pub fn start(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.directory.join("log")).unwrap();
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().expect("huskd starts");
        let until = Instant::now() + PATIENCE;
        let pid = i64::from(child.id());
        // A predecessor that is dying may still answer.
        while self
            .try_client()
            .and_then(|mut client| client.try_ask(&json!({"type": "ping"}), None))
            .is_none_or(|pong| pong["pid"] != pid)
        {
            assert!(child.try_wait().unwrap().is_none(), "huskd has ended:\n{}", self.log());
            assert!(Instant::now() < until, "huskd does not serve:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        self.daemon = Some(child);
    }

    /// kill -9
    pub fn kill(&mut self) {
        let mut child = self.daemon.take().expect("a daemon");
        child.kill().expect("kill");
        child.wait().expect("wait");
    }

    pub fn daemon_pid(&self) -> u32 {
        self.daemon.as_ref().expect("a daemon").id()
    }

    /// TERM; the code that it leaves with.
    pub fn end(&mut self) -> Option<i32> {
        let mut child = self.daemon.take().expect("a daemon");
        signal(child.id(), "TERM");
        child.wait().expect("wait").code()
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.join("sock")
    }

    pub fn try_client(&self) -> Option<Client> {
        Client::connect(&self.socket()).ok()
    }

    pub fn client(&self) -> Client {
        self.try_client().expect("huskd listens")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Makes an instance of `box` with this command.
    pub fn make(&self, name: &str, command: &[&str]) {
        self.make_with(name, json!({"command": command}));
    }

    pub fn make_with(&self, name: &str, settings: Value) {
        self.client().done(&json!({"type": "new", "name": name, "image": "box", "settings": settings}));
    }

    /// Makes one that runs until it is stopped, and ends at once then.
    pub fn run(&self, name: &str) -> i64 {
        self.make(name, &["/sbin/init"]);
        let answer = self.client().done(&json!({"type": "run", "name": name}));
        self.await_ready(name);
        answer["pid"].as_i64().expect("a pid")
    }

    /// Waits until the init of an instance that has been started for the first time can be stopped: before that it has
    /// no handler for TERM, and a first process does not get a signal that it has none for.
    pub fn await_ready(&self, name: &str) {
        let log = self.directory.join("root/instances").join(name).join("log");
        let until = Instant::now() + PATIENCE;
        while !fs::read_to_string(&log).unwrap_or_default().contains("ready") {
            assert!(Instant::now() < until, "{name} is not ready");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What `ls` says of an instance.
    pub fn summary(&self, name: &str) -> Option<Value> {
        let all = self.client().done(&json!({"type": "ls", "what": "instances"}));
        all["instances"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned()
    }

    pub fn state(&self, name: &str) -> String {
        self.summary(name).map_or("gone".into(), |one| one["state"].as_str().unwrap().to_string())
    }

    pub fn images(&self) -> Vec<String> {
        let all = self.client().done(&json!({"type": "ls", "what": "images"}));
        let names =
            all["images"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_string());
        names.collect()
    }

    /// Waits until an instance is in a state.
    pub fn await_state(&self, name: &str, state: &str) {
        let until = Instant::now() + PATIENCE;
        while self.state(name) != state {
            assert!(Instant::now() < until, "{name} is {}, not {state}:\n{}", self.state(name), self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The shims of this bed: name and pid. Which are its own is seen by the files that they have open.
    pub fn shims(&self) -> Vec<(String, u32)> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            let ([program, name, ..], true) = (&words[..], is_alive(pid.into())) else { continue };
            let files = fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten();
            let mut links = files.filter_map(|file| fs::read_link(file.path()).ok());
            if program.ends_with(b"husk-shim") && links.any(|link| link.starts_with(&self.directory)) {
                found.push((String::from_utf8_lossy(name).into_owned(), pid));
            }
        }
        found
    }

    /// How many threads the daemon has: one, and one for each client and for what is on its way.
    pub fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.daemon_pid())).unwrap().count()
    }

    /// Waits until nothing is on its way any more, with so many clients connected.
    pub fn await_rest(&self, clients: usize) {
        // Who has connected before is served by a thread when this one is answered.
        self.client().done(&json!({"type": "ping"}));
        let until = Instant::now() + PATIENCE;
        while self.threads() > 1 + clients {
            assert!(Instant::now() < until, "{} threads", self.threads());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Writes an archive of the files of an image.
    pub fn pack(&self, archive: &Path) {
        let made = Command::new("tar").arg("cf").arg(archive).arg("-C").arg(self.files()).arg(".").status();
        assert!(made.unwrap().success());
    }

    /// Waits until there are so many interfaces of instances. The kernel removes one some time after its namespace.
    pub fn await_ports(&self, count: usize) {
        let until = Instant::now() + PATIENCE;
        while self.ports() != count {
            assert!(Instant::now() < until, "{} interfaces, not {count}:\n{}", self.ports(), self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The interfaces of instances in the daemon's network.
    fn ports(&self) -> usize {
        self.links().lines().filter(|line| line.contains("master husk0")).count()
    }

    /// All interfaces there, a line each, as ip(8) shows them; none where the daemon has the host's.
    pub fn links(&self) -> String {
        self.namespace.as_ref().map_or_else(String::new, |name| ip(&["-n", name, "-o", "link"]))
    }

    /// Everything is as it should be between two requests: nothing half-made, one shim for each instance that runs, and
    /// no other.
    pub fn check(&self) {
        let settled = ["created", "running", "paused", "exited", "restarting"];
        let all = self.client().done(&json!({"type": "ls", "what": "instances"}));
        let mut running = Vec::new();
        for one in all["instances"].as_array().unwrap() {
            let (name, state) = (one["name"].as_str().unwrap(), one["state"].as_str().unwrap());
            assert!(settled.contains(&state), "{name} is {state}:\n{}", self.log());
            if let Some(pid) = one["pid"].as_i64() {
                assert!(is_alive(pid), "{name} runs as {pid}, which is not there");
                running.push(name.to_string());
            }
        }
        let mut shims: Vec<String> = self.shims().into_iter().map(|(name, _)| name).collect();
        shims.sort();
        assert_eq!(shims, running, "shims and instances:\n{}", self.log());
        let left: Vec<_> = fs::read_dir(self.directory.join("root/tmp")).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?} is left:\n{}", self.log());
        assert_eq!(mounts_below(&self.directory), Vec::<String>::new());
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        for (_, pid) in self.shims() {
            signal(pid, "KILL");
        }
        if let Some(mut child) = self.daemon.take() {
            if std::thread::panicking() {
                eprintln!("huskd is {:?}", child.try_wait());
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        let until = Instant::now() + PATIENCE;
        while !self.shims().is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        if std::thread::panicking() {
            eprintln!("huskd said:\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.directory);
        if let Some(name) = &self.namespace {
            ip(&["netns", "delete", name]);
        }
    }
}

pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status();
}

pub fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().expect("ip");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether a process is there and has not ended.
pub fn is_alive(pid: i64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

pub fn await_end(pid: i64) {
    let until = Instant::now() + PATIENCE;
    while is_alive(pid) {
        assert!(Instant::now() < until, "{pid} lives on");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Mounts of the host that lead below a directory, or are of it.
pub fn mounts_below(directory: &Path) -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.lines().filter(|line| line.contains(directory.to_str().unwrap())).map(String::from).collect()
}
