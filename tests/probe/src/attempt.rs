//! Trying one thing that a container may be forbidden to do.
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use sys::fs::{CWD, FileType, Mode, makedev, mknodat};
use sys::process::{Signal, getpid, kill_process};
use sys::thread::UnshareFlags;

/// What can be tried, for the message about what cannot.
pub const WORDS: &str = "write PATH, mkdir PATH, read PATH, mknod PATH b|c MAJOR MINOR, allocate SIZE [SECONDS], \
     spin SECONDS, fork NUMBER, exit CODE, signal NUMBER, unshare NAMESPACE, sleep SECONDS, watch MARKER";

/// As much of a file as `read` shows.
const SHOWN: u64 = 65_536;
/// The smallest page of the machine: one byte in each makes all of the memory real.
const PAGE: usize = 4096;

/// Does what the words say; `None` when they say nothing known.
pub fn run(words: &[&str]) -> Option<Value> {
    Some(match *words {
        ["write", path] => {
            outcome("write", path, std::fs::OpenOptions::new().write(true).open(path).map(|_| json!({})))
        }
        ["mkdir", path] => outcome("mkdir", path, std::fs::create_dir(path).map(|()| json!({}))),
        ["read", path] => outcome("read", path, read(path)),
        ["mknod", path, kind @ ("b" | "c"), major, minor] => {
            mknod(path, kind, major.parse().ok()?, minor.parse().ok()?)
        }
        ["allocate", size] => allocate(size, bytes(size)?, Duration::ZERO),
        ["allocate", size, time] => allocate(size, bytes(size)?, seconds(time)?),
        ["spin", time] => spin(seconds(time)?),
        ["fork", number] => fork(number.parse().ok()?),
        ["signal", number] => signal(number.parse().ok()?)?,
        ["unshare", namespace] => unshare(namespace)?,
        _ => return None,
    })
}

/// Prints one line, in one write. An output that nobody reads any more is nothing to complain about.
pub fn say(value: &Value) {
    let _ = io::stdout().write_all(format!("{value}\n").as_bytes());
    let _ = io::stdout().flush();
}

/// The name of an error: `EPERM`.
pub fn name(error: &io::Error) -> &'static str {
    error.raw_os_error().map_or("E?", |number| sys::strerror::name(sys::Errno::from_raw_os_error(number)))
}

/// The kernel's answer to a call of `sys`, as std has it.
fn error(errno: sys::Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.raw_os_error())
}

/// `ok` or the name of the error.
fn word<T>(result: &io::Result<T>) -> &'static str {
    result.as_ref().map_or_else(name, |_| "ok")
}

/// The line about an attempt on a path, with what came out of it beside the result.
fn outcome(attempt: &str, path: &str, result: io::Result<Value>) -> Value {
    let mut line = json!({ "attempt": attempt, "path": path, "result": word(&result) });
    if let (Ok(Value::Object(more)), Some(line)) = (result, line.as_object_mut()) {
        line.extend(more);
    }
    line
}

/// Reads the beginning of a file.
fn read(path: &str) -> io::Result<Value> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)?.take(SHOWN).read_to_end(&mut bytes)?;
    Ok(json!({ "bytes": read, "text": String::from_utf8_lossy(&bytes) }))
}

/// Makes a device and opens it: either may be what is forbidden.
fn mknod(path: &str, kind: &str, major: u32, minor: u32) -> Value {
    let file_type = if kind == "b" { FileType::BlockDevice } else { FileType::CharacterDevice };
    let made = mknodat(CWD, path, file_type, Mode::from_raw_mode(0o666), makedev(major, minor));
    let made = made.map_err(error);
    let opened = std::fs::File::open(path);
    let result = if made.is_err() { word(&made) } else { word(&opened) };
    json!({ "attempt": "mknod", "path": path, "result": result, "mknod": word(&made), "open": word(&opened) })
}

/// Takes memory, makes it real by writing to each page, and keeps it for a time.
fn allocate(size: &str, bytes: usize, time: Duration) -> Value {
    let mut memory: Vec<u8> = Vec::new();
    if memory.try_reserve_exact(bytes).is_err() {
        return json!({ "attempt": "allocate", "size": size, "result": "ENOMEM" });
    }
    // One page after the other, and not all zero: zeroed memory would be left to the kernel to make real.
    while memory.len() < bytes {
        memory.resize((memory.len() + PAGE).min(bytes), 0x5a);
    }
    std::thread::sleep(time);
    let touched = std::hint::black_box(&memory).len();
    json!({ "attempt": "allocate", "size": size, "result": "ok", "bytes": touched })
}

/// Keeps a processor busy for a time.
fn spin(time: Duration) -> Value {
    let start = Instant::now();
    let mut rounds = 0u64;
    while start.elapsed() < time {
        rounds += 1;
    }
    json!({ "attempt": "spin", "result": "ok", "rounds": rounds })
}

/// Starts copies of itself until there are so many at once, or the kernel refuses one.
fn fork(number: usize) -> Value {
    let program =
        std::env::current_exe().unwrap_or_else(|_| std::env::args_os().next().unwrap_or_default().into());
    let mut children: Vec<Child> = Vec::new();
    let mut result = Ok(());
    while children.len() < number && result.is_ok() {
        let mut command = Command::new(&program);
        command.arg0("probe").args(["sleep", "60"]).stdin(Stdio::null()).stdout(Stdio::null());
        result = command.spawn().map(|child| children.push(child));
    }
    let started = children.len();
    for mut child in children {
        // One that has ended already has nothing left to kill.
        let _ = child.kill();
        let _ = child.wait();
    }
    json!({ "attempt": "fork", "number": number, "result": word(&result), "started": started })
}

/// Sends itself a signal. The line is printed only by who survives.
fn signal(number: i32) -> Option<Value> {
    let result = kill_process(getpid(), Signal::from_named_raw(number)?).map_err(error);
    Some(json!({ "attempt": "signal", "number": number, "result": word(&result), "survived": true }))
}

/// Makes a namespace for itself.
#[expect(deprecated, reason = "what is deprecated is unsharing descriptors, and this unshares none")]
fn unshare(namespace: &str) -> Option<Value> {
    let flag = match namespace {
        "user" => UnshareFlags::NEWUSER,
        "mnt" => UnshareFlags::NEWNS,
        "pid" => UnshareFlags::NEWPID,
        "net" => UnshareFlags::NEWNET,
        "ipc" => UnshareFlags::NEWIPC,
        "uts" => UnshareFlags::NEWUTS,
        "cgroup" => UnshareFlags::NEWCGROUP,
        "time" => UnshareFlags::NEWTIME,
        _ => return None,
    };
    let result = sys::thread::unshare(flag).map_err(error);
    Some(json!({ "attempt": "unshare", "namespace": namespace, "result": word(&result) }))
}

/// A time in seconds, which may be a fraction.
pub fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

/// A size: `300m`, `64k`, `1g` or a number of bytes.
fn bytes(text: &str) -> Option<usize> {
    let shift = match text.as_bytes().last()? {
        b'k' => 10,
        b'm' => 20,
        b'g' => 30,
        _ => return text.parse().ok(),
    };
    text[..text.len() - 1].parse::<usize>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("300m"), Some(300 << 20));
        assert_eq!(bytes("64k"), Some(65_536));
        assert_eq!(bytes("17"), Some(17));
        for text in ["", "m", "1.5g", "-1", "3x", "99999999999g"] {
            assert_eq!(bytes(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_attempt_ends_with_ok_or_the_name_of_the_error() {
        let read = run(&["read", "/proc/self/comm"]).expect("known");
        assert_eq!((&read["result"], read["bytes"] == 0), (&json!("ok"), false));
        assert_eq!(run(&["read", "/nowhere"]).expect("known")["result"], "ENOENT");
        assert_eq!(run(&["mkdir", "/proc"]).expect("known")["result"], "EEXIST");
        assert_eq!(run(&["write", "/"]).expect("known")["result"], "EISDIR");
        let mknod = run(&["mknod", "/proc/self/x", "b", "8", "0"]).expect("known");
        assert_ne!(mknod["mknod"], "ok");
        assert_eq!(mknod["open"], "ENOENT");
    }

    #[test]
    fn memory_is_touched_and_time_is_spent() {
        assert_eq!(run(&["allocate", "1m"]).expect("known")["bytes"], 1 << 20);
        let start = Instant::now();
        let spun = run(&["spin", "0.02"]).expect("known");
        assert!(start.elapsed() >= Duration::from_millis(20) && spun["rounds"].as_u64() > Some(0));
    }

    #[test]
    fn other_words_are_not_understood() {
        for words in [
            &["fly"] as &[&str],
            &["write"],
            &["spin", "x"],
            &["unshare", "x"],
            &["mknod", "a", "d", "1", "2"],
        ] {
            assert_eq!(run(words), None, "{words:?}");
        }
    }
}
