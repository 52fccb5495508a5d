//! The documents that a reader looks for.

use tidy::packages::packages;
use tidy::{demand_none, document};

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
