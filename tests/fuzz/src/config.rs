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
    let is_member = |name: &str| document.get(name).is_some_and(|value| *value != Reference::Null);
    assert!(is_member("user") || settings.identity.user.is_none());
    assert!(is_member("no-new-privs") || !settings.identity.no_new_privileges);
    assert!(is_member("env") || settings.changes.set.iter().all(Option::is_none));
}
