//! The plan of the main command, in fixed space.

use core::ffi::CStr;

use plan::{Execute, Plan, Step};
use sys::exec::Argument;
use sys::job::Hold;
use sys::privilege::Capabilities;
use sys::process::Gid;
use sys::signals::SignalSet;

use crate::accounts;
use crate::message::Part::{Text, Value};
use crate::message::ours;
use crate::settings::{Answered, Dialect, Identity, Place, Settings};

/// How many supplementary groups there can be.
const MOST_GROUPS: usize = 64;
/// Room for every step that settings can come to: 16 limits and 16 others.
const MOST_STEPS: usize = 36;

/// Where programs are looked for when no PATH says so.
const SEARCH: &CStr = c"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Who the main command runs as, in numbers.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    uid: Option<u32>,
    gid: Option<u32>,
    groups: [Gid; MOST_GROUPS],
    count: Option<usize>,
}

/// Looks up the names.
///
/// # Errors
/// [`Answered`] where there is no such name.
pub fn resolve(identity: &Identity<'_>) -> Result<Ids, Answered> {
    let mut ids = Ids { uid: None, gid: None, groups: [Gid::ROOT; MOST_GROUPS], count: None };
    let user = identity.user.map(CStr::to_bytes).unwrap_or_default();
    let mut parts = user.splitn(2, |byte| *byte == b':');
    let (name, group) = (parts.next().unwrap_or_default(), parts.next());
    // What was said with the user has another option beside it, which says it more clearly.
    let group = identity.group.map(CStr::to_bytes).or(group);
    if !name.is_empty() {
        let user = accounts::user(name).map_err(|errno| refuse("--user ", name, reason(errno)))?;
        if user.gid.is_none() && group.is_none() {
            return Err(refuse("--user ", name, "not in /etc/passwd: give its group too, as USER:GROUP"));
        }
        (ids.uid, ids.gid, ids.count) = (Some(user.uid), user.gid, Some(0));
    }
    if let Some(name) = group {
        let (option, shown) = if identity.group.is_some() { ("--group ", name) } else { ("--user ", user) };
        let group = accounts::group(name).map_err(|errno| refuse(option, shown, reason(errno)))?;
        ids.gid = Some(group);
    }
    if let Some(list) = identity.groups {
        let names = list.to_bytes().split(|byte| *byte == b',').filter(|name| !name.is_empty());
        let mut count = 0;
        for name in names {
            let group = accounts::group(name).map_err(|errno| refuse("--groups ", name, reason(errno)))?;
            let place =
                ids.groups.get_mut(count).ok_or_else(|| refuse("--groups ", name, "64 are the most"))?;
            *place = Gid::from_raw(group);
            count += 1;
        }
        ids.count = Some(count);
    }
    Ok(ids)
}

fn refuse(option: &str, name: &[u8], why: &str) -> Answered {
    ours(&[Text(option), Value(name), Text(": "), Text(why)]);
    Answered(125)
}

fn reason(errno: sys::Errno) -> &'static str {
    if errno == sys::Errno::NOENT { "no such name" } else { sys::strerror::describe(errno) }
}

/// The steps.
#[derive(Debug)]
pub struct Steps<'a> {
    list: [Step<'a>; MOST_STEPS],
    length: usize,
}

impl<'a> Steps<'a> {
    /// What `settings` come to.
    #[must_use]
    pub fn new(
        settings: &Settings<'a>,
        ids: &'a Ids,
        hold: Hold,
        mask: SignalSet,
        envp: &'a [Argument<'a>],
        score: Option<&'a CStr>,
    ) -> Self {
        let mut steps = Self { list: [Step::NoNewPrivileges; MOST_STEPS], length: 0 };
        steps.add_place(settings.place, hold);
        steps.add_identity(&settings.identity, ids, score);
        if let Some(path) = settings.identity.directory {
            steps.add(Step::Chdir { path });
        }
        match settings.dialect {
            // What whoever started us held back or ignored is no business of a container.
            Dialect::Minit => steps.add(Step::Signals { reset: SignalSet::ALL }),
            // These pass it on.
            Dialect::Tini | Dialect::Catatonit => steps.add(Step::SignalMask(mask)),
            Dialect::DumbInit => steps.add(Step::Signals { reset: SignalSet::ALL }),
        }
        if let Some(file) = settings.command.first().and_then(|first| first.text()) {
            let search = search(envp);
            steps.add(Step::Execute(Execute { file, search, argv: settings.command, envp }));
        }
        steps
    }

    /// As a plan.
    #[must_use]
    pub fn plan(&self) -> Plan<'_> {
        Plan { steps: self.list.get(..self.length).unwrap_or_default() }
    }

    fn add(&mut self, step: Step<'a>) {
        if let Some(place) = self.list.get_mut(self.length) {
            *place = step;
            self.length += 1;
        }
    }

    fn add_place(&mut self, place: Place, hold: Hold) {
        match (place, hold) {
            (Place::Same, _) => {}
            (Place::Group | Place::SessionOrGroup, Hold::Nothing) => self.add(Step::NewGroup),
            (Place::Group, _) | (Place::SessionOrGroup, Hold::Foreground) => {
                self.add(Step::NewGroup);
                self.add(Step::Foreground);
            }
            (Place::Session, _) | (Place::SessionOrGroup, Hold::Leader) => {
                self.add(Step::NewSession);
                self.add(Step::TakeTerminal);
            }
        }
    }

    /// The order is the only one that works: each right is used before it is given up.
    fn add_identity(&mut self, identity: &Identity<'a>, ids: &'a Ids, score: Option<&'a CStr>) {
        if let Some(value) = identity.oom_score.or(score) {
            self.add(Step::WriteProc { path: c"self/oom_score_adj", value });
        }
        identity.limits.iter().flatten().for_each(|limit| self.add(Step::Limit(*limit)));
        if let Some(nice) = identity.nice {
            self.add(Step::Nice(nice));
        }
        if let Some(mask) = identity.umask {
            self.add(Step::Umask(mask));
        }
        if let Some(keep) = identity.bounding {
            self.add(Step::BoundingSet(keep));
        }
        if identity.ambient.is_some() && ids.uid.is_some() {
            self.add(Step::KeepCapabilities);
        }
        if let Some(count) = ids.count {
            self.add(Step::Groups(ids.groups.get(..count).unwrap_or_default()));
        }
        if ids.uid.is_some() || ids.gid.is_some() {
            let uid = ids.uid.unwrap_or_else(|| sys::process::geteuid().as_raw());
            let gid = ids.gid.unwrap_or_else(|| sys::process::getegid().as_raw());
            self.add(Step::User { uid, gid });
        }
        if let Some(ambient) = identity.ambient {
            let held = held(ids.uid.is_some(), ambient);
            self.add(Step::SetCapabilities { effective: held, permitted: held, inheritable: ambient });
            self.add(Step::Ambient(ambient));
        }
        if identity.no_new_privileges {
            self.add(Step::NoNewPrivileges);
        }
    }
}

/// What is held besides the ambient capabilities: nothing after a change of user, else what there is.
fn held(changed: bool, ambient: Capabilities) -> Capabilities {
    match sys::thread::capabilities(None) {
        Ok(sets) if !changed => ambient.with(Capabilities(sets.permitted.bits())),
        _ => ambient,
    }
}

fn search<'a>(envp: &'a [Argument<'a>]) -> &'a CStr {
    let path = envp.iter().map_while(|entry| entry.text()).find_map(|entry| {
        let rest = entry.to_bytes_with_nul().strip_prefix(b"PATH=")?;
        CStr::from_bytes_with_nul(rest).ok()
    });
    path.unwrap_or(SEARCH)
}
