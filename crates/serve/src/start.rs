//! From an exec request to a running child: everything is decided here, before the clone.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ffi::CStr;

use plan::{Execute, Limit};
use spawn::{Caller, Launch, Memory, Others, Pause, Plan, Step, Stopped};
use sys::clone::{Child, Namespaces};
use sys::exec::Argument;
use sys::fd::{BorrowedFd, OwnedFd};
use sys::fs::{AtFlags, CWD, FileType, statat};
use sys::privilege::Capabilities;
use sys::process::{Gid, Resource};
use sys::signals::SignalSet;
use sys::strerror::describe;
use wire::{EnvironmentMode, Exec, Pty, Quoted, ResourceLimit, Words};

use crate::accounts::{self, Account};

/// Why a command was not started: in words, and as a shell's code.
#[derive(Debug)]
pub struct NotStarted {
    /// For the client.
    pub text: String,
    /// 127 for a program that was not found, 126 for one that cannot be executed, 125 for all else.
    pub code: u8,
    /// A child that hangs on its way to its program, and has been sent SIGKILL: the server waits for its end.
    pub hangs: Option<Child>,
}

impl NotStarted {
    /// Something of the server's, not of the command's.
    #[must_use]
    pub const fn ours(text: String) -> Self {
        Self { text, code: 125, hangs: None }
    }
}

type Outcome<T> = Result<T, NotStarted>;

/// A command that is to be started: what [`crate::Machine::start`] is given.
#[derive(Debug)]
pub struct Start<'s> {
    /// The request.
    pub exec: &'s Exec,
    /// What becomes its descriptors 0, 1 and 2: with [`Exec::pty`] a terminal's slave, three times. `None` where it is
    /// the server's own, since there is no null device.
    pub standard: [Option<BorrowedFd<'s>>; 3],
    /// The cgroup that it is to be born into, where the server has made it one.
    pub cgroup: Option<BorrowedFd<'s>>,
    /// The variables of [`crate::Settings`]: see [`Start::variables`].
    pub environment: &'s Words,
    /// Signals that the server ignores, and no command should.
    pub ignored: SignalSet,
    /// The limit on descriptors, where it is not the server's own.
    pub nofile: Option<Limit>,
}

/// A command that runs.
#[derive(Debug)]
pub struct Started {
    pub(crate) child: Child,
    /// Our ends of a terminal that it has opened for itself.
    pub(crate) terminal: Option<[OwnedFd; 3]>,
}

impl From<Child> for Started {
    fn from(child: Child) -> Self {
        Self { child, terminal: None }
    }
}

impl Started {
    /// One that has opened a terminal for itself, in its own devpts: this is the master, which takes the place of the
    /// terminal in [`Start::standard`], and gets the size that was asked for.
    ///
    /// # Errors
    /// Those of ioctl(2) and fcntl(2) in words; the child has been ended then.
    pub fn on_terminal(child: Child, master: OwnedFd, size: &Pty) -> Outcome<Self> {
        match crate::terminal::ours(master, size) {
            Ok(ours) => Ok(Self { child, terminal: Some(ours) }),
            Err(errno) => {
                spawn::end(&child);
                Err(NotStarted::ours(format!("take the command's terminal: {}", describe(errno))))
            }
        }
    }
}

impl<'s> Start<'s> {
    /// Starts it in the server's own file system and namespaces: there PATH is searched and users are looked up.
    ///
    /// # Errors
    /// Why it was not started.
    pub fn here(&self) -> Outcome<Started> {
        start(self).map(Started::from)
    }

    /// The environment: the request's variables; then `more`, such as HOME of a user or TERM; then, unless the request
    /// replaces them, the server's that are not named yet.
    #[must_use]
    pub fn variables(&self, more: [Option<&'s CStr>; 2]) -> Vec<&'s CStr> {
        let mut words: Vec<&CStr> = self.exec.env.words.iter().collect();
        add_new(&mut words, more.into_iter().flatten());
        if self.exec.env_mode == EnvironmentMode::Merge {
            add_new(&mut words, self.environment.iter());
        }
        words
    }
}

fn start(start: &Start<'_>) -> Outcome<Child> {
    let exec = start.exec;
    let account = exec.user.as_ref().map(accounts::find).transpose().map_err(NotStarted::ours)?;
    let (home, term) = (home(account.as_ref()), term(exec));
    let variables = start.variables([home.as_deref(), term.as_deref()]);
    let file = find(exec, value(&variables, b"PATH"))?;
    let argv0 = exec.argv0.as_deref().unwrap_or(&file);
    let argv: Vec<_> = [argv0].into_iter().chain(exec.args.iter()).map(Argument::new).collect();
    let argv = ended(argv);
    let envp = ended(variables.into_iter().map(Argument::new).collect());
    let groups = group_ids(exec, account.as_ref());
    let score = exec.oom_score_adj.and_then(|score| CString::new(score.to_string()).ok());
    let mut steps = Vec::with_capacity(16);
    steps.push(Step::NewSession);
    if exec.pty.is_some() {
        steps.push(Step::TakeTerminal);
    }
    steps.extend(exec.nice.map(Step::Nice));
    if let Some(score) = &score {
        steps.push(Step::WriteProc { path: c"self/oom_score_adj", value: score });
    }
    steps.extend(start.nofile.map(Step::Limit));
    for limit in &exec.rlimits {
        steps.push(Step::Limit(resource_limit(limit)?));
    }
    identity_steps(&mut steps, exec, account.as_ref(), groups.as_deref())?;
    if let Some(mask) = exec.umask {
        steps.push(Step::Umask(mask));
    }
    if exec.no_new_privs {
        steps.push(Step::NoNewPrivileges);
    }
    steps.push(Step::Signals { reset: start.ignored });
    steps.push(Step::CloseOthers);
    if let Some(path) = exec.cwd.as_deref() {
        steps.push(Step::Chdir { path });
    }
    steps.push(Step::Execute(Execute { file: &file, search: c"", argv: &argv, envp: &envp }));
    let launch = Launch {
        plan: Plan { steps: &steps },
        namespaces: Namespaces::NONE,
        cgroup: start.cgroup,
        standard: start.standard,
        others: Others::Keep,
        memory: Memory::Borrowed,
    };
    spawn::start(&launch, &mut NoPauses).map_err(|stopped| match stopped {
        Stopped::Plan(error) => NotStarted { text: error.to_string(), code: error.code(), hangs: None },
        Stopped::Caller(never) => match never {},
    })
}

fn ended(mut vector: Vec<Argument<'_>>) -> Vec<Argument<'_>> {
    vector.push(Argument::END);
    vector
}

/// A plan of ours has no pauses, and no terminal of a container's.
struct NoPauses;

impl Caller for NoPauses {
    type Error = core::convert::Infallible;

    fn pause(&mut self, _: Pause, _: &Child) -> Result<(), Self::Error> {
        Ok(())
    }

    fn terminal(&mut self, _: OwnedFd) {}
}

/// Adds those whose name is not among the words that were there before.
fn add_new<'a>(words: &mut Vec<&'a CStr>, more: impl Iterator<Item = &'a CStr>) {
    let given = words.len();
    for word in more {
        if !words[..given].iter().any(|other| name(other) == name(word)) {
            words.push(word);
        }
    }
}

fn name(word: &CStr) -> &[u8] {
    word.to_bytes().split(|byte| *byte == b'=').next().unwrap_or_default()
}

fn value<'a>(variables: &[&'a CStr], name: &[u8]) -> Option<&'a [u8]> {
    variables.iter().find_map(|word| word.to_bytes().strip_prefix(name)?.strip_prefix(b"="))
}

/// The home of the user that a command runs as.
fn home(account: Option<&Account>) -> Option<CString> {
    let home = account?.home.as_ref().filter(|home| !home.is_empty())?;
    CString::new([b"HOME=", home.as_slice()].concat()).ok()
}

/// The kind of the terminal, where there is one.
fn term(exec: &Exec) -> Option<CString> {
    let term = exec.pty.as_ref()?.term.as_ref()?;
    CString::new([b"TERM=", term.as_bytes()].concat()).ok()
}

/// Where a program without a slash in its name is looked for, when nobody has said.
pub const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin:/sbin:/usr/sbin";

/// The file to execute. With a slash it is taken as it is; else only a regular file with an execute bit is
/// taken, as the base protocol has it.
fn find(exec: &Exec, path: Option<&[u8]>) -> Outcome<CString> {
    let cmd = exec.cmd.as_bytes();
    if cmd.contains(&b'/') {
        return Ok(exec.cmd.clone());
    }
    let path = path.unwrap_or(DEFAULT_PATH);
    let mut found = None;
    for directory in path.split(|byte| *byte == b':').filter(|directory| !directory.is_empty()) {
        let mut candidate = Vec::with_capacity(directory.len() + cmd.len() + 2);
        if !directory.starts_with(b"/") {
            // A part of PATH that is relative is so to where the command will be.
            candidate.extend_from_slice(exec.cwd.as_deref().map(CStr::to_bytes).unwrap_or_default());
            candidate.extend_from_slice(if candidate.is_empty() { b"" } else { b"/" });
        }
        candidate.extend_from_slice(directory);
        candidate.push(b'/');
        candidate.extend_from_slice(cmd);
        let Ok(candidate) = CString::new(candidate) else { continue };
        let Ok(stat) = statat(CWD, candidate.as_c_str(), AtFlags::empty()) else { continue };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            continue;
        }
        if stat.st_mode & 0o111 != 0 {
            return Ok(candidate);
        }
        found.get_or_insert(candidate);
    }
    let shown = exec.cmd.to_string_lossy();
    Err(match found {
        Some(file) => NotStarted {
            text: format!("{}: {} is not executable", Quoted(&shown), file.to_string_lossy()),
            code: 126,
            hangs: None,
        },
        None => NotStarted {
            text: format!(
                "{}: command not found in PATH ({})",
                Quoted(&shown),
                String::from_utf8_lossy(path)
            ),
            code: 127,
            hangs: None,
        },
    })
}

fn group_ids(exec: &Exec, account: Option<&Account>) -> Option<Vec<Gid>> {
    let own = exec.groups.as_ref().map(|groups| groups.iter().map(|id| id.get()).collect::<Vec<_>>());
    let groups = own.or_else(|| account.map(|account| account.groups.clone()))?;
    Some(groups.into_iter().map(Gid::from_raw).collect())
}

/// Groups, user, capabilities, in the one order that works: see `plan`.
fn identity_steps<'s>(
    steps: &mut Vec<Step<'s>>,
    exec: &Exec,
    account: Option<&Account>,
    groups: Option<&'s [Gid]>,
) -> Outcome<()> {
    let mut ambient = Capabilities(0);
    for name in &exec.ambient {
        let Some(capability) = Capabilities::named(name) else {
            return Err(NotStarted::ours(format!(
                "exec: the field \"ambient\" has no capability {}",
                Quoted(name)
            )));
        };
        ambient = ambient.with(capability);
    }
    if let Some(groups) = groups {
        steps.push(Step::Groups(groups));
    }
    if let Some(account) = account {
        if ambient != Capabilities(0) {
            steps.push(Step::KeepCapabilities);
        }
        steps.push(Step::User { uid: account.uid, gid: account.gid });
    }
    if ambient != Capabilities(0) {
        steps.push(Step::SetCapabilities { effective: ambient, permitted: ambient, inheritable: ambient });
        steps.push(Step::Ambient(ambient));
    }
    Ok(())
}

/// The names of getrlimit(2), in lower case and without RLIMIT_.
const RESOURCES: [(&str, Resource); 16] = [
    ("cpu", Resource::Cpu),
    ("fsize", Resource::Fsize),
    ("data", Resource::Data),
    ("stack", Resource::Stack),
    ("core", Resource::Core),
    ("rss", Resource::Rss),
    ("nproc", Resource::Nproc),
    ("nofile", Resource::Nofile),
    ("memlock", Resource::Memlock),
    ("as", Resource::As),
    ("locks", Resource::Locks),
    ("sigpending", Resource::Sigpending),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
];

fn resource_limit(limit: &ResourceLimit) -> Outcome<Limit> {
    let known = RESOURCES.iter().find(|(name, _)| *name == limit.name);
    let Some((_, resource)) = known else {
        let text = format!("exec: the field \"rlimits\" has the unknown limit {}", Quoted(&limit.name));
        return Err(NotStarted::ours(text));
    };
    Ok(Limit { resource: *resource, soft: limit.soft, hard: limit.hard })
}
