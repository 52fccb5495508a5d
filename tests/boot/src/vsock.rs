//! A virtual socket between a machine in QEMU and its host. At the host's end there are unix sockets in the form that
//! Firecracker gives them: a connection to the machine is made on one of them by a line, `CONNECT PORT`, and one from
//! the machine to port N comes in on the socket that has `_N` behind its name.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Machine;
use crate::parts::{Folder, part};

/// How long the host waits for the machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The device, a process of the host.
pub struct Vsock {
    device: Child,
    folder: Folder,
}

impl Vsock {
    /// Starts it.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start() -> Self {
        let folder = Folder::new();
        let (control, host) = (folder.file("control"), folder.file("host"));
        let vm = format!("guest-cid=3,socket={},uds-path={}", control.display(), host.display());
        let mut device = Command::new("setpriv");
        device.args(["--pdeathsig", "KILL", "--"]).arg(part("VSOCK")).args(["--vm", &vm]);
        let device = device.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("the device starts");
        let until = Instant::now() + PATIENCE;
        while !control.exists() {
            assert!(Instant::now() < until, "the device does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { device, folder }
    }

    /// What QEMU needs for it: memory that both can see, and the device.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let control = self.folder.file("control");
        let chardev = format!("socket,id=vsock,path={}", control.display());
        let memory = "memory-backend-memfd,id=memory,size=256M,share=on";
        let device = "vhost-user-vsock-pci,chardev=vsock";
        ["-object", memory, "-machine", "memory-backend=memory", "-chardev", &chardev, "-device", device]
            .map(str::to_owned)
            .to_vec()
    }

    /// Listens for connections from the machine to `port`.
    ///
    /// # Panics
    /// Where the socket cannot be made.
    #[must_use]
    pub fn listen(&self, port: u32) -> Port {
        let socket =
            UnixListener::bind(self.folder.file(&format!("host_{port}"))).expect("the socket is made");
        socket.set_nonblocking(true).expect("it need not block");
        Port(socket)
    }

    /// A connection to `port` of the machine, as soon as somebody listens there.
    ///
    /// # Panics
    /// Where nobody does in time.
    #[must_use]
    pub fn connect(&self, port: u32, machine: &mut Machine) -> BufReader<UnixStream> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut stream = UnixStream::connect(self.folder.file("host")).expect("the device listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a time is set");
            // Before the machine's driver is there, and where nobody listens, the connection ends.
            // In one piece: the device takes what it has read for the whole line.
            let sent = stream.write_all(format!("CONNECT {port}\n").as_bytes());
            let mut stream = BufReader::new(stream);
            let mut answer = String::new();
            if sent.is_ok() && stream.read_line(&mut answer).is_ok() && answer.starts_with("OK ") {
                return stream;
            }
            assert!(Instant::now() < until, "nobody listens on port {port}:\n{}", machine.console());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A port of the host.
pub struct Port(UnixListener);

impl Port {
    /// A connection that `machine` makes.
    ///
    /// # Panics
    /// Where it makes none in time; its console is shown.
    #[must_use]
    pub fn accept(&self, machine: &mut Machine) -> BufReader<UnixStream> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok((stream, _)) = self.0.accept() {
                stream.set_nonblocking(false).expect("it may block");
                stream.set_read_timeout(Some(PATIENCE)).expect("a time is set");
                return BufReader::new(stream);
            }
            assert!(Instant::now() < until, "the machine does not connect:\n{}", machine.console());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Vsock {
    fn drop(&mut self) {
        let _ = self.device.kill();
        let _ = self.device.wait();
    }
}
