//! Clients that ask for a copy, and then neither read nor send nor go.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{Bed, PATIENCE};
use crate::client::{Client, of, reason};

/// Far below the limit of a copy that stands still, and far above what anything takes here.
const SOON: Duration = Duration::from_secs(20);

/// At once: an init that has just been started may have no handler yet.
fn stop() -> Value {
    json!({"type": "stop", "name": "web", "grace_ms": 0})
}

/// An instance `web`, with a file that no pipe has room for.
fn bed(options: &[&str]) -> Bed {
    let bed = Bed::with(options);
    bed.make("web", &["/sbin/init"]);
    fs::write(bed.directory.join("root/instances/web/upper/large"), vec![b'x'; 8 << 20]).unwrap();
    bed
}

/// Both ends of what a client may have for an archive: the one it keeps, and the one that the daemon writes to.
fn ends() -> [(OwnedFd, OwnedFd); 3] {
    let (near, far) = UnixStream::pair().unwrap();
    let terminal = sys::pty::openpt(sys::pty::OpenptFlags::RDWR | sys::pty::OpenptFlags::NOCTTY).unwrap();
    sys::pty::unlockpt(&terminal).unwrap();
    let name = sys::pty::ptsname(&terminal, Vec::new()).unwrap();
    let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    [sys::pipe::pipe().unwrap(), (near.into(), far.into()), (terminal, slave.into())]
}

fn await_bytes(fd: &OwnedFd) {
    let mut fds = [sys::event::PollFd::new(fd, sys::event::PollFlags::IN)];
    let limit = sys::event::Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    assert_eq!(sys::event::poll(&mut fds, Some(&limit)), Ok(1), "the daemon has written something");
}

/// The answer to a request that has been sent.
fn answer(client: &mut Client) -> Value {
    loop {
        let message = client.next().expect("an answer");
        if message["type"] != "progress" {
            return message;
        }
    }
}

fn start(bed: &Bed) {
    bed.client().done(&of("run", "web"));
    bed.await_ready("web");
}

/// What a request comes to while a client has asked for all of the instance, and reads nothing of it.
fn beside_a_deaf_reader(copy: &str, wanted: &str, request: &Value) {
    let bed = bed(&[]);
    for (near, far) in ends() {
        if wanted == "running" {
            start(&bed);
        }
        let mut deaf = bed.client();
        let path = json!({"type": copy, "name": "web", "path": "/"});
        deaf.send(&if copy == "export" { of("export", "web") } else { path }, Some(far.as_fd())).unwrap();
        drop(far);
        await_bytes(&near);
        let began = Instant::now();
        bed.client().done(request);
        assert!(began.elapsed() < SOON, "{request}: {:?}", began.elapsed());
        let told = answer(&mut deaf);
        assert_eq!(reason(&told), "interrupted", "{told}");
        assert!(told["data"].as_str().unwrap().contains("was broken off: the instance is "), "{told}");
        if request["type"] == "rm" {
            bed.make("web", &["/sbin/init"]);
            fs::write(bed.directory.join("root/instances/web/upper/large"), vec![b'x'; 8 << 20]).unwrap();
        }
    }
    bed.check();
}

#[test]
fn who_does_not_read_a_copy_keeps_nobody_from_stopping_the_instance() {
    beside_a_deaf_reader("copy_out", "running", &stop());
}

#[test]
fn who_does_not_read_a_copy_keeps_nobody_from_removing_the_instance() {
    beside_a_deaf_reader("copy_out", "running", &json!({"type": "rm", "name": "web", "if_running": "stop"}));
    beside_a_deaf_reader("export", "created", &of("rm", "web"));
}

#[test]
fn who_does_not_read_an_export_keeps_nobody_from_starting_the_instance() {
    let bed = bed(&[]);
    for (near, far) in ends() {
        let mut deaf = bed.client();
        deaf.send(&of("export", "web"), Some(far.as_fd())).unwrap();
        drop(far);
        await_bytes(&near);
        start(&bed);
        let told = answer(&mut deaf);
        assert_eq!(reason(&told), "interrupted", "{told}");
        bed.client().done(&stop());
    }
    bed.check();
}

#[test]
fn an_instance_that_ends_by_itself_has_ended_whoever_does_not_read() {
    let bed = bed(&[]);
    start(&bed);
    let (near, far) = sys::pipe::pipe().unwrap();
    let mut deaf = bed.client();
    deaf.send(&json!({"type": "copy_out", "name": "web", "path": "/large"}), Some(far.as_fd())).unwrap();
    await_bytes(&near);
    let pid = bed.summary("web").unwrap()["pid"].as_u64().unwrap();
    crate::bed::signal(pid.try_into().unwrap(), "TERM");
    let began = Instant::now();
    bed.client().done(&of("wait", "web"));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(reason(&answer(&mut deaf)), "interrupted");
}

#[test]
fn a_command_that_is_refused_ends_no_copy() {
    let bed = bed(&[]);
    start(&bed);
    let (near, far) = sys::pipe::pipe().unwrap();
    let mut slow = bed.client();
    slow.send(&json!({"type": "copy_out", "name": "web", "path": "/large"}), Some(far.as_fd())).unwrap();
    drop(far);
    await_bytes(&near);
    // It runs, and is not to be removed by force.
    assert_eq!(reason(&bed.client().ask(&of("rm", "web"))), "busy");
    let mut all = Vec::new();
    File::from(near).read_to_end(&mut all).unwrap();
    assert_eq!(answer(&mut slow)["type"], "ok");
    assert!(all.len() > 8 << 20, "{}", all.len());
}

#[test]
fn a_reader_that_goes_on_before_the_limit_gets_all_of_it() {
    let bed = bed(&["--stall", "4"]);
    let (near, far) = sys::pipe::pipe().unwrap();
    let mut slow = bed.client();
    slow.send(&json!({"type": "copy_out", "name": "web", "path": "/large"}), Some(far.as_fd())).unwrap();
    drop(far);
    await_bytes(&near);
    let mut near = File::from(near);
    let mut all = Vec::new();
    loop {
        // Together they are longer than the limit.
        std::thread::sleep(Duration::from_millis(1500));
        if (&mut near).take(3 << 20).read_to_end(&mut all).unwrap() == 0 {
            break;
        }
    }
    assert_eq!(answer(&mut slow)["type"], "ok");
    assert!(all.len() > 8 << 20, "{}", all.len());
}

#[test]
fn a_copy_that_stands_still_for_too_long_is_broken_off() {
    let bed = bed(&["--stall", "1"]);
    for (copy, name) in [("copy_out", "web"), ("export", "web"), ("export", "box")] {
        for (near, far) in ends() {
            let mut deaf = bed.client();
            let began = Instant::now();
            let request = if copy == "export" {
                of(copy, name)
            } else {
                json!({"type": copy, "name": name, "path": "/"})
            };
            deaf.send(&request, Some(far.as_fd())).unwrap();
            drop(far);
            let told = answer(&mut deaf);
            assert_eq!(reason(&told), "failed", "{told}");
            let text = told["data"].as_str().unwrap();
            let wanted = format!("of {name} was broken off: nothing was read or sent for 1 s");
            assert!(text.ends_with(&wanted), "{text}");
            assert!(began.elapsed() >= Duration::from_secs(1));
            drop(near);
        }
    }
    bed.client().done(&of("rm", "web"));
    bed.check();
}

#[test]
fn a_reader_that_has_gone_ends_the_copy_though_its_connection_stays() {
    let bed = bed(&[]);
    let [pipe, socket, _] = ends();
    for (near, far) in [pipe, socket] {
        let mut client = bed.client();
        client.send(&json!({"type": "copy_out", "name": "web", "path": "/"}), Some(far.as_fd())).unwrap();
        drop(far);
        await_bytes(&near);
        drop(near);
        let told = answer(&mut client);
        assert_eq!(reason(&told), "failed", "{told}");
        assert!(told["data"].as_str().unwrap().contains("Broken pipe"), "{told}");
    }
}

/// An archive with a file of 8 MB.
fn archive(bed: &Bed) -> Vec<u8> {
    fs::create_dir_all(bed.directory.join("packed")).unwrap();
    fs::write(bed.directory.join("packed/new"), vec![b'y'; 8 << 20]).unwrap();
    let mut tar = std::process::Command::new("tar");
    tar.arg("-cC").arg(bed.directory.join("packed")).arg("new");
    tar.output().expect("tar").stdout
}

#[test]
fn who_sends_nothing_has_not_begun_and_keeps_nobody_waiting() {
    let bed = bed(&["--stall", "1"]);
    let packed = archive(&bed);
    let (far, near) = sys::pipe::pipe().unwrap();
    let mut mute = bed.client();
    mute.send(&json!({"type": "copy_in", "name": "web", "path": "/"}), Some(far.as_fd())).unwrap();
    drop(far);
    // Far longer than the limit, which counts from the first byte.
    std::thread::sleep(Duration::from_secs(2));
    bed.client().done(&json!({"type": "set", "name": "web", "changes": {"hostname": "x"}}));
    start(&bed);
    bed.client().done(&stop());
    File::from(near).write_all(&packed).unwrap();
    assert_eq!(answer(&mut mute)["type"], "ok");
    assert_eq!(fs::metadata(bed.directory.join("root/instances/web/upper/new")).unwrap().len(), 8 << 20);
    // One that goes without a byte is no matter.
    let (far, near) = sys::pipe::pipe().unwrap();
    let mut gone = bed.client();
    gone.send(&json!({"type": "copy_in", "name": "web", "path": "/"}), Some(far.as_fd())).unwrap();
    drop(gone);
    bed.client().done(&of("rm", "web"));
    drop(near);
    bed.check();
}

#[test]
fn who_stops_sending_in_the_midst_keeps_nobody_waiting() {
    let bed = bed(&[]);
    let packed = archive(&bed);
    let ends = || {
        let (far, near) = sys::pipe::pipe().unwrap();
        let (one, other) = UnixStream::pair().unwrap();
        [(far, near), (OwnedFd::from(one), OwnedFd::from(other))]
    };
    let commands = [of("run", "web"), stop(), of("rm", "web")];
    for ((far, near), (number, command)) in
        ends().into_iter().chain(ends()).zip(commands.iter().cycle().enumerate().take(3))
    {
        let mut mute = bed.client();
        mute.send(&json!({"type": "copy_in", "name": "web", "path": "/"}), Some(far.as_fd())).unwrap();
        drop(far);
        let mut near = File::from(near);
        near.write_all(&packed[..1 << 20]).unwrap();
        // It holds the instance once it has read the half.
        let unpacked = match number {
            1 => format!("/proc/{}/root/new", bed.summary("web").unwrap()["pid"]),
            _ => bed.directory.join("root/instances/web/upper/new").display().to_string(),
        };
        let until = Instant::now() + PATIENCE;
        while fs::metadata(&unpacked).map_or(0, |metadata| metadata.len()) == 0 {
            assert!(Instant::now() < until, "{unpacked}");
            std::thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        bed.client().done(command);
        assert!(began.elapsed() < SOON, "{command}: {:?}", began.elapsed());
        assert_eq!(reason(&answer(&mut mute)), "interrupted");
        if number == 0 {
            bed.await_ready("web");
        }
        let _ = fs::remove_file(&unpacked);
    }
    bed.check();
}

#[test]
fn an_import_that_stands_still_is_nobodys_matter_and_ends_with_its_client() {
    let bed = bed(&["--stall", "1"]);
    let packed = archive(&bed);
    let (far, near) = sys::pipe::pipe().unwrap();
    let mut mute = bed.client();
    mute.send(&json!({"type": "import", "image": "slow"}), Some(far.as_fd())).unwrap();
    drop(far);
    let mut near = File::from(near);
    near.write_all(&packed[..1 << 20]).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let whole = bed.directory.join("whole.tar");
    fs::write(&whole, &packed).unwrap();
    let request = json!({"type": "import", "image": "fast"});
    let fast = bed.client().try_ask(&request, Some(File::open(&whole).unwrap().as_fd())).unwrap();
    assert_eq!(fast["type"], "ok", "{fast}");
    bed.client().done(&json!({"type": "rmi", "image": "fast"}));
    start(&bed);
    bed.client().done(&stop());
    bed.client().done(&of("rm", "web"));
    drop(mute);
    // Its end of the pipe is closed by the daemon soon.
    let until = Instant::now() + PATIENCE;
    while near.write(&[0]).is_ok() {
        assert!(Instant::now() < until, "the daemon has let go of the pipe");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(bed.images(), ["box"]);
    bed.check();
}
