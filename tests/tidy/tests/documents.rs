//! The documents that a reader looks for.

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

/// The lines of the documents outside of code blocks, each as the name of its document and what stands in back
/// quotes in it.
fn quoted() -> Vec<(&'static str, Vec<String>)> {
    let mut all = Vec::new();
    for (name, _) in DOCUMENTS.iter().filter(|(name, _)| name.ends_with(".md")) {
        let text = document(name).unwrap_or_default();
        let prose: String = text.split("```").step_by(2).collect();
        let words = |line: &str| line.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        all.extend(prose.lines().map(|line| (*name, words(line))));
    }
    all
}

/// Names of tests are sentences: nothing else in back quotes has so many words.
fn is_sentence(words: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    words.matches('_').count() >= 3 && words.bytes().all(allowed)
}

#[test]
fn tests_that_documents_name_exist() {
    let files = rust_files();
    let has = |path: &str, test: &str| {
        let mut named =
            files.iter().filter(|file| file.path == path || file.path.ends_with(&format!("/{path}")));
        named.any(|file| file.text.contains(&format!("fn {test}(")))
    };
    let mut missing = Vec::new();
    for (document, line) in quoted() {
        // Where a line names a file, the tests that follow are in there.
        let mut place = None;
        for words in &line {
            if words.ends_with(".rs") {
                place = Some(words);
            } else if is_sentence(words) {
                let found = match place {
                    Some(path) => has(path, words),
                    None => files.iter().any(|file| file.text.contains(&format!("fn {words}("))),
                };
                let place = place.map_or("anywhere", String::as_str);
                missing.extend((!found).then(|| format!("{document}: {words}: not in {place}")));
            }
        }
    }
    demand_none(&missing, "name the test that holds the promise now; if none does, do not promise it");
}

#[test]
fn paths_that_documents_name_exist() {
    let tops = ["crates/", "programs/", "tests/", "xtask/", "docs/", ".cargo/", ".ci/"];
    let mut missing = Vec::new();
    for (document, line) in quoted() {
        let paths = line.iter().filter(|words| tops.iter().any(|top| words.starts_with(top)));
        let gone = paths.filter(|path| !root().join(path).exists());
        missing.extend(gone.map(|path| format!("{document}: {path}: no such file")));
    }
    demand_none(&missing, "name the file where that is now");
}
