//! Each request, and what is done for it.

use alloc::format;

use sys::strerror::describe;
use wire::{ExecId, Output, Quoted, Request, Resize, Target, answer};

use crate::connection::Framing;
use crate::key::Key;
use crate::machine::{Done, Frozen, Machine};
use crate::server::Server;
use crate::timers::now;
use crate::watcher::{Wants, Watcher};

/// What this server can do beyond the base protocol, as `pong` tells.
pub const FEATURES: &[&str] = &[
    "events",
    "pty",
    "attach",
    "wait",
    "list",
    "stdin",
    "chunks",
    "fds",
    "frames",
    "tree",
    "detach",
    "stats",
    "subscribe",
    "limits",
    "freeze",
];

impl Server {
    /// Does what a client asks for.
    pub(crate) fn answer(&mut self, key: Key, request: Request, machine: &mut dyn Machine) {
        let is_base = match &request {
            Request::Ping | Request::ListProcesses => true,
            Request::Kill(kill) => matches!(kill.target, Target::Pid(_)),
            Request::Exec(exec) => !exec.extended,
            _ => false,
        };
        if !is_base {
            self.extend(key);
        }
        match request {
            Request::Ping => {
                let ours = (sys::process::getpid(), self.started);
                let (pid, started) = self.settings.speaks_for.unwrap_or(ours);
                let uptime = now().saturating_sub(started) / 1_000_000_000;
                let version = core::mem::take(&mut self.settings.version);
                let pid = u64::from(pid.as_raw_pid().unsigned_abs());
                self.say(key, |out| answer::pong(out, &version, uptime, pid, FEATURES));
                self.settings.version = version;
            }
            Request::ListProcesses => match crate::processes::list() {
                Ok(mut processes) => {
                    processes.retain(|process| machine.has(process.pid));
                    self.say(key, |out| answer::processes(out, &processes));
                }
                Err(why) => self.done(key, Err(why)),
            },
            Request::Kill(kill) => {
                let result = match kill.target {
                    Target::Pid(pid) if !machine.has(pid) => {
                        Err(format!("kill {pid}: {}", describe(sys::Errno::SRCH)))
                    }
                    _ => self.kill(&kill),
                };
                self.say(key, |out| answer::kill_result(out, result.as_ref().err().map(|why| why.as_str())));
            }
            Request::Exec(exec) => return self.exec_in_turn(key, exec, machine),
            Request::Attach(attach) => return self.attach(key, &attach),
            Request::Detach(id) => self.detach(key, &id),
            Request::Stdin { id, bytes } => self.feed(key, &id, &bytes),
            Request::StdinClose(id) => self.close_input(key, &id),
            Request::Wait(wait) => self.wait(key, wait),
            Request::Ack(ids) => self.acknowledge(key, &ids),
            Request::List(filter) => self.list(key, &filter),
            Request::Stats => self.stats(key, machine),
            Request::Events => self.subscribe(key),
            Request::Resize(resize) => self.resize(key, &resize),
            Request::Freeze(Some(id)) => self.freeze(key, &id, Frozen::Yes),
            Request::Thaw(Some(id)) => self.freeze(key, &id, Frozen::No),
            Request::Freeze(None) => self.done(key, machine.freeze(Frozen::Yes)),
            Request::Thaw(None) => self.done(key, machine.freeze(Frozen::No)),
            Request::SignalMain(signal) => self.done(key, machine.signal_main(signal)),
            Request::Shutdown(how) => self.done(key, machine.shutdown(how)),
            Request::Resume(news) => self.done(key, machine.resume(&news)),
            Request::Hello { frames } => {
                self.say(key, |out| answer::ok(out, None));
                if frames && let Some(connection) = self.connections.get_mut(key) {
                    connection.framing = Framing::Frames;
                }
            }
        }
        self.answered(key);
    }

    /// Whole seconds since the server started.
    pub(crate) fn uptime_secs(&self) -> u64 {
        (now() - self.started) / 1_000_000_000
    }

    fn done(&mut self, key: Key, done: Done) {
        match done {
            Ok(()) => self.say(key, |out| answer::ok(out, None)),
            Err(why) => self.say(key, |out| answer::error(out, None, &why, Some(125))),
        }
    }

    /// An exec by its key; the client is told where there is none.
    pub(crate) fn find(&mut self, key: Key, id: &ExecId) -> Option<Key> {
        let found = self.session_of(id);
        if found.is_none() {
            let text = format!("no exec has the id {}", Quoted(id.as_str()));
            self.say(key, |out| answer::error(out, Some(id), &text, Some(125)));
        }
        found
    }

    fn attach(&mut self, key: Key, attach: &wire::Attach) {
        let Some(found) = self.find(key, &attach.id) else { return };
        let from = [("from_stdout", attach.from_stdout), ("from_stderr", attach.from_stderr)];
        for (number, (field, from)) in from.into_iter().enumerate() {
            let end = self.sessions.get(found).map_or(0, |session| session.outlets[number].ring.end());
            if let Some(from) = from.filter(|from| *from > end) {
                let text =
                    format!("attach: the field \"{field}\" is {from}, and the stream has {end} bytes so far");
                self.say(key, |out| answer::error(out, Some(&attach.id), &text, Some(125)));
                return;
            }
        }
        let mut watcher = self.watcher(key, attach.output, Wants::Events);
        watcher.follows = attach.follow;
        self.follow(found, watcher, [attach.from_stdout, attach.from_stderr]);
    }

    /// A watcher for a client's next exec.
    pub(crate) fn watcher(&mut self, key: Key, output: Output, wants: Wants) -> Watcher {
        let mut number = 0;
        if let Some(connection) = self.connections.get_mut(key) {
            connection.execs += 1;
            number = connection.execs;
        }
        Watcher::new(key, output, wants, number)
    }

    /// Lets a watcher follow a session, from these offsets or the oldest bytes that are kept.
    pub(crate) fn follow(&mut self, found: Key, mut watcher: Watcher, from: [Option<u64>; 2]) {
        let key = watcher.connection;
        let (Some(session), Some(connection)) = (self.sessions.get_mut(found), self.connections.get_mut(key))
        else {
            return;
        };
        for (number, outlet) in session.outlets.iter().enumerate() {
            watcher.at[number] = from[number].unwrap_or(outlet.ring.start()).min(outlet.ring.end());
        }
        if watcher.wants == Wants::Events {
            let (id, pid) = (&session.id, session.number());
            let number = (connection.framing == Framing::Frames).then_some(watcher.number);
            connection.message(|out| answer::started(out, id, pid, number));
        }
        connection.watching.push(found);
        session.watchers.push(watcher);
        self.advance(found);
    }

    fn detach(&mut self, key: Key, id: &ExecId) {
        let Some(found) = self.find(key, id) else { return };
        if let Some(session) = self.sessions.get_mut(found) {
            session.watchers.retain(|watcher| watcher.connection != key);
        }
        if let Some(connection) = self.connections.get_mut(key) {
            connection.watching.retain(|watched| *watched != found);
        }
        self.say(key, |out| answer::ok(out, Some(id)));
        self.advance(found);
    }

    fn freeze(&mut self, key: Key, id: &ExecId, to: Frozen) {
        let Some(found) = self.find(key, id) else { return };
        let group = self.sessions.get(found).and_then(|session| session.group.as_ref());
        let done = match group {
            Some(group) => crate::group::freeze(group, to),
            None => Err(format!("freeze, thaw: exec {} has no cgroup of its own", Quoted(id.as_str()))),
        };
        self.say(key, |out| match &done {
            Ok(()) => answer::ok(out, Some(id)),
            Err(why) => answer::error(out, Some(id), why, Some(125)),
        });
    }

    fn resize(&mut self, key: Key, resize: &Resize) {
        let id = &resize.id;
        let Some(found) = self.find(key, id) else { return };
        let terminal = self.sessions.get(found).and_then(|session| session.terminal.as_ref());
        let done = match terminal {
            Some(terminal) => crate::terminal::resize(terminal, resize)
                .map_err(|errno| format!("resize: {}", describe(errno))),
            None => Err(format!("resize: exec {} has no terminal", Quoted(id.as_str()))),
        };
        self.say(key, |out| match &done {
            Ok(()) => answer::ok(out, Some(id)),
            Err(why) => answer::error(out, Some(id), why, Some(125)),
        });
    }
}
