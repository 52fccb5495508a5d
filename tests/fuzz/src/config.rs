//! The configuration file: what it stands for is what its words say, and its command is the command.

use std::ffi::CStr;

use minit::config::{MOST_BYTES, MOST_WORDS, arguments, words};
use minit::options::parse;
use minit::settings::Settings;
use serde_json::Value as Reference;
use sys::exec::Argument;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let bytes = match words(text) {
        Ok(bytes) => bytes,
        Err(why) => return assert!(!why.is_empty() && !why.contains(['\n', '\0']), "{why:?}"),
    };
    assert!(bytes.len() <= MOST_BYTES && bytes.ends_with(b"\0"));
    let mut places = [Argument::END; MOST_WORDS];
    let arguments = arguments(c"minit", &bytes, &mut places).expect("there is room for what was accepted");
    assert_eq!(arguments.len(), bytes.iter().filter(|byte| **byte == 0).count() + 2);
    let mut settings = Settings::new(c"minit");
    if parse(arguments, &mut settings).is_err() {
        return;
    }
    let command: Vec<&CStr> = settings.command.iter().map_while(|word| word.text()).collect();
    // A name that stands there twice counts twice here, and once to the reference.
    let Some(Ok(document)) = crate::reference::read(text) else { return };
    let said = document["command"].as_array().map(Vec::as_slice).unwrap_or_default();
    let said = said.iter().map(|word| word.as_str().expect("a string").as_bytes());
    if text.matches("\"command\"").count() < 2 && !text.contains('\\') {
        assert!(command.iter().map(|word| word.to_bytes()).eq(said), "{command:?}");
    }
    let ours = wire::json::Value::parse(text).ok().and_then(|value| value.members());
    if ours.is_none_or(|members| members.count() != document.as_object().map_or(0, |members| members.len())) {
        return;
    }
    let (mut default, bare) = (Settings::new(c"minit"), [Argument::new(c"minit"), Argument::END]);
    assert!(parse(&bare, &mut default).is_ok());
    for (name, show, is_told_apart) in &OPTIONS {
        let is_given = document.get(name).is_some_and(gives);
        let is_set = show(&settings) != show(&default);
        assert!(is_given || !is_set, "{name}: set, and no member");
        assert!(is_set || !is_given || !is_told_apart, "{name}: a member, and not set");
    }
}

/// Whether a member of this value gives its option at all.
fn gives(value: &Reference) -> bool {
    match value {
        Reference::Bool(is_true) => *is_true,
        Reference::Array(values) => !values.is_empty(),
        Reference::Object(members) => !members.is_empty(),
        _ => true,
    }
}

type Show = fn(&Settings<'_>) -> String;

/// Each option: what it sets, and whether that always differs from what is set without it.
const OPTIONS: [(&str, Show, bool); 36] = [
    ("on-exit", |s| format!("{:?}", s.on_exit), true),
    ("grace", |s| format!("{:?}", s.policy.grace), false),
    ("all", |_| String::new(), false),
    ("rewrite", |s| format!("{:?}", s.rewrites), false),
    ("remap", |s| format!("{:?}", s.remapped), true),
    ("same-signal", |s| format!("{:?}", s.same_signal), true),
    ("pdeath", |s| format!("{:?}", s.parent_death), true),
    ("user", |s| format!("{:?}", s.identity.user), true),
    ("group", |s| format!("{:?}", s.identity.group), true),
    ("groups", |s| format!("{:?}", s.identity.groups), true),
    ("ambient", |s| format!("{:?}", s.identity.ambient), true),
    ("bounding", |s| format!("{:?}", s.identity.bounding), true),
    ("no-new-privs", |s| format!("{:?}", s.identity.no_new_privileges), true),
    ("rlimit", |s| format!("{:?}", s.identity.limits), true),
    ("umask", |s| format!("{:?}", s.identity.umask), true),
    ("nice", |s| format!("{:?}", s.identity.nice), true),
    ("oom-score-adj", |s| format!("{:?}", s.identity.oom_score), true),
    ("env", |s| format!("{:?}", s.changes.set), true),
    ("clear-env", |s| format!("{:?}", s.changes.clear), true),
    ("chdir", |s| format!("{:?}", s.identity.directory), true),
    ("no-api", |s| format!("{:?}", s.service.is_wanted), true),
    ("socket", |s| format!("{:?}", s.service.socket), true),
    ("vsock", |s| format!("{:?}", s.service.vsock), true),
    ("dial", |s| format!("{:?}", s.service.dial), true),
    ("listen-fd", |s| format!("{:?}", s.service.listen), true),
    ("allow-uid", |s| format!("{:?}", s.service.users), true),
    ("allow-env", |s| format!("{:?}", s.service.variables), true),
    ("mount", |s| format!("{:?}", s.boot.mounts), false),
    ("hostname", |s| format!("{:?}", s.boot.hostname), true),
    ("net", |s| format!("{:?}", s.boot.network), true),
    ("modules", |s| format!("{:?}", s.boot.modules), true),
    ("report", |s| format!("{:?}", s.boot.reports), true),
    ("memory", |s| format!("{:?}", s.limits[0]), true),
    ("cpus", |s| format!("{:?}", s.limits[1]), true),
    ("pids", |s| format!("{:?}", s.limits[2]), true),
    ("on-crash", |s| format!("{:?}", s.crash), true),
];
