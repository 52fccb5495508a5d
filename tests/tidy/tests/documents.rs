//! The documents that a reader looks for.

use std::collections::BTreeSet;

use tidy::packages::packages;
use tidy::{demand_none, document, root, rust_files};

/// Every one must exist and say something.
const DOCUMENTS: &[(&str, &str)] = &[
    ("README.md", "what it is, each program in five lines, when not to use it"),
    ("ARCHITECTURE.md", "the picture, the crate map, the invariants with the tests that hold them"),
    ("CONTRIBUTING.md", "how to build, test and write"),
    ("SECURITY.md", "what is isolated, what is not, how to report"),
    ("CHANGELOG.md", "what changed, in the form of Keep a Changelog"),
    ("LIMITS.md", "the numbers, and the command that repeats each"),
    ("DEPENDENCIES.md", "each direct dependency with its reason"),
    ("LICENSE-APACHE", "the Apache License 2.0"),
    ("LICENSE-MIT", "the MIT License"),
];

const README_LINES: usize = 150;

#[test]
fn documents_exist() {
    let missing: Vec<String> = DOCUMENTS
        .iter()
        .filter(|(name, _)| document(name).is_none_or(|text| text.trim().is_empty()))
        .map(|(name, what)| format!("{name}: missing or empty ({what})"))
        .collect();
    demand_none(&missing, "write them");
}

#[test]
fn readme_is_short() {
    let lines = document("README.md").unwrap_or_default().lines().count();
    assert!(
        lines <= README_LINES,
        "README.md has {lines} lines. What to do: move what is more than {README_LINES} to ARCHITECTURE.md \
         or CONTRIBUTING.md"
    );
}

#[test]
fn architecture_names_every_crate_and_program() {
    let text = document("ARCHITECTURE.md").unwrap_or_default();
    let packages = packages();
    let shipped = packages
        .iter()
        .filter(|package| ["crates", "programs"].iter().any(|top| package.folder.starts_with(top)));
    let missing: Vec<String> = shipped
        .filter(|package| !text.contains(&format!("`{}`", package.name)))
        .map(|package| format!("`{}`", package.name))
        .collect();
    demand_none(&missing, "say in ARCHITECTURE.md, in back quotes, what each of these is for");
}

/// What stands in back quotes in the documents, outside of code blocks, with the document's name.
fn quoted() -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for (name, _) in DOCUMENTS.iter().filter(|(name, _)| name.ends_with(".md")) {
        let text = document(name).unwrap_or_default();
        let prose: String = text.split("```").step_by(2).collect();
        all.extend(prose.split('`').skip(1).step_by(2).map(|words| (*name, words.to_owned())));
    }
    all
}

#[test]
fn tests_that_documents_name_exist() {
    let mut functions = BTreeSet::new();
    for file in rust_files() {
        let names = file.text.split("fn ").skip(1);
        functions.extend(names.filter_map(|rest| rest.split(['(', '<']).next().map(str::to_owned)));
    }
    // Names of tests are sentences: nothing else in back quotes has so many words.
    let is_sentence = |words: &str| {
        words.matches('_').count() >= 3
            && words.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let missing: Vec<String> = quoted()
        .into_iter()
        .filter(|(_, words)| is_sentence(words) && !functions.contains(words))
        .map(|(document, words)| format!("{document}: {words}: no such test"))
        .collect();
    demand_none(&missing, "name the test that holds the promise now; if none does, do not promise it");
}

#[test]
fn paths_that_documents_name_exist() {
    let tops = ["crates/", "programs/", "tests/", "xtask/", "docs/", ".cargo/", ".ci/"];
    let missing: Vec<String> = quoted()
        .into_iter()
        .filter(|(_, words)| tops.iter().any(|top| words.starts_with(top)) && !root().join(words).exists())
        .map(|(document, words)| format!("{document}: {words}: no such file"))
        .collect();
    demand_none(&missing, "name the file where that is now");
}
