//! Completion scripts, run by the shells that they are for.

use std::process::Command;

use cli::{Scratch, copy, run};

/// A directory with husk in it, and a husk that knows names, for who calls it.
fn ground() -> Scratch {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.join("bin")).unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let text = run(Command::new(cli::program("husk")).args(["completion", shell])).good();
        std::fs::write(scratch.join(shell), text + "\n").unwrap();
    }
    let script = "#!/bin/sh\ncase \"$*\" in\n*instances*) printf 'web\\nworker\\ndb\\n';;\n\
                  *images*) printf 'debian:12\\ndebian:13\\nalpine\\n';;\nesac\n";
    std::fs::write(scratch.join("husk"), script).unwrap();
    // As a program it may be executed: by a copy that another process has made.
    copy(&scratch.join("husk"), &scratch.join("bin/husk"));
    Command::new("chmod").arg("755").arg(scratch.join("bin/husk")).status().unwrap();
    scratch
}

fn path(scratch: &Scratch) -> String {
    format!("{}:/usr/bin:/bin", scratch.join("bin").display())
}

/// What bash offers at the end of a line.
fn bash(scratch: &Scratch, line: &str) -> Vec<String> {
    let script = "source \"$1\"; COMP_LINE=$2 COMP_POINT=${#2}; _husk; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut command = Command::new("bash");
    command
        .args(["--norc", "-c", script, "bash"])
        .arg(scratch.join("bash"))
        .arg(line)
        .env("PATH", path(scratch));
    run(&mut command).good().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_verbs_options_values_and_names() {
    let scratch = ground();
    for (line, expected) in [
        ("husk re", &["restart", "resume", "rename"][..]),
        ("husk stop w", &["web", "worker"]),
        ("husk stop web ", &["web", "worker", "db"]),
        ("husk new x a", &["alpine"]),
        ("husk new -m 1g x a", &["alpine"]),
        // Bash has replaced nothing before the colon.
        ("husk new x debian:", &["12", "13"]),
        ("husk new --net ", &["host", "none", "private"]),
        ("husk new --cop", &["--copy"]),
        ("husk exec -it w", &["web", "worker"]),
        ("husk ls --format j", &["json"]),
        ("husk --socket /x sto", &["stop"]),
        ("husk completion z", &["zsh"]),
        ("husk set db --unset me", &["memory"]),
        ("husk help seed", &["seed"]),
        ("husk rename db ", &[]),
    ] {
        assert_eq!(bash(&scratch, line), expected, "{line}");
    }
    assert!(bash(&scratch, "husk exec web true").contains(&"true".to_owned()), "commands after the name");
    assert!(bash(&scratch, "husk import /etc/pass").contains(&"/etc/passwd".to_owned()));
    assert!(bash(&scratch, "husk run /et").contains(&"/etc".to_owned()));
}

#[test]
fn every_verb_is_completed_by_every_shell() {
    let scratch = ground();
    let help = run(Command::new(cli::program("husk")).arg("help")).good();
    let verbs: Vec<&str> =
        help.lines().skip(6).filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    assert!(verbs.len() > 25, "{verbs:?}");
    let offered = bash(&scratch, "husk ");
    for shell in ["zsh", "fish"] {
        let text = std::fs::read_to_string(scratch.join(shell)).unwrap();
        for verb in &verbs {
            assert!(offered.iter().any(|word| word == verb), "bash: {verb}");
            assert!(text.contains(verb), "{shell}: {verb}");
        }
    }
}

#[test]
fn scripts_are_what_their_shells_understand() {
    let scratch = ground();
    for shell in ["bash", "zsh", "fish"] {
        let mut check = Command::new(shell);
        check.arg("-n").arg(scratch.join(shell));
        assert_eq!(run(&mut check).good(), "", "{shell}");
    }
}

#[test]
fn fish_completes_names() {
    let scratch = ground();
    let offered = |line: &str| {
        let mut command = Command::new("fish");
        let script = format!("source {}; complete -C '{line}'", scratch.join("fish").display());
        command.args(["--no-config", "-c", &script]).env("PATH", path(&scratch)).env("HOME", scratch.path());
        run(&mut command).good()
    };
    assert_eq!(offered("husk stop "), "db\nweb\nworker");
    assert!(offered("husk renam").starts_with("rename\t"));
    assert!(offered("husk new x deb").contains("debian:12"));
}
