//! Each configuration of `tests/plans` comes to the plan, or the error, that stands beside it.
//!
//! `PLANS_UPDATE=1 cargo test -p oci --features json --test golden` writes what they come to now; the change
//! of the plans is then to be read, line by line, in the diff: the order of steps is what isolation rests on.

mod corpus;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use corpus::Config;
use oci::Spec;

/// What a configuration comes to: the ending of the file that it belongs to, and the text.
fn outcome(config: &Config) -> (&'static str, String) {
    match Spec::from_json(&config.text) {
        Err(error) => ("error", format!("{error}\n")),
        Ok(spec) => corpus::compile_with(&spec, |compiled| match compiled {
            Ok(compiled) => ("plan", corpus::words(&compiled)),
            Err(error) => ("error", format!("{error}\n")),
        }),
    }
}

/// The lines of both, those that only one has marked; equal ones are shown around a difference alone.
fn difference(then: &str, now: &str) -> String {
    let (then, now): (Vec<&str>, Vec<&str>) = (then.lines().collect(), now.lines().collect());
    let start = then.iter().zip(&now).take_while(|(one, other)| one == other).count();
    let rest = then.len().min(now.len()) - start;
    let end =
        then.iter().rev().zip(now.iter().rev()).take(rest).take_while(|(one, other)| one == other).count();
    let mut text = String::new();
    let before = start.saturating_sub(2)..start;
    text.extend(then[before].iter().map(|line| format!("   {line}\n")));
    text.extend(then[start..then.len() - end].iter().map(|line| format!("  -{line}\n")));
    text.extend(now[start..now.len() - end].iter().map(|line| format!("  +{line}\n")));
    text.extend(then[then.len() - end..].iter().take(2).map(|line| format!("   {line}\n")));
    text
}

#[test]
fn configurations_come_to_the_plans_on_record() {
    let is_update = std::env::var_os("PLANS_UPDATE").is_some();
    let mut wrong = String::new();
    for config in corpus::all() {
        let (ending, now) = outcome(&config);
        let path = config.path.with_extension(ending);
        let stale = config.path.with_extension(if ending == "plan" { "error" } else { "plan" });
        if is_update {
            fs::write(&path, now).expect("a record");
            let _ = fs::remove_file(stale);
            continue;
        }
        if stale.exists() {
            wrong += &format!("{}: comes to a .{ending} now:\n  +{now}", config.name);
            continue;
        }
        let then = fs::read_to_string(&path).unwrap_or_default();
        if then != now {
            wrong += &format!("{}.{ending}:\n{}", config.name, difference(&then, &now));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}\nif it is meant, PLANS_UPDATE=1 writes the new records");
}

#[test]
fn records_belong_to_configurations() {
    let names: BTreeSet<String> = corpus::all().into_iter().map(|config| config.name).collect();
    assert!(names.len() >= 60, "{} configurations", names.len());
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/plans");
    for entry in fs::read_dir(folder).expect("tests/plans").flatten() {
        let name = entry.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        assert!(names.contains(&name), "{}: of no configuration", entry.path().display());
    }
}

#[test]
fn errors_are_where_they_are_expected_and_name_a_field() {
    for config in corpus::all() {
        let (ending, text) = outcome(&config);
        assert_eq!(config.name.starts_with("error-"), ending == "error", "{}: {text}", config.name);
        if ending == "error" && !config.name.starts_with("error-json") {
            let field = text.split([':', ' ', '[']).next().unwrap_or_default();
            let known = [
                "ociVersion",
                "root",
                "hostname",
                "domainname",
                "hooks",
                "mounts",
                "device",
                "process",
                "linux",
            ];
            let known = known.contains(&field) || ["solaris", "windows", "vm", "zos"].contains(&field);
            assert!(known || field.contains('.'), "{}: {text:?} begins with no field", config.name);
            assert_eq!(text.lines().count(), 1, "{}: {text:?}", config.name);
        }
    }
}

#[test]
fn differences_show_what_changed_and_what_is_around_it() {
    assert_eq!(difference("a\nb\nc\nd\n", "a\nb\nx\nd\n"), "   a\n   b\n  -c\n  +x\n   d\n");
    assert_eq!(difference("", "a\n"), "  +a\n");
    assert_eq!(difference("a\na\n", "a\n"), "   a\n  -a\n");
}
