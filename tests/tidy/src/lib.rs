//! The rules of the house, each as a test in `tests/`. This library reads the workspace for them: its
//! files, the code in them without comments and strings, and its packages.

pub mod code;
pub mod packages;

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of the root that are made, not written.
const MADE: &[&str] = &[".git", "target", "dist"];

/// A text file of the workspace.
pub struct TextFile {
    /// Its path below the root.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// The root of the workspace: that of the checkout in which cargo runs the test, which is another than the
/// one it was built in when two share a target folder.
pub fn root() -> PathBuf {
    let running = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = running.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    here.ancestors().nth(2).map_or_else(|| here.clone(), Path::to_owned)
}

/// Every text file of the workspace, in the order of the paths.
pub fn text_files() -> Vec<TextFile> {
    let root = root();
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(files.iter().any(|file| file.path == "Cargo.toml"), "{}: not the workspace", root.display());
    files
}

/// Every Rust file of the workspace.
pub fn rust_files() -> Vec<TextFile> {
    let mut files = text_files();
    files.retain(|file| file.path.ends_with(".rs"));
    files
}

/// A file of the root, if there is one.
pub fn document(name: &str) -> Option<String> {
    fs::read_to_string(root().join(name)).ok()
}

/// Fails with all violations at once, each on its line, and with what to do about them.
pub fn demand_none(violations: &[String], what_to_do: &str) {
    assert!(violations.is_empty(), "\n{}\n\nWhat to do: {what_to_do}\n", violations.join("\n"));
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<TextFile>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|why| panic!("read {}: {why}", folder.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        let below = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && !MADE.contains(&below.as_str()) {
            collect(root, &path, files);
        } else if kind.is_file()
            && !MADE.contains(&below.as_str())
            && let Ok(text) = fs::read_to_string(&path)
        {
            files.push(TextFile { path: below, text });
        }
    }
}
