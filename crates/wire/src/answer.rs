//! Answers, each one line. The order of members is that of the base protocol, byte for byte.

use alloc::vec::Vec;

use crate::json::{Object, ascii_length};
use crate::output::MAX_PIECE;
use crate::{Chunk, ExecId, SignalNumber};

/// Which of a command's outputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Its word in the protocol.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// What `events` adds to a message of output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin<'a> {
    /// Of which exec.
    pub id: &'a ExecId,
    /// Offset of its first byte in the stream.
    pub offset: u64,
}

/// `pong`
pub fn pong(out: &mut Vec<u8>, version: &str, uptime_secs: u64, pid: u64, features: &[&str]) {
    let mut message = Object::message(out, "pong");
    message.text("version", version).count("uptime_secs", uptime_secs).count("pid", pid);
    message.count("proto", crate::PROTOCOL);
    message.texts("features", features.iter().map(|feature| feature.as_bytes()));
    message.line();
}

/// `error` with the code of a shell (126, 127), or ours (125). The base protocol has no code in it.
pub fn error(out: &mut Vec<u8>, id: Option<&ExecId>, text: &str, code: Option<u8>) {
    let mut message = Object::message(out, "error");
    message.text("data", text);
    if let Some(code) = code {
        message.count("code", u64::from(code));
    }
    if let Some(id) = id {
        message.text("id", id.as_str());
    }
    message.line();
}

/// `ok`
pub fn ok(out: &mut Vec<u8>, id: Option<&ExecId>) {
    let mut message = Object::message(out, "ok");
    if let Some(id) = id {
        message.text("id", id.as_str());
    }
    message.line();
}

/// `kill_result`; the error where it did not work out.
pub fn kill_result(out: &mut Vec<u8>, error: Option<&str>) {
    let mut message = Object::message(out, "kill_result");
    match error {
        None => message.yes("success"),
        Some(error) => message.no("success").text("error", error),
    };
    message.line();
}

/// `started`
pub fn started(out: &mut Vec<u8>, id: &ExecId, pid: u64, number: Option<u32>) {
    let mut message = Object::message(out, "started");
    message.text("id", id.as_str()).count("pid", pid);
    if let Some(number) = number {
        message.count("exec", u64::from(number));
    }
    message.line();
}

fn trailer(message: &mut Object<'_>, origin: Option<Origin<'_>>) {
    if let Some(origin) = origin {
        message.text("id", origin.id.as_str()).count("off", origin.offset);
    }
}

/// `stdout` and `stderr` in `lines` mode.
pub fn line(out: &mut Vec<u8>, stream: Stream, line: &crate::Line<'_>, origin: Option<Origin<'_>>) {
    let mut message = Object::message(out, stream.word());
    message.lossy("data", line.text);
    if line.partial {
        message.yes("partial");
    }
    trailer(&mut message, origin);
    message.line();
}

/// The same for as many lines as `bytes` begins with that are whole, ASCII and without escapes, which is what most
/// programs write: each byte is looked at once. Until `out` has `limit` bytes. How many bytes were taken.
pub fn plain_lines(
    out: &mut Vec<u8>,
    stream: Stream,
    bytes: &[u8],
    origin: Option<Origin<'_>>,
    limit: usize,
) -> usize {
    let mut begin = Vec::with_capacity(32);
    Object::message(&mut begin, stream.word()).text("data", "");
    begin.pop();
    let mut taken = 0;
    while out.len() < limit {
        let rest = &bytes[taken..];
        let length = ascii_length(rest);
        if length > MAX_PIECE || rest.get(length) != Some(&b'\n') {
            break;
        }
        out.reserve(begin.len() + length + 64);
        out.extend_from_slice(&begin);
        out.extend_from_slice(&rest[..length]);
        match origin {
            None => out.extend_from_slice(b"\"}\n"),
            Some(Origin { id, offset }) => {
                out.push(b'"');
                let mut message = Object::resume(out);
                trailer(&mut message, Some(Origin { id, offset: offset + taken as u64 }));
                message.line();
            }
        }
        taken += length + 1;
    }
    taken
}

/// `stdout` and `stderr` in `chunks` mode.
pub fn chunk(out: &mut Vec<u8>, stream: Stream, chunk: Chunk<'_>, origin: Option<Origin<'_>>) {
    let mut message = Object::message(out, stream.word());
    match chunk {
        Chunk::Text(text) => message.text("data", text),
        Chunk::Bytes(bytes) => message.base64("data_b64", bytes),
    };
    trailer(&mut message, origin);
    message.line();
}

/// `eof`
pub fn eof(out: &mut Vec<u8>, id: &ExecId, stream: Stream, offset: u64) {
    let mut message = Object::message(out, "eof");
    message.text("id", id.as_str()).text("stream", stream.word()).count("off", offset);
    message.line();
}

/// `gap`: bytes that were asked for and are not kept any more.
pub fn gap(out: &mut Vec<u8>, id: &ExecId, stream: Stream, from: u64, to: u64) {
    let mut message = Object::message(out, "gap");
    message.text("id", id.as_str()).text("stream", stream.word()).count("from", from).count("to", to);
    message.line();
}

/// `timeout`
pub fn timeout(out: &mut Vec<u8>, text: &str, signal: SignalNumber, elapsed_ms: u64, pid: u64) {
    let mut message = Object::message(out, "timeout");
    let code = u64::from(signal.get().unsigned_abs()) + 128;
    message.text("data", text).count("code", code).count("elapsed_ms", elapsed_ms).count("pid", pid);
    message.line();
}

/// How an exec ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exit {
    /// 0 to 255, 128+n for signal n.
    pub code: u8,
    /// From its start.
    pub elapsed_ms: u64,
    /// What its pid was.
    pub pid: u64,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Why it was ended, where we did: `timeout`, `kill`, `max_output`, `disconnect`, `shutdown`.
    pub killed_by: Option<&'static str>,
    /// Whether its deadline passed.
    pub timed_out: bool,
    /// Whether the kernel ended it for want of memory.
    pub oom: bool,
    /// Whether output was thrown away.
    pub truncated: bool,
    /// Milliseconds in user mode, in the kernel, and the largest resident set in KiB.
    pub usage: [u64; 3],
    /// Processes of its tree that live on.
    pub left: u64,
    /// What is not known of its end, and why.
    pub error: Option<&'static str>,
}

impl Exit {
    /// `exit` of the base protocol.
    pub fn write_base(&self, out: &mut Vec<u8>) {
        let mut message = Object::message(out, "exit");
        message.count("code", u64::from(self.code)).count("elapsed_ms", self.elapsed_ms);
        message.count("pid", self.pid);
        message.line();
    }

    /// `exit` with everything that is known.
    pub fn write(&self, out: &mut Vec<u8>, id: &ExecId) {
        let mut message = Object::message(out, "exit");
        self.write_fields(&mut message);
        message.text("id", id.as_str());
        message.line();
    }

    /// The members, into a message or a list.
    pub fn write_fields(&self, message: &mut Object<'_>) {
        message.count("code", u64::from(self.code)).count("elapsed_ms", self.elapsed_ms);
        message.count("pid", self.pid);
        if let Some(signal) = self.signal {
            message.integer("signal", i64::from(signal));
        }
        for (name, holds) in [("timed_out", self.timed_out), ("oom", self.oom), ("truncated", self.truncated)]
        {
            if holds {
                message.yes(name);
            } else {
                message.no(name);
            }
        }
        if let Some(reason) = self.killed_by {
            message.text("killed_by", reason);
        }
        let [utime_ms, stime_ms, maxrss_kb] = self.usage;
        let mut usage = message.object("rusage");
        usage.count("utime_ms", utime_ms).count("stime_ms", stime_ms).count("maxrss_kb", maxrss_kb);
        usage.end();
        message.count("left", self.left);
        if let Some(error) = self.error {
            message.text("error", error);
        }
    }
}

/// One process of `processes`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub ppid: i32,
    /// Its arguments with blanks between them, or its name.
    pub command: Vec<u8>,
    /// One letter of proc_pid_stat(5).
    pub state: u8,
    /// Resident memory in KiB.
    pub memory_kb: u64,
    /// When it started, in seconds since 1970.
    pub started_at: Option<u64>,
}

/// `processes`
pub fn processes(out: &mut Vec<u8>, processes: &[Process]) {
    let mut message = Object::message(out, "processes");
    message.objects("processes", processes.iter(), |object, process| {
        object.integer("pid", i64::from(process.pid)).integer("ppid", i64::from(process.ppid));
        object.lossy("command", &process.command).lossy("state", &[process.state]);
        object.count("memory_kb", process.memory_kb);
        if let Some(started_at) = process.started_at {
            object.count("started_at", started_at);
        }
    });
    message.line();
}
