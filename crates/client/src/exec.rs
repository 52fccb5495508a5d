//! What to run, and how.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use wire::json::Object;
use wire::{OnDisconnect, OnLimit};

/// A command to run: every field of the protocol's `exec`. What is not said is as the protocol has it, but for the
/// time limit: there is none unless [`Exec::timeout_ms`] sets one.
///
/// In a box, since it is handed on with every field that is said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exec(Box<Parts>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Parts {
    cmd: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    rlimits: Vec<(String, [Option<u64>; 2])>,
    limits: Vec<(&'static str, String)>,
    timeout_ms: u64,
    id: Option<String>,
    /// Members that are written already, each with a comma before it.
    others: Vec<u8>,
}

impl Exec {
    /// Runs a program: a path where it has a slash, else looked for in PATH.
    #[must_use]
    pub fn new(cmd: &str) -> Self {
        Self(Box::new(Parts {
            cmd: cmd.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            rlimits: Vec::new(),
            limits: Vec::new(),
            timeout_ms: 0,
            id: None,
            others: Vec::new(),
        }))
    }

    /// Another program.
    #[must_use]
    pub fn cmd(mut self, cmd: &str) -> Self {
        cmd.clone_into(&mut self.0.cmd);
        self
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.0.args.push(arg.to_owned());
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.args.extend(args.into_iter().map(ToOwned::to_owned));
        self
    }

    /// With a variable; the last one of a name counts.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env.retain(|(other, _)| other != name);
        self.0.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without the server's own variables.
    #[must_use]
    pub fn clear_env(self) -> Self {
        self.word("env_mode", "replace")
    }

    /// Under the caller's own key, 1 to 128 bytes: it stays listed and can be attached to, also after its end, and
    /// the same request again attaches and never starts it twice.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.0.id = Some(id.to_owned());
        self
    }

    /// In this directory.
    #[must_use]
    pub fn cwd(self, path: &str) -> Self {
        self.word("cwd", path)
    }

    /// With another name for itself than its path.
    #[must_use]
    pub fn argv0(self, name: &str) -> Self {
        self.word("argv0", name)
    }

    /// As `user`, `user:group`, by name or number.
    #[must_use]
    pub fn user(self, user: &str) -> Self {
        self.word("user", user)
    }

    /// With exactly these supplementary groups.
    #[must_use]
    pub fn groups(self, groups: &[u32]) -> Self {
        let mut text = "[".to_owned();
        for (index, group) in groups.iter().enumerate() {
            text.push_str(if index > 0 { "," } else { "" });
            text.push_str(&group.to_string());
        }
        text.push(']');
        self.raw("groups", &text)
    }

    /// With these ambient capabilities, by name.
    #[must_use]
    pub fn ambient(self, capabilities: &[&str]) -> Self {
        self.with(|object| {
            object.texts("ambient", capabilities.iter().map(|name| name.as_bytes()));
        })
    }

    /// With a resource limit of getrlimit(2), by its name without RLIMIT_; `None` is unlimited.
    #[must_use]
    pub fn rlimit(mut self, name: &str, soft: Option<u64>, hard: Option<u64>) -> Self {
        self.0.rlimits.push((name.to_owned(), [soft, hard]));
        self
    }

    /// No program that it runs gains rights.
    #[must_use]
    pub fn no_new_privs(self) -> Self {
        self.raw("no_new_privs", "true")
    }

    /// With this umask(2).
    #[must_use]
    pub fn umask(self, mask: u16) -> Self {
        self.count("umask", mask.into())
    }

    /// With this nice(2) value.
    #[must_use]
    pub fn nice(self, nice: i8) -> Self {
        self.with(|object| {
            object.integer("nice", nice.into());
        })
    }

    /// With this oom_score_adj of proc(5).
    #[must_use]
    pub fn oom_score_adj(self, score: i16) -> Self {
        self.with(|object| {
            object.integer("oom_score_adj", score.into());
        })
    }

    /// With a limit of memory in a cgroup of its own: `512m`.
    #[must_use]
    pub fn memory(mut self, limit: &str) -> Self {
        self.0.limits.push(("memory", limit.to_owned()));
        self
    }

    /// With a limit of processor time in a cgroup of its own: `0.5`.
    #[must_use]
    pub fn cpus(mut self, limit: &str) -> Self {
        self.0.limits.push(("cpus", limit.to_owned()));
        self
    }

    /// With a limit of processes in a cgroup of its own: `100`.
    #[must_use]
    pub fn pids(mut self, limit: &str) -> Self {
        self.0.limits.push(("pids", limit.to_owned()));
        self
    }

    /// On a terminal of this size in place of pipes; `term` is its TERM.
    #[must_use]
    pub fn pty(self, rows: u16, cols: u16, term: Option<&str>) -> Self {
        self.with(|object| {
            let mut pty = object.object("pty");
            pty.count("rows", rows.max(1).into()).count("cols", cols.max(1).into());
            if let Some(term) = term {
                pty.text("term", term);
            }
            pty.end();
        })
    }

    /// Reads what [`crate::Running::write`] brings, in place of an end of file.
    #[must_use]
    pub fn open_stdin(self) -> Self {
        self.word("stdin", "open")
    }

    /// Its output is thrown away.
    #[must_use]
    pub fn discard_output(self) -> Self {
        self.word("output", "none")
    }

    /// With a word of the caller's, shown in lists.
    #[must_use]
    pub fn tag(self, tag: &str) -> Self {
        self.word("tag", tag)
    }

    /// It is ended after so many milliseconds; 0 is never.
    #[must_use]
    pub fn timeout_ms(mut self, ms: u64) -> Self {
        self.0.timeout_ms = ms;
        self
    }

    /// The signal that ends it first, by name or number.
    #[must_use]
    pub fn kill_signal(self, signal: &str) -> Self {
        self.word("kill_signal", signal)
    }

    /// Milliseconds from that signal to SIGKILL.
    #[must_use]
    pub fn grace_ms(self, ms: u64) -> Self {
        self.count("grace_ms", ms)
    }

    /// What becomes of it when this connection ends.
    #[must_use]
    pub fn on_disconnect(self, what: OnDisconnect) -> Self {
        self.word(
            "on_disconnect",
            match what {
                OnDisconnect::Keep => "keep",
                OnDisconnect::Kill => "kill",
                OnDisconnect::Hup => "hup",
            },
        )
    }

    /// For how many milliseconds of silence its output is followed after its end.
    #[must_use]
    pub fn linger_ms(self, ms: u64) -> Self {
        self.count("linger_ms", ms)
    }

    /// What happens after so many bytes of output.
    #[must_use]
    pub fn max_output(self, bytes: u64, then: OnLimit) -> Self {
        self.count("max_output", bytes).word(
            "on_limit",
            match then {
                OnLimit::StopReading => "stop_reading",
                OnLimit::Truncate => "truncate",
                OnLimit::Kill => "kill",
            },
        )
    }

    /// How many bytes of each stream are kept for who attaches later.
    #[must_use]
    pub fn replay_bytes(self, bytes: u64) -> Self {
        self.count("replay_bytes", bytes)
    }

    /// The caller's key.
    pub(crate) fn key(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    fn word(self, name: &str, value: &str) -> Self {
        self.with(|object| {
            object.text(name, value);
        })
    }

    fn count(self, name: &str, value: u64) -> Self {
        self.with(|object| {
            object.count(name, value);
        })
    }

    fn raw(mut self, name: &str, json: &str) -> Self {
        for part in [",\"", name, "\":", json] {
            self.0.others.extend_from_slice(part.as_bytes());
        }
        self
    }

    /// Members as an object writes them, without its braces.
    fn with(mut self, write: impl FnOnce(&mut Object<'_>)) -> Self {
        let start = self.0.others.len();
        let mut object = Object::begin(&mut self.0.others);
        write(&mut object);
        object.end();
        self.0.others[start] = b',';
        self.0.others.pop();
        self
    }

    /// The request; `more` is written into it.
    pub(crate) fn request(&self, more: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut message = Object::message(&mut out, "exec");
        message.text("cmd", &self.0.cmd).texts("args", self.0.args.iter().map(|arg| arg.as_bytes()));
        message.yes("events").count("timeout_ms", self.0.timeout_ms);
        if let Some(id) = &self.0.id {
            message.text("id", id);
        }
        let mut env = message.object("env");
        for (name, value) in &self.0.env {
            env.text(name, value);
        }
        env.end();
        if !self.0.rlimits.is_empty() {
            let mut limits = message.object("rlimits");
            for (name, bounds) in &self.0.rlimits {
                let mut limit = limits.object(name);
                for (bound, value) in ["soft", "hard"].into_iter().zip(bounds) {
                    match value {
                        Some(value) => limit.count(bound, *value),
                        None => limit.text(bound, "unlimited"),
                    };
                }
                limit.end();
            }
            limits.end();
        }
        if !self.0.limits.is_empty() {
            let mut limits = message.object("limits");
            for (name, value) in &self.0.limits {
                limits.text(name, value);
            }
            limits.end();
        }
        message.end();
        out.pop();
        out.extend_from_slice(&self.0.others);
        out.extend_from_slice(more);
        out.push(b'}');
        out
    }
}
