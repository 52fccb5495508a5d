//! Virtual machines and their hosts, by the loopback of vsock(7), on which every machine has the number 1.

mod client;

use std::time::{Duration, Instant};

use client::Ground;
use sys::Errno;
use sys::event::{PollFd, PollFlags, poll};
use sys::fd::OwnedFd;
use sys::time::Timespec;

/// A blocking stream over such a socket.
struct Stream(OwnedFd);

impl Stream {
    /// Waits until the socket is connected.
    fn new(socket: OwnedFd) -> Self {
        let mut set = [PollFd::new(&socket, PollFlags::OUT)];
        assert_eq!(poll(&mut set, Some(&Timespec { tv_sec: 10, tv_nsec: 0 })), Ok(1));
        sys::io::ioctl_fionbio(&socket, false).unwrap();
        Self(socket)
    }

    /// What comes up to the next newline, or to the end. A closed connection is one that is not connected, to this
    /// family, even where something has been sent before (vsock(7) keeps nothing).
    fn line(&self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") {
            match sys::io::read(&self.0, &mut byte) {
                Ok(1) => line.push(byte[0]),
                Ok(_) | Err(Errno::NOTCONN | Errno::CONNRESET) => break,
                Err(errno) => panic!("{errno:?}"),
            }
        }
        String::from_utf8(line).unwrap()
    }
}

#[test]
fn nobody_but_the_host_may_connect() {
    let _ground = Ground::with_environment(&[("SERVE_VSOCK", "5001")]);
    let refusal = "{\"type\":\"error\",\"data\":\"permission denied: machine 1 may not connect, only the host\",\"code\":125}\n";
    let mut told = 0;
    for _ in 0..20 {
        let stream = Stream::new(sys::vsock::connect(1, 5001).unwrap());
        match stream.line() {
            line if line == refusal => told += 1,
            line => assert_eq!(line, "", "nothing else is said"),
        }
        assert_eq!(stream.line(), "", "it is closed");
    }
    assert!(told > 0, "why is said, as far as the kernel lets it through");
}

#[test]
fn a_guest_that_calls_back_serves_whom_it_has_called() {
    let listener = sys::vsock::listen(5002, 1).unwrap();
    let ground = Ground::with_environment(&[("SERVE_DIAL", "5002")]);
    let begun = Instant::now();
    let socket = loop {
        match sys::net::accept(&listener) {
            Ok(socket) => break socket,
            Err(Errno::AGAIN) => assert!(begun.elapsed() < Duration::from_secs(10), "nobody calls"),
            Err(errno) => panic!("{errno:?}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let stream = Stream::new(socket);
    let request =
        b"{\"type\":\"exec\",\"cmd\":\"/bin/busybox\",\"args\":[\"echo\",\"called\"],\"events\":true}\n";
    for _ in 0..2 {
        sys::io::write(&stream.0, request).unwrap();
        let lines: Vec<String> = (0..5).map(|_| stream.line()).collect();
        assert!(lines[0].starts_with("{\"type\":\"started\"") && lines[1].contains("called"), "{lines:?}");
    }
    drop(ground);
}
