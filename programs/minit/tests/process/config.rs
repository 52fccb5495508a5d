//! The configuration file.

use std::fs;

use crate::bed::{minit, run};
use crate::client::Place;

/// Runs minit with a file of this text and these arguments.
fn with(text: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let place = Place::new();
    let path = place.socket();
    fs::write(&path, text).expect("a file");
    let outcome = run(minit(&["--config", &path]).args(arguments));
    (outcome.code, outcome.out, outcome.err.replace(&path, "FILE"))
}

#[test]
fn a_file_says_what_the_command_line_could() {
    let text = r#"{"env": {"COLOUR": "blue"}, "umask": "027", "remap": 3,
        "command": ["sh", "-c", "echo $COLOUR $(umask); exit 3"]}"#;
    assert_eq!(with(text, &[]), (Some(0), "blue 0027\n".to_owned(), String::new()));
}

#[test]
fn the_command_line_has_the_last_word() {
    let text = r#"{"umask": "027", "command": ["false"]}"#;
    let outcome = with(text, &["--umask", "077", "--", "sh", "-c", "umask"]);
    assert_eq!(outcome, (Some(0), "0077\n".to_owned(), String::new()));
}

#[test]
fn what_is_wrong_with_a_file_is_said_in_a_line_and_nothing_is_started() {
    for (text, why) in [
        ("{", "minit: --config FILE: not JSON: "),
        ("[]", "minit: --config FILE: it is an array, not an object"),
        (r#"{"colour": 1}"#, "minit: --config FILE: \"colour\" is no option\n"),
        (r#"{"colour": false}"#, "minit: --config FILE: \"colour\" is no option\n"),
        (
            r#"{"hostname": true, "no-new-privs": true}"#,
            "minit: --config FILE: \"hostname\" is a string, a number, or an array of these\n",
        ),
        (r#"{"no-new-privs": null}"#, "minit: --config FILE: \"no-new-privs\" is true or false\n"),
        (r#"{"nice": "high"}"#, "minit: --nice high: it is -20 to 19"),
        (r#"{"config": "/other"}"#, "minit: --config FILE: \"config\" is no option\n"),
    ] {
        let (code, out, err) = with(text, &["echo", "started"]);
        assert_eq!((code, &*out), (Some(125), ""), "{text}");
        assert!(err.starts_with(why) && err.lines().count() == 1, "{text}: {err}");
    }
    let outcome = run(&mut minit(&["--config", "/no/such/file", "true"]));
    let expected = "minit: --config /no/such/file: No such file or directory\n";
    assert_eq!((outcome.code, &*outcome.err), (Some(125), expected));
}
