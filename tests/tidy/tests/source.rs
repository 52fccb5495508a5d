//! How source files look.

use std::path::Path;

use tidy::code::{parts, without_comments_and_strings, without_tests, words};
use tidy::packages::packages;
use tidy::{TextFile, demand_none, root, rust_files};

const LINES_WARN: usize = 400;
const LINES_FAIL: usize = 600;

/// Words that say nothing about what a thing is.
const EMPTY_WORDS: &[&str] = &[
    "manager", "handler", "helper", "helpers", "util", "utils", "common", "misc", "base", "impl", "inner",
    "data", "info",
];

/// The one place outside of `crates/sys` where unsafe code may stand, in one block.
const LAUNCH: &str = "crates/plan/src/launch.rs";

/// Packages that set their own lints instead of the workspace's, which forbid unsafe code: `forbid` cannot be
/// lifted further down, and programs export the one symbol `main` (`sys::entry!`). That there is no unsafe code
/// in them is held by the test above.
const OWN_LINTS: &[&str] = &["sys", "plan", "husk", "husk-shim", "minit", "stamp"];

fn is_in_sys(file: &TextFile) -> bool {
    file.path.starts_with("crates/sys/")
}

/// The numbers of the lines with `unsafe` in them, from 1, and whether a block begins there.
fn unsafe_lines(file: &TextFile) -> Vec<(usize, bool)> {
    let code = without_comments_and_strings(&file.text);
    let lines = words(&code).filter(|(_, word)| *word == "unsafe").map(|(number, _)| number);
    let begins = |number: usize| {
        let line = code.lines().nth(number - 1).unwrap_or_default();
        let behind = line.split("unsafe").last().unwrap_or_default().trim_start();
        behind.starts_with('{') || behind.starts_with("impl")
    };
    lines.map(|number| (number, begins(number))).collect()
}

#[test]
fn files_are_short_enough_to_read() {
    let mut long = Vec::new();
    for file in rust_files() {
        let lines = file.text.lines().count();
        if lines > LINES_FAIL {
            long.push(format!("{}: {lines} lines", file.path));
        } else if lines > LINES_WARN {
            println!("warning: {}: {lines} lines, more than {LINES_WARN}", file.path);
        }
    }
    demand_none(&long, "split the file by concern: more than 600 lines are too many");
}

#[test]
fn unsafe_code_is_in_sys_and_in_one_block_of_launch() {
    let mut wrong = Vec::new();
    for file in rust_files().iter().filter(|file| !is_in_sys(file)) {
        let lines = unsafe_lines(file);
        if file.path == LAUNCH && lines.len() <= 1 {
            continue;
        }
        wrong.extend(lines.iter().map(|(number, _)| format!("{}:{number}: unsafe", file.path)));
    }
    demand_none(&wrong, "write a safe function in crates/sys and call that");
}

#[test]
fn unsafe_blocks_say_why_they_are_sound() {
    let mut silent = Vec::new();
    for file in rust_files() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, is_block) in unsafe_lines(&file) {
            // The comment stands above the statement, of which the block may be a later line.
            let above = &lines[number.saturating_sub(12)..number];
            if is_block && !above.iter().any(|line| line.contains("SAFETY:")) {
                silent.push(format!("{}:{number}: no SAFETY comment", file.path));
            }
        }
    }
    demand_none(&silent, "write `// SAFETY:` above the block and say why it holds here");
}

#[test]
fn packages_take_the_lints_of_the_workspace() {
    let mut own = Vec::new();
    for package in packages().iter().filter(|package| !OWN_LINTS.contains(&package.name.as_str())) {
        let path = root().join(&package.folder).join("Cargo.toml");
        let manifest = std::fs::read_to_string(&path).unwrap();
        if !manifest.contains("[lints]\nworkspace = true") {
            own.push(format!("{}/Cargo.toml: does not", package.folder.display()));
        }
    }
    demand_none(&own, "add `[lints]` with `workspace = true`: the workspace's lints forbid unsafe code");
}

#[test]
fn names_of_types_and_modules_say_something() {
    let mut empty = Vec::new();
    for file in rust_files() {
        let stem = Path::new(&file.path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let code = without_comments_and_strings(&file.text);
        let words: Vec<(usize, &str)> = words(&code).collect();
        let declared = words
            .windows(2)
            .filter(|pair| ["struct", "enum", "union", "trait", "type", "mod"].contains(&pair[0].1));
        let names = declared.map(|pair| pair[1]).chain([(1, stem)]);
        for (number, name) in names {
            if let Some(part) = parts(name).iter().find(|part| EMPTY_WORDS.contains(&part.as_str())) {
                empty.push(format!("{}:{number}: {name} has {part} in it", file.path));
            }
        }
    }
    demand_none(&empty, "name it after what it is or does, in the words of the manuals");
}

#[test]
fn libraries_neither_print_nor_exit() {
    const MAIN_ONLY: &[&str] = &["println!", "eprintln!", "print!", "eprint!", "dbg!", "process::exit("];
    let mut found = Vec::new();
    for file in rust_files().iter().filter(|file| in_library(file)) {
        let code = without_comments_and_strings(&file.text);
        for (number, line) in without_tests(&code).lines().enumerate() {
            if let Some(what) = MAIN_ONLY.iter().find(|what| line.contains(*what)) {
                found.push(format!("{}:{}: {what}", file.path, number + 1));
            }
        }
    }
    demand_none(&found, "only main prints and exits: return a value or an error that says it");
}

#[test]
fn only_spawn_starts_children() {
    const STARTS: &[&str] = &["Command::new(", "clone3(", "fork(", "fork_alone(", "launch("];
    // minit has no heap, which spawn's errors need: it launches its one plan itself, and divides into its two roles.
    const WITHOUT_HEAP: &[&str] = &[
        "programs/minit/src/first/start.rs",
        "programs/minit/src/first/api.rs",
        "programs/minit/src/errand.rs",
    ];
    let mut found = Vec::new();
    for file in rust_files().iter().filter(|file| in_library(file) || file.path.starts_with("programs/")) {
        if ["crates/sys/", "crates/plan/", "crates/spawn/"].iter().any(|own| file.path.starts_with(own))
            || file.path.contains("/tests/")
            || WITHOUT_HEAP.contains(&file.path.as_str())
        {
            continue;
        }
        let code = without_comments_and_strings(&file.text);
        for (number, line) in without_tests(&code).lines().enumerate() {
            if let Some(what) = STARTS.iter().find(|what| calls(line, what)) {
                found.push(format!("{}:{}: {what}", file.path, number + 1));
            }
        }
    }
    demand_none(&found, "start it with the crate spawn, whose child cannot allocate, lock or panic");
}

fn in_library(file: &TextFile) -> bool {
    file.path.starts_with("crates/") && file.path.contains("/src/")
}

/// Whether the line has the call in it, and not a longer name that ends alike, nor a function so named.
fn calls(line: &str, call: &str) -> bool {
    line.match_indices(call).any(|(at, _)| {
        let before = &line[..at];
        !before.ends_with(|character: char| character.is_alphanumeric() || character == '_')
            && !before.ends_with("fn ")
    })
}
