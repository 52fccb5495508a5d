//! `process`: what the plan's second half is about, from the session to the program.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use plan::{Console, Control, Execute, Limit, Step};
use sys::exec::Argument;
use sys::privilege::Capabilities;
use sys::process::{Gid, Resource};
use sys::signals::SignalSet;

use super::{Caller, Context, Groups, Keyring, Lifetime, Privilege};
use crate::Error;
use crate::spec::{CapabilityNames, Process};

const SIGKILL: i32 = 9;

/// The names of getrlimit(2).
const RESOURCES: [(&str, Resource); 16] = [
    ("RLIMIT_AS", Resource::As),
    ("RLIMIT_CORE", Resource::Core),
    ("RLIMIT_CPU", Resource::Cpu),
    ("RLIMIT_DATA", Resource::Data),
    ("RLIMIT_FSIZE", Resource::Fsize),
    ("RLIMIT_LOCKS", Resource::Locks),
    ("RLIMIT_MEMLOCK", Resource::Memlock),
    ("RLIMIT_MSGQUEUE", Resource::Msgqueue),
    ("RLIMIT_NICE", Resource::Nice),
    ("RLIMIT_NOFILE", Resource::Nofile),
    ("RLIMIT_NPROC", Resource::Nproc),
    ("RLIMIT_RSS", Resource::Rss),
    ("RLIMIT_RTPRIO", Resource::Rtprio),
    ("RLIMIT_RTTIME", Resource::Rttime),
    ("RLIMIT_SIGPENDING", Resource::Sigpending),
    ("RLIMIT_STACK", Resource::Stack),
];

/// Whether there is a resource limit of this name, as `RLIMIT_NOFILE`.
#[must_use]
pub fn is_resource(kind: &str) -> bool {
    RESOURCES.iter().any(|(name, _)| *name == kind)
}

/// The five sets of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Sets {
    bounding: Capabilities,
    effective: Capabilities,
    permitted: Capabilities,
    inheritable: Capabilities,
    ambient: Capabilities,
}

impl<'a> Context<'a, '_> {
    /// A session of its own in any case: with the caller's terminal as its controlling terminal a process
    /// could type into it (TIOCSTI, CVE-2017-5226).
    pub(super) fn session(&self, process: &Process, console: Console, steps: &mut Vec<Step<'a>>) {
        steps.push(Step::NewSession);
        if self.setting.keyring == Keyring::Own {
            steps.push(Step::NewKeyring);
        }
        if let Some(terminal) = self.setting.terminal {
            let owner = process.user.uid;
            let size = process.console_size.map(|size| (size.height, size.width));
            let replace = terminal.replace;
            let control = Control::Session;
            steps.push(Step::Terminal { devpts: c"dev/pts", replace, console, control, owner, size });
        }
    }

    pub(super) fn oom_score(&self, process: &Process, steps: &mut Vec<Step<'a>>) -> Result<(), Error> {
        let Some(score) = process.oom_score_adj else { return Ok(()) };
        if !(-1000..=1000).contains(&score) {
            return Err(Error::new("process.oomScoreAdj", format!("{score} is not in -1000 to 1000")));
        }
        let value = self.arena.text("process.oomScoreAdj", score.to_string().as_bytes())?;
        steps.push(Step::WriteProc { path: c"self/oom_score_adj", value });
        Ok(())
    }

    pub(super) fn process(&self, process: &Process, steps: &mut Vec<Step<'a>>) -> Result<(), Error> {
        let sets = process.capabilities.as_ref().map_or(Ok(Sets::default()), sets)?;
        self.limits(process, steps)?;
        if let Some(mask) = process.user.umask {
            if mask > 0o777 {
                return Err(Error::new("process.user.umask", format!("{mask:o} is more than 777")));
            }
            if mask != super::USUAL_UMASK {
                steps.push(Step::Umask(mask));
            }
        }
        if !process.cwd.starts_with('/') {
            return Err(Error::new("process.cwd", format!("{:?} is not an absolute path", process.cwd)));
        }
        steps.push(Step::CloseOthers);
        // The pivot has led there.
        if process.cwd != "/" {
            steps.push(Step::Chdir { path: self.arena.text("process.cwd", process.cwd.as_bytes())? });
        }
        let filter = self.filter()?;
        // Without no_new_privs a filter may be loaded only while the process is still privileged.
        let early = filter.filter(|_| !process.no_new_privileges);
        steps.extend(early);
        self.become_user(process, sets, steps)?;
        if process.no_new_privileges {
            steps.push(Step::NoNewPrivileges);
        }
        steps.push(Step::Signals { reset: SignalSet::EMPTY });
        if self.setting.lifetime == Lifetime::Caller {
            steps.push(Step::DieWithCaller(SIGKILL));
        }
        // As late as can be: what it forbids concerns nobody but the program.
        steps.extend(filter.filter(|_| process.no_new_privileges));
        steps.push(self.program(process)?);
        Ok(())
    }

    fn become_user(&self, process: &Process, sets: Sets, steps: &mut Vec<Step<'a>>) -> Result<(), Error> {
        let user = &process.user;
        if !sets.bounding.contains(Capabilities::ALL) {
            steps.push(Step::BoundingSet(sets.bounding));
        }
        if user.uid != 0 {
            steps.push(Step::KeepCapabilities);
        }
        for (field, id) in [("process.user.uid", user.uid), ("process.user.gid", user.gid)] {
            if id == u32::MAX {
                return Err(Error::new(field, "4294967295 is no id"));
            }
        }
        let groups: Vec<Gid> = user.additional_gids.iter().map(|gid| Gid::from_raw(*gid)).collect();
        let groups = match self.setting.privilege {
            Privilege::Rootless(Groups::Denied) if groups.is_empty() => None,
            Privilege::Rootless(Groups::Denied) => {
                let what = "cannot be set without root and without a range of group ids of your own";
                return Err(Error::new("process.user.additionalGids", what));
            }
            _ => Some(self.arena.slice(&groups)),
        };
        steps.extend(groups.map(Step::Groups));
        if (user.uid, user.gid) != (0, 0) || self.setting.privilege != Privilege::Full(Caller::Root) {
            steps.push(Step::User { uid: user.uid, gid: user.gid });
        }
        steps.push(Step::SetCapabilities {
            effective: sets.effective,
            permitted: sets.permitted,
            inheritable: sets.inheritable,
        });
        if sets.ambient != Capabilities::NONE {
            steps.push(Step::Ambient(sets.ambient));
        }
        Ok(())
    }

    fn limits(&self, process: &Process, steps: &mut Vec<Step<'a>>) -> Result<(), Error> {
        for (number, limit) in process.rlimits.iter().enumerate() {
            let field = format!("process.rlimits[{number}]");
            let known = RESOURCES.iter().find(|(name, _)| *name == limit.kind);
            let Some((_, resource)) = known else {
                return Err(Error::new(field + ".type", format!("{:?} is no resource limit", limit.kind)));
            };
            if process.rlimits[..number].iter().any(|earlier| earlier.kind == limit.kind) {
                return Err(Error::new(field, format!("{} is there twice", limit.kind)));
            }
            if limit.soft > limit.hard {
                let what = format!("soft limit {} is above hard limit {}", limit.soft, limit.hard);
                return Err(Error::new(field, what));
            }
            let bound = |value: u64| (value != u64::MAX).then_some(value);
            let (soft, hard) = (bound(limit.soft), bound(limit.hard));
            steps.push(Step::Limit(Limit { resource: *resource, soft, hard }));
        }
        Ok(())
    }

    fn program(&self, process: &Process) -> Result<Step<'a>, Error> {
        let Some(file) = process.args.first().filter(|file| !file.is_empty()) else {
            return Err(Error::new("process.args", "is empty: there is no command"));
        };
        let argv = self.vector("process.args", &process.args)?;
        let envp = self.vector("process.env", &process.env)?;
        for (number, entry) in process.env.iter().enumerate() {
            if entry.as_bytes().iter().position(|byte| *byte == b'=').is_none_or(|at| at == 0) {
                return Err(Error::new(
                    format!("process.env[{number}]"),
                    format!("{entry:?} is not NAME=value"),
                ));
            }
        }
        // The last one wins, as in a shell; without any the kernel's own default is looked in.
        let search = process.env.iter().rev().find_map(|entry| entry.as_bytes().strip_prefix(b"PATH="));
        let search = search.unwrap_or(b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        Ok(Step::Execute(Execute {
            file: self.arena.text("process.args[0]", file.as_bytes())?,
            search: self.arena.text("process.env", search)?,
            argv,
            envp,
        }))
    }

    fn vector(&self, field: &str, texts: &[OsString]) -> Result<&'a [Argument<'a>], Error> {
        let mut vector = Vec::with_capacity(texts.len() + 1);
        for (number, text) in texts.iter().enumerate() {
            let text = self.arena.text(field, text.as_bytes());
            let text = text.map_err(|_| Error::new(format!("{field}[{number}]"), "has a NUL byte in it"))?;
            vector.push(Argument::new(text));
        }
        vector.push(Argument::END);
        Ok(self.arena.slice(&vector))
    }
}

fn sets(names: &CapabilityNames) -> Result<Sets, Error> {
    let read = |kind: &str, names: &[String]| {
        names.iter().enumerate().try_fold(Capabilities::NONE, |all, (number, name)| {
            Capabilities::named(name).map(|one| all.with(one)).ok_or_else(|| {
                let field = format!("process.capabilities.{kind}[{number}]");
                Error::new(field, format!("{name:?} is no capability"))
            })
        })
    };
    let sets = Sets {
        bounding: read("bounding", &names.bounding)?,
        effective: read("effective", &names.effective)?,
        permitted: read("permitted", &names.permitted)?,
        inheritable: read("inheritable", &names.inheritable)?,
        ambient: read("ambient", &names.ambient)?,
    };
    // What capset(2) and prctl(2) would refuse, with a better name.
    let beyond = |kind: &str, set: Capabilities, limit: Capabilities, of: &str| match set
        .without(limit)
        .names()
        .next()
    {
        Some(name) => {
            Err(Error::new(format!("process.capabilities.{kind}"), format!("{name} is not in {of}")))
        }
        None => Ok(()),
    };
    beyond("effective", sets.effective, sets.permitted, "permitted")?;
    beyond("ambient", sets.ambient, sets.permitted, "permitted")?;
    beyond("ambient", sets.ambient, sets.inheritable, "inheritable")?;
    Ok(sets)
}
