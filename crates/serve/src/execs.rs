//! `exec`, and what is written to a command.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;

use plan::Limit;
use sys::clone::Child;
use sys::event::epoll::EventFlags;
use sys::fd::{AsFd, AsRawFd, OwnedFd};
use sys::io::{DupFlags, dup3, ioctl_fionbio};
use sys::pipe::{PipeFlags, pipe_with};
use sys::process::{Resource, Rlimit};
use sys::strerror::describe;
use wire::{Exec, ExecId, Output, Stdin, answer};

use crate::connection::Manner;
use crate::group::wants_limits;
use crate::inlet::{Inlet, Wrote};
use crate::journal::Note;
use crate::key::Key;
use crate::machine::Machine;
use crate::ordered::hash;
use crate::outlet::{Allowance, Outlet};
use crate::poll::Source;
use crate::server::Server;
use crate::session::{Label, Remains, Session, Terms};
use crate::start::{Hang, NotStarted, Start, Started};
use crate::terminal::{END_OF_INPUT, Terminal};
use crate::watcher::Wants;

/// The ends of a command's streams: the command's own, and ours.
struct Ends {
    /// `None`: the null device.
    theirs: [Option<OwnedFd>; 3],
    stdin: Option<OwnedFd>,
    outlets: [Outlet; 2],
    terminal: Option<OwnedFd>,
}

impl Ends {
    /// Has our ends of a terminal in place of others.
    fn take_terminal(&mut self, [output, input, terminal]: [OwnedFd; 3], stdin: &Stdin) {
        self.stdin = (*stdin != Stdin::Empty).then_some(input);
        self.outlets = [Outlet::terminal(output), Outlet::new(None)];
        self.terminal = Some(terminal);
    }

    /// Standard input, with what is to be written to it.
    fn inlet(&mut self, stdin: &Stdin) -> Inlet {
        let mut inlet = Inlet::new(self.stdin.take(), Vec::new());
        if let Stdin::Bytes(bytes) = stdin {
            let _ = inlet.put(bytes);
            if self.terminal.is_some() {
                let _ = inlet.put(&[END_OF_INPUT]);
            }
            inlet.end();
        }
        inlet
    }
}

impl Server {
    pub(crate) fn exec(&mut self, key: Key, exec: Exec, machine: &mut dyn Machine) {
        let wants = if exec.events { Wants::Events } else { Wants::Base };
        if let Some(id) = &exec.id
            && let Some(found) = self.session_of(id)
        {
            // The caller's key makes a repeat harmless: the command runs once.
            if exec.detach {
                return self.answer_detached(key, found, wants);
            }
            let watcher = self.watcher(key, exec.output, wants);
            return self.follow(found, watcher, [None, None]);
        }
        match self.begin(key, &exec, machine) {
            Ok(found) if exec.detach => self.answer_detached(key, found, wants),
            Ok(found) => {
                let watcher = self.watcher(key, exec.output, wants);
                self.follow(found, watcher, [None, None]);
            }
            Err(error) => {
                // The base protocol knows no code here.
                let code = exec.extended.then_some(error.code);
                self.say(key, |out| answer::error(out, exec.id.as_ref(), &error.text, code));
                self.answered(key);
                if let Some(connection) = self.connections.get_mut(key)
                    && connection.manner != Manner::Extended
                {
                    connection.closing = true;
                }
            }
        }
    }

    fn answer_detached(&mut self, key: Key, found: Key, wants: Wants) {
        let Some(session) = self.sessions.get(found) else { return };
        let (id, pid) = (session.id.clone(), session.number());
        self.say(key, |out| match wants {
            Wants::Events => answer::started(out, &id, pid, None),
            Wants::Base => answer::ok(out, Some(&id)),
        });
        self.advance(found);
    }

    /// Starts a command; its session.
    fn begin(&mut self, key: Key, exec: &Exec, machine: &mut dyn Machine) -> Result<Key, NotStarted> {
        self.check(exec)?;
        self.serial += 1;
        let mark = crate::tree::mark(self.serial);
        let passed = self.connections.get_mut(key).map(|client| core::mem::take(&mut client.passed));
        let mut ends = self.ends(exec, passed.unwrap_or_default())?;
        ends.theirs = ends.theirs.map(|own| own.map(|own| self.lower(own)));
        let born = sys::clock::since_boot();
        let group = self.groups.as_ref().map(|groups| groups.create(self.serial, exec)).transpose()?;
        if group.is_none() {
            // The child inherits it; see `tree`.
            let _ = sys::children::set_timer_slack(mark);
        }
        let standard = ends.theirs.each_ref().map(|own| own.as_ref().or(self.null.as_ref()).map(AsFd::as_fd));
        let start = Start {
            exec,
            standard,
            cgroup: group.as_ref().map(AsFd::as_fd),
            environment: &self.settings.environment,
            ignored: self.ignored,
            nofile: self.nofile(),
            hung: OnceCell::new(),
        };
        let started = machine.start(&start);
        let hung = start.hung.into_inner();
        if group.is_none() {
            // 0: as it was. A server is no descendant of its command.
            let _ = sys::children::set_timer_slack(0);
        }
        if let Some(Hang { child, then }) = hung {
            then(self, child, exec);
        }
        ends.theirs = [None, None, None];
        self.fill_reserve();
        let Started { child, terminal } = match started {
            Ok(started) => started,
            Err(error) => {
                if let (Some(groups), Some(group)) = (&mut self.groups, group) {
                    groups.remove(group);
                }
                return Err(error);
            }
        };
        let id = match &exec.id {
            Some(id) => id.clone(),
            None => self.new_id(),
        };
        let label = label(exec);
        let slot = self.journal.as_mut().and_then(|journal| {
            journal.note(&Note {
                id: id.clone(),
                pid: child.pid.as_raw_pid(),
                mark,
                serial: self.serial,
                server: sys::process::getpid().as_raw_pid(),
                born: [born, sys::clock::since_boot()],
                started_at: label.started_at,
                cmd: label.cmd.clone(),
                tag: label.tag.clone(),
            })
        });
        let mut session = Session::new(id, child, label, Terms::of(exec));
        session.is_named = exec.id.is_some() || exec.events || exec.detach;
        session.remains = if exec.id.is_some() || exec.detach { Remains::Kept } else { Remains::Owed };
        (session.slot, session.mark, session.group) = (slot, mark, group);
        if let Some(ours) = terminal {
            ends.take_terminal(*ours, &exec.stdin);
        }
        session.inlet = ends.inlet(&exec.stdin);
        (session.outlets, session.terminal) = (ends.outlets, ends.terminal);
        session.allowance = exec.max_output.map(|left| Allowance { left, then: exec.on_limit });
        let found = self.enter(session);
        self.watch(found);
        self.announce_start(found);
        Ok(found)
    }

    /// The same end with a low number, in the place of one of the reserve: a child is born with a copy of all descriptors up
    /// to the highest that it needs.
    fn lower(&mut self, end: OwnedFd) -> OwnedFd {
        const LOW: i32 = 256;
        if end.as_raw_fd() < LOW {
            return end;
        }
        let is_low = |spare: &OwnedFd| spare.as_raw_fd() < LOW;
        let Some(place) = self.reserve.iter().position(is_low) else { return end };
        let mut lower = self.reserve.swap_remove(place);
        match dup3(&end, &mut lower, DupFlags::CLOEXEC) {
            Ok(()) => lower,
            Err(_) => end,
        }
    }

    /// A command that hangs on its way to its program has been killed: it is listed until that has come to something.
    pub(crate) fn await_end(&mut self, child: Child, exec: &Exec) {
        let mut session = Session::new(self.new_id(), child, label(exec), Terms::of(exec));
        (session.is_named, session.remains, session.deadline) = (false, Remains::Owed, None);
        session.killed_by = Some("timeout");
        let found = self.enter(session);
        self.watch(found);
    }

    /// Makes a session known.
    pub(crate) fn enter(&mut self, session: Session) -> Key {
        let (id, pid) = (hash(&session.id), session.pid.as_raw_pid());
        let found = self.sessions.insert(session);
        self.ids.insert(id, found.bits());
        self.leaders.insert(pid, found);
        found
    }

    /// What can be refused before anything is made.
    fn check(&self, exec: &Exec) -> Result<(), NotStarted> {
        if self.is_stopping {
            return Err(NotStarted::ours(
                "exec: everything is being stopped, nothing new is started".to_owned(),
            ));
        }
        let allowed = &self.settings.allowed_variables;
        let is_allowed = |name: &&String| allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
        if let Some(name) = exec.env.refused.iter().find(|name| !is_allowed(name)) {
            return Err(NotStarted::ours(format!(
                "exec: the field \"env\" may not set {name}, which makes programs load other code"
            )));
        }
        if self.groups.is_none() && wants_limits(exec) {
            let text =
                "exec: the field \"limits\" is not supported: this server has no cgroup to make one in";
            let why = &self.settings.no_groups;
            let colon = if why.is_empty() { "" } else { ": " };
            return Err(NotStarted::ours(format!("{text}{colon}{why}")));
        }
        Ok(())
    }

    fn nofile(&self) -> Option<Limit> {
        let Rlimit { current: soft, maximum: hard } = self.settings.nofile?;
        Some(Limit { resource: Resource::Nofile, soft, hard })
    }

    fn new_id(&mut self) -> ExecId {
        loop {
            let id = ExecId::new(&format!("exec-{}", self.serial));
            match id {
                Some(id) if self.session_of(&id).is_none() => return id,
                _ => self.serial += 1,
            }
        }
    }

    fn ends(&self, exec: &Exec, passed: Vec<OwnedFd>) -> Result<Ends, NotStarted> {
        let words = |errno| NotStarted::ours(format!("make a pipe: {}", describe(errno)));
        if exec.output == Output::Descriptors {
            let theirs = <[OwnedFd; 3]>::try_from(passed).map_err(|passed| {
                NotStarted::ours(format!(
                    "exec: \"output\": \"fds\" needs 3 descriptors beside the request, not {}",
                    passed.len()
                ))
            })?;
            let outlets = [Outlet::new(None), Outlet::new(None)];
            return Ok(Ends { theirs: theirs.map(Some), stdin: None, outlets, terminal: None });
        }
        if let Some(pty) = &exec.pty {
            let words = |errno| NotStarted::ours(format!("open a terminal: {}", describe(errno)));
            let Terminal { theirs, ours } = Terminal::open(pty).map_err(words)?;
            let outlets = [Outlet::new(None), Outlet::new(None)];
            let mut ends = Ends { theirs: theirs.map(Some), stdin: None, outlets, terminal: None };
            ends.take_terminal(ours, &exec.stdin);
            return Ok(ends);
        }
        let (reading, stdin) = match exec.stdin {
            Stdin::Empty => (self.nothing().map_err(words)?, None),
            Stdin::Bytes(_) | Stdin::Open => {
                let (reading, writing) = pipe_with(PipeFlags::CLOEXEC).map_err(words)?;
                ioctl_fionbio(&writing, true).map_err(words)?;
                (Some(reading), Some(writing))
            }
        };
        let output = || match exec.output {
            Output::Nowhere => self.nothing().map(|null| (None, null)),
            _ => {
                let (reading, writing) = pipe_with(PipeFlags::CLOEXEC)?;
                ioctl_fionbio(&reading, true)?;
                Ok((Some(reading), Some(writing)))
            }
        };
        let ((from_out, out), (from_err, err)) = (output().map_err(words)?, output().map_err(words)?);
        let outlets = [Outlet::new(from_out), Outlet::new(from_err)];
        Ok(Ends { theirs: [reading, out, err], stdin, outlets, terminal: None })
    }

    /// What gives an end of file: the null device (`None`), or where there is none a pipe that nobody writes to.
    fn nothing(&self) -> sys::Result<Option<OwnedFd>> {
        match &self.null {
            Some(_) => Ok(None),
            None => pipe_with(PipeFlags::CLOEXEC).map(|(reading, _)| Some(reading)),
        }
    }

    /// Begins to follow a session's process and streams.
    fn watch(&mut self, found: Key) {
        let Some(session) = self.sessions.get_mut(found) else { return };
        if let Some(pidfd) = &session.pidfd {
            // Out of memory: its end is then seen when its streams end, or its time is up.
            let _ = self.poll.add(pidfd, Source::Process(found), EventFlags::IN);
        }
        let _ = session.inlet.write(&self.poll, Source::Stdin(found));
        self.schedule(found);
    }

    /// A command has read something.
    pub(crate) fn input_is_ready(&mut self, found: Key) {
        let Some(session) = self.sessions.get_mut(found) else { return };
        let wrote = session.inlet.write(&self.poll, Source::Stdin(found));
        if wrote == Wrote::Part {
            return;
        }
        let id = session.id.clone();
        for key in core::mem::take(&mut session.inlet.owed) {
            self.say(key, |out| match wrote {
                Wrote::Gone => answer::error(out, Some(&id), "stdin: the command has closed it", Some(125)),
                _ => answer::ok(out, Some(&id)),
            });
        }
    }

    /// `stdin`: answered when the command has taken it, so that a client that waits for the answer never
    /// sends more than the command reads.
    pub(crate) fn feed(&mut self, key: Key, id: &ExecId, bytes: &[u8]) {
        let Some(found) = self.find(key, id) else { return };
        let Some(session) = self.sessions.get_mut(found) else { return };
        let error = if !session.inlet.is_open() {
            Some("stdin: it is not open")
        } else if session.inlet.put(bytes) {
            None
        } else {
            Some("stdin: more than 1048576 bytes wait for the command to read them")
        };
        if let Some(error) = error {
            return self.say(key, |out| answer::error(out, Some(id), error, Some(125)));
        }
        session.inlet.owed.push(key);
        self.input_is_ready(found);
    }

    pub(crate) fn close_input(&mut self, key: Key, id: &ExecId) {
        let Some(found) = self.find(key, id) else { return };
        if let Some(session) = self.sessions.get_mut(found) {
            if session.terminal.is_some() {
                // A terminal has no end of file but the one that is typed.
                let _ = session.inlet.put(&[END_OF_INPUT]);
            }
            session.inlet.end();
        }
        self.input_is_ready(found);
        self.say(key, |out| answer::ok(out, Some(id)));
    }
}

fn label(exec: &Exec) -> Label {
    const MOST: usize = 1024;
    let mut cmd: String = exec.cmd.to_string_lossy().into_owned();
    for argument in exec.args.iter() {
        if cmd.len() > MOST {
            break;
        }
        cmd.push(' ');
        cmd.push_str(&argument.to_string_lossy());
    }
    if cmd.len() > MOST {
        cmd = cmd.chars().take(MOST).collect();
    }
    Label {
        cmd,
        tag: exec.tag.clone(),
        user: exec.user.as_ref().map_or_else(|| "".to_owned(), |user| user.user.clone()),
        started_at: sys::clock::seconds_since_1970(),
    }
}
