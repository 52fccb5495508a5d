//! minit, the first process of a container or a small machine: it starts one command, passes signals on to it,
//! reaps what falls to it, and ends with it.
//!
//! It has two roles, in two processes of one image:
//!
//! - the **first process** ([`first`]): everything that can fail does so before the command is started. After that
//!   nothing is parsed, nothing allocated, and no error ends it: [`first::decide::decide`] is the whole of what it does.
//! - the **api** ([`api`]), a child of it: serves clients, with a heap, and may die; then it is started again.
#![no_std]
#[cfg(feature = "api")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod accounts;
#[cfg(feature = "api")]
pub mod api;
pub mod begin;
pub mod boot;
pub mod catatonit;
#[cfg(feature = "api")]
pub mod config;
pub mod dumb_init;
pub mod environment;
#[cfg(feature = "api")]
pub mod errand;
pub mod failure;
pub mod first;
pub mod help;
pub mod kept;
pub mod lines;
pub mod message;
pub mod notes;
pub mod options;
pub mod score;
pub mod settings;
pub mod shown;
pub mod steps;
pub mod tini;
pub mod values;
#[cfg(feature = "api")]
pub mod verbs;
pub mod words;

use core::ffi::CStr;

use sys::exec::Argument;
use sys::fd::OwnedFd;
#[cfg(feature = "api")]
use sys::fd::{AsFd, BorrowedFd};
use sys::machine::Ending;
use sys::reap::End;
use sys::start::{Alone, Inherited, Invocation};

use boot::Standing;
use boot::end::Last;
use environment::Environment;
#[cfg(feature = "api")]
use first::api::Api;
use first::decide::OnExit;
use message::Part::Text;
use message::{Part, ours};
use settings::{Answered, Dialect, Settings};

pub use first::survive::survive;

/// Exit code of what is wrong with ourselves.
const OURS: u8 = 125;

/// What only a program has, as opposed to a test of it.
#[derive(Debug)]
#[cfg_attr(not(feature = "api"), allow(dead_code))] // its roles with a heap use it
pub struct Ground {
    /// That it has one thread.
    alone: Alone,
    /// A listening socket that was inherited.
    listening: Option<OwnedFd>,
    /// The heap, for roles that may have one.
    #[cfg(feature = "api")]
    heap: &'static sys::heap::Heap,
}

/// The program.
#[must_use]
pub fn run(
    invocation: Invocation,
    inherited: Inherited,
    #[cfg(feature = "api")] heap: &'static sys::heap::Heap,
) -> u8 {
    let ground = Ground {
        alone: inherited.alone(),
        listening: None,
        #[cfg(feature = "api")]
        heap,
    };
    #[cfg(feature = "api")]
    if let Some(verb) = verbs::asked(&invocation) {
        sys::start::fill_standard_descriptors();
        ground.heap.open(ground.alone);
        verb.run(&invocation);
    }
    let mut settings = Settings::new(name(&invocation));
    if settings.dialect != Dialect::Minit {
        return match parse(&invocation, &mut settings) {
            Ok(()) => obey(&invocation, &settings, &ground),
            Err(Answered(code)) => code,
        };
    }
    let standing = Standing::find();
    let code = prepare(&invocation, &mut settings, inherited, ground, standing);
    if standing == Standing::Machine {
        // It was not understood what is wanted. The kernel panics when its first process ends.
        boot::end::end(Last::of(&settings), Ending::PowerOff, End::Code(code));
    }
    code
}

/// Finds out what is wanted. A configuration file comes first, so that the command line can say otherwise.
fn prepare<'a>(
    invocation: &Invocation,
    settings: &mut Settings<'a>,
    inherited: Inherited,
    ground: Ground,
    standing: Standing,
) -> u8 {
    if let Err(Answered(code)) = parse(invocation, settings) {
        return code;
    }
    let mut room = [0; boot::kernel_line::ROOM];
    let config = match (settings.config, standing) {
        (Some(path), _) => Some(path),
        (None, Standing::Machine) => boot::kernel_line::config_from_kernel(&mut room),
        (None, _) => None,
    };
    match config {
        Some(path) => with_config(path, invocation, inherited, ground, standing),
        None => begin(invocation, settings, inherited, ground, standing),
    }
}

/// Apart, so that its space is used only where it is needed.
#[cfg(feature = "api")]
#[inline(never)]
fn with_config(
    path: &CStr,
    invocation: &Invocation,
    inherited: Inherited,
    ground: Ground,
    standing: Standing,
) -> u8 {
    let (mut bytes, mut places) = ([0; config::MOST_BYTES], [Argument::END; config::MOST_WORDS]);
    let mut settings = Settings::new(name(invocation));
    sys::start::fill_standard_descriptors();
    let words = config::read(&ground, path, &mut bytes);
    let words = words.and_then(|bytes| config::arguments(name(invocation), bytes, &mut places));
    let words = match words {
        Ok(words) => words,
        Err(code) => return code,
    };
    let parsed = options::parse(words, &mut settings).and_then(|()| parse(invocation, &mut settings));
    match parsed {
        Ok(()) => begin(invocation, &mut settings, inherited, ground, standing),
        Err(Answered(code)) => code,
    }
}

/// There is nobody to read it.
#[cfg(not(feature = "api"))]
fn with_config(path: &CStr, _: &Invocation, _: Inherited, _: Ground, _: Standing) -> u8 {
    refuse(Text("--config: built without a reader of such files: "), Part::Value(path.to_bytes()))
}

/// Makes the surroundings, and begins.
fn begin(
    invocation: &Invocation,
    settings: &mut Settings<'_>,
    inherited: Inherited,
    mut ground: Ground,
    standing: Standing,
) -> u8 {
    match settings.service.listen {
        Some(number) => {
            ground.listening = inherited.close_all_but(number);
            if ground.listening.is_none() {
                let number = Part::Number(number.into());
                ours(&[Text("--listen-fd "), number, Text(": it is not open")]);
                return OURS;
            }
        }
        None => inherited.close(),
    }
    settings.complete(standing);
    if settings.command.is_empty() && !settings.service.is_reachable() {
        const USAGE: &str = "no command, and no api to be asked for one: minit [OPTIONS] [--] [CMD [ARG…]]";
        return refuse(Text(USAGE), Text(" (minit --help)"));
    }
    boot::prepare(settings, standing);
    let code = obey(invocation, settings, &ground);
    match settings.policy.on_exit {
        OnExit::Machine(ending) if standing == Standing::Machine => {
            boot::end::end(Last::of(settings), ending, End::Code(code))
        }
        _ if standing == Standing::Machine => {
            boot::end::end(Last::of(settings), Ending::PowerOff, End::Code(code))
        }
        _ => settings.boot.reports.send(standing, code, End::Code(code)),
    }
    code
}

fn obey(invocation: &Invocation, settings: &Settings<'_>, ground: &Ground) -> u8 {
    sys::start::fill_standard_descriptors();
    if settings.changes.clear || settings.changes.set.iter().any(Option::is_some) {
        with_changed_environment(invocation, settings, ground)
    } else {
        with_api(settings, invocation.environment, ground)
    }
}

/// Apart, so that its space is used only where it is needed.
#[inline(never)]
fn with_changed_environment(invocation: &Invocation, settings: &Settings<'_>, ground: &Ground) -> u8 {
    match Environment::new(invocation.environment, &settings.changes) {
        Some(environment) => with_api(settings, environment.vector(), ground),
        None => refuse(Text("--env: more variables than there is room for (1023)"), Text("")),
    }
}

/// The first process, and the other role beside it where it is wanted.
#[cfg(feature = "api")]
fn with_api(settings: &Settings<'_>, environment: &[Argument<'_>], ground: &Ground) -> u8 {
    let started = sys::clock::monotonic();
    let rank = begin::rank();
    let mut name = [0; 64];
    let limited = settings.limits.iter().any(Option::is_some);
    let parcel = limited.then(|| {
        errand::run(ground, &mut name, |counter| {
            let (name, group) = api::groups::make_for_main(rank, settings.limits)?;
            let handed = counter.hand_over(name.as_str().as_bytes(), Some(group.as_fd()));
            handed.map_err(|errno| sys::strerror::describe(errno).into())
        })
    });
    let parcel = match parcel.transpose() {
        Ok(parcel) => parcel,
        Err(code) => return code,
    };
    let group = parcel.as_ref().and_then(|parcel| core::str::from_utf8(parcel.bytes).ok());
    let mut score = [0; score::ROOM];
    let score = score::spare(settings.dialect, rank, &mut score);
    let role = |link, journal: Option<BorrowedFd<'_>>| {
        ground.heap.open(ground.alone);
        let listening = ground.listening.as_ref();
        api::serve(api::Task { settings, environment, listening, link, journal, started, rank, group, score })
    };
    let api = settings.service.is_reachable().then(|| Api::new(&role, ground.alone));
    let descriptor = parcel.as_ref().and_then(|parcel| parcel.descriptor.as_ref());
    begin::supervise(settings, environment, begin::Surroundings { rank, api, group: descriptor, score })
}

/// The first process alone.
#[cfg(not(feature = "api"))]
fn with_api(settings: &Settings<'_>, environment: &[Argument<'_>], _: &Ground) -> u8 {
    if settings.limits.iter().any(Option::is_some) {
        return refuse(Text("--memory, --cpus, --pids: built without cgroups"), Text(""));
    }
    let (rank, mut score) = (begin::rank(), [0; score::ROOM]);
    let score = score::spare(settings.dialect, rank, &mut score);
    begin::supervise(settings, environment, begin::Surroundings { rank, api: None, group: None, score })
}

/// Says what is not done and why; the exit code.
fn refuse(what: Part<'_>, why: Part<'_>) -> u8 {
    ours(&[what, why]);
    OURS
}

/// What was asked of us under the name that we were called by. What is wrong with that has been said when this returns.
///
/// # Errors
/// [`Answered`] where nothing is to be started.
pub fn parse<'a>(invocation: &Invocation, settings: &mut Settings<'a>) -> Result<(), Answered> {
    match settings.dialect {
        Dialect::Minit => options::parse(invocation.arguments, settings),
        Dialect::Tini => tini::parse(invocation, settings),
        Dialect::DumbInit => dumb_init::parse(invocation, settings),
        Dialect::Catatonit => catatonit::parse(invocation, settings),
    }
}

fn name(invocation: &Invocation) -> &'static CStr {
    invocation.arguments.first().and_then(|name| name.text()).unwrap_or(c"minit")
}
