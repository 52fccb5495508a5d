//! The terminal, given by script(1).

use crate::bed::{program, run};
use std::process::Command;

/// What a command line prints whose terminal is a new one.
fn on_a_terminal(line: &str) -> String {
    run(Command::new("script").args(["-qec", line, "/dev/null"])).out.replace('\r', "")
}

/// Only minit itself has an api.
fn options(name: &str) -> &'static str {
    if name == "minit" { "--no-api" } else { "" }
}

#[test]
fn the_command_holds_the_terminal_of_a_session_that_was_ours() {
    let program = program();
    for name in ["minit", "dumb-init"] {
        let options = options(name);
        let line = format!(
            "exec -a {name} {program} {options} bash -c 'ps -o stat= -p $$; tty >/dev/null && echo tty'"
        );
        let out = on_a_terminal(&format!("exec bash -c \"{}\"", line.replace('$', "\\$")));
        let stat = out.lines().next().unwrap_or_default();
        assert!(stat.contains('s') && stat.contains('+') && out.contains("tty"), "{name}: {out}");
    }
}

#[test]
fn the_command_is_in_the_foreground_where_we_were() {
    let program = program();
    for name in ["minit", "tini", "catatonit"] {
        let options = options(name);
        let script = format!("(exec -a {name} {program} {options} bash -c \"ps -o stat= -p \\$\\$\"); true");
        let out = on_a_terminal(&format!("bash -c '{script}'"));
        let stat = out.lines().rfind(|line| !line.contains("tini")).unwrap_or_default();
        assert!(stat.contains('+'), "{name}: {out}");
    }
}

#[test]
fn from_the_background_the_terminal_is_not_taken() {
    let program = program();
    for name in ["minit", "tini"] {
        let options = options(name);
        // With job control a background job is a group of its own, and not the terminal's.
        let script =
            format!("set -m; (exec -a {name} {program} {options} bash -c \"ps -o stat= -p \\$\\$\") & wait");
        let out = on_a_terminal(&format!("bash -c '{script}'"));
        let stat = out.lines().rfind(|line| line.starts_with(['S', 'R'])).unwrap_or_default();
        assert!(!stat.is_empty() && !stat.contains('+'), "{name}: {out}");
    }
}
