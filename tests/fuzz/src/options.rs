//! minit's command line, under each of its names: what is accepted stays within bounds, the command is what the
//! options left, and values mean what other readers take them for.

use std::ffi::{CStr, CString};

use minit::boot::Standing;
use minit::boot::network::Wanted;
use minit::environment::Environment;
use minit::first::decide::OnStop;
use minit::settings::{Answered, Dialect, Identity, Place, Settings};
use minit::steps::{Steps, resolve};
use minit::{parse, values};
use plan::Step;
use sys::exec::Argument;
use sys::job::Hold;
use sys::signals::SignalSet;
use sys::start::Invocation;

use crate::source::Source;

const NAMES: [&str; 4] = ["minit", "tini", "dumb-init", "catatonit"];
const VARIABLES: [&str; 6] = [
    "TINI_SUBREAPER=",
    "TINI_VERBOSITY=2",
    "TINI_KILL_PROCESS_GROUP=",
    "DUMB_INIT_SETSID=0",
    "DUMB_INIT_DEBUG=1",
    "CATATONIT_DEBUG=",
];
/// A command line is never given back to the allocator: it has to live as long as a process's does.
const LONGEST: usize = 600;

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(&bytes[..bytes.len().min(LONGEST)]);
    let (name, variables) = (NAMES[source.below(NAMES.len())], source.byte());
    let text = source.rest();
    values_agree(text);
    let words = text.split(|byte| *byte == b'\n').map(|word| word.split(|byte| *byte == 0).next());
    let words = words.map(|word| CString::new(word.unwrap_or_default()).expect("no NUL is left"));
    let name = CString::new(name).expect("no NUL");
    let arguments = vector(std::iter::once(name).chain(words.take(if text.is_empty() { 0 } else { 64 })));
    let chosen = VARIABLES.iter().enumerate().filter(|(bit, _)| variables >> bit & 1 == 1);
    let environment = vector(chosen.map(|(_, text)| CString::new(*text).expect("no NUL")));
    let mut settings = Settings::new(arguments.first().and_then(|name| name.text()).expect("a name"));
    match parse(&Invocation { arguments, environment }, &mut settings) {
        Ok(()) => {
            settings.complete(Standing::Container);
            accepted(&settings, arguments, environment);
        }
        Err(Answered(code)) => assert!([0, 1, 125].contains(&code), "code {code}"),
    }
}

/// As the kernel passes it: with an end mark, for as long as the process lives.
fn vector(words: impl Iterator<Item = CString>) -> &'static [Argument<'static>] {
    let words = words.map(|word| Argument::new(Box::leak(word.into_boxed_c_str())));
    Box::leak(words.chain([Argument::END]).collect())
}

fn accepted(settings: &Settings<'_>, arguments: &[Argument<'_>], environment: &'static [Argument<'static>]) {
    let texts = |words: &[Argument<'_>]| -> Vec<CString> {
        words.iter().map_while(|word| word.text()).map(CStr::to_owned).collect()
    };
    let (all, command) = (texts(arguments), texts(settings.command));
    assert!(all.ends_with(&command), "{command:?} of {all:?}");
    let service = &settings.service;
    // What minit may do without depends on a configuration file, and is looked at later.
    let needs_none = settings.policy.on_stop == OnStop::Leave || settings.dialect == Dialect::Minit;
    assert!(needs_none || !command.is_empty() && command.len() < all.len(), "{all:?}");
    assert!(settings.policy.grace <= 86_400_000);
    let highest = if settings.dialect == Dialect::DumbInit { 31 } else { 64 };
    for from in 1..=64 {
        let to = settings.rewrites.get(from);
        assert!(to.is_none_or(|to| (0..=highest).contains(&to)), "{from} becomes {to:?}");
    }
    assert!(settings.parent_death.is_none_or(|number| (1..=64).contains(&number)));
    bounded(&settings.identity);
    assert!(service.listen.is_none_or(|number| number > 2), "{service:?}");
    let ports = [service.vsock, service.dial.map(|(_, port)| port), service.dial.map(|(machine, _)| machine)];
    assert!(ports.iter().flatten().all(|number| (1..u32::MAX).contains(number)), "{service:?}");
    assert!(service.users.iter().flatten().all(|user| ![65_534, u32::MAX].contains(user)), "{service:?}");
    assert!(!service.is_reachable() || settings.dialect == Dialect::Minit);
    let changed = Environment::new(environment, &settings.changes).expect("there is room for these");
    same_environment(settings, environment, &changed);
    // Names need files; numbers and all else do not.
    let identity = Identity { user: None, group: None, groups: None, ..settings.identity };
    let ids = resolve(&identity).expect("no name is looked up");
    let steps = Steps::new(settings, &ids, Hold::Leader, SignalSet::EMPTY, changed.vector(), None);
    let steps = steps.plan().steps;
    let executes =
        matches!(steps.last(), Some(Step::Execute(program)) if program.argv.len() == command.len() + 1);
    assert!(executes || command.is_empty(), "{steps:?}");
    let limits = steps.iter().filter(|step| matches!(step, Step::Limit(_))).count();
    assert_eq!(limits, settings.identity.limits.iter().flatten().count());
    let leads = steps.iter().any(|step| matches!(step, Step::NewSession));
    assert_eq!(leads, matches!(settings.place, Place::Session | Place::SessionOrGroup));
}

fn bounded(identity: &Identity<'_>) {
    assert!(identity.umask.is_none_or(|mask| mask <= 0o777));
    assert!(identity.nice.is_none_or(|nice| (-20..=19).contains(&nice)));
    let score = identity.oom_score.map(|score| score.to_str().expect("digits").parse::<i32>());
    assert!(score.is_none_or(|score| score.is_ok_and(|score| (-1000..=1000).contains(&score))));
    let limits: Vec<_> = identity.limits.iter().flatten().collect();
    for (index, limit) in limits.iter().enumerate() {
        assert!(limit.hard.is_none_or(|hard| limit.soft.is_some_and(|soft| soft <= hard)), "{limit:?}");
        assert!(limits[..index].iter().all(|other| other.resource != limit.resource), "{limit:?} twice");
    }
}

/// The environment as a model makes it: ours unless cleared, then each change in its order.
fn same_environment(settings: &Settings<'_>, ours: &[Argument<'_>], made: &Environment<'_>) {
    fn name(entry: &CStr) -> Option<&[u8]> {
        entry.to_bytes().split(|byte| *byte == b'=').next()
    }
    let kept = if settings.changes.clear { &[] } else { ours };
    let mut model: Vec<&CStr> = Vec::new();
    for entry in
        kept.iter().filter_map(|entry| entry.text()).chain(settings.changes.set.iter().flatten().copied())
    {
        match model.iter().position(|known| name(known) == name(entry)) {
            Some(index) => model[index] = entry,
            None => model.push(entry),
        }
    }
    let made: Vec<&CStr> = made.vector().iter().map_while(|entry| entry.text()).collect();
    assert_eq!(made, model);
}

/// Values of options, compared with what the standard library and the protocol's reader take them for.
fn values_agree(text: &[u8]) {
    let words = std::str::from_utf8(text).ok();
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let parsed = |word: &str| digits.then(|| word.parse::<u64>().ok()).flatten();
    assert_eq!(values::number(text), words.and_then(parsed));
    if let Some(signed) = values::signed(text) {
        assert_eq!(words.and_then(|word| word.parse().ok()), Some(signed));
    }
    if let Some(mask) = values::mask(text) {
        assert_eq!(words.and_then(|word| u32::from_str_radix(word, 8).ok()), Some(mask));
    }
    // The protocol has three names more, and takes nothing longer.
    const ONLY_THERE: [&str; 3] = ["POLL", "CLD", "IOT"];
    if let Some(word) = words.filter(|word| word.len() <= 16) {
        let upper = word.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let theirs = wire::SignalNumber::parse(word).filter(|_| !ONLY_THERE.contains(&name));
        assert_eq!(values::signal(text), theirs.map(wire::SignalNumber::get), "{word:?}");
    }
    if let Ok(limit) = values::limit(text) {
        assert!(limit.hard.is_none_or(|hard| limit.soft.is_some_and(|soft| soft <= hard)));
    }
    if let Some(Wanted::Card(network, gateway)) = Wanted::named(text) {
        let most = if network.address.is_ipv4() { 32 } else { 128 };
        assert!(network.prefix <= most, "{network:?}");
        assert!(gateway.is_none_or(|gateway| gateway.is_ipv4() == network.address.is_ipv4()));
    }
    assert!(values::milliseconds(text).is_none_or(|time| time <= 86_400_000));
    if let Some(set) = values::capabilities(text) {
        assert!(set.0 < 1 << 41 || text == b"all", "{set:?}");
    }
}
