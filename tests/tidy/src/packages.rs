//! The packages of the workspace and what they depend on, as cargo sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::root;

/// A package of the workspace.
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder below the root: `crates/sys`.
    pub folder: PathBuf,
    /// The packages of the workspace that it depends on, for its tests too.
    pub own: BTreeSet<String>,
    /// The packages of others that it depends on directly, for its tests too.
    pub foreign: BTreeSet<String>,
}

/// The packages of the workspace.
pub fn packages() -> Vec<Package> {
    let metadata = metadata(&["--no-deps"]);
    list(&metadata, "packages").iter().map(package).collect()
}

/// The licence that each package names, others' packages included.
pub fn licences() -> BTreeMap<String, String> {
    let metadata = metadata(&[]);
    let licence = |package: &Value| (text(package, "name"), text(package, "license"));
    list(&metadata, "packages").iter().map(licence).collect()
}

/// The packages that a program is built from, itself excepted: name and version, sorted.
pub fn built_from(program: &str) -> BTreeSet<String> {
    let arguments = ["tree", "--edges", "normal", "--prefix", "none", "--package", program];
    let tree = String::from_utf8(cargo(&arguments)).expect("cargo tree prints UTF-8");
    // "name v1.2.3 (path or features)"; the path would differ from machine to machine.
    let package = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    tree.lines().skip(1).map(package).filter(|package| !package.trim().is_empty()).collect()
}

fn package(package: &Value) -> Package {
    let manifest = PathBuf::from(text(package, "manifest_path"));
    let folder = manifest.parent().unwrap_or(Path::new(""));
    let (mut own, mut foreign) = (BTreeSet::new(), BTreeSet::new());
    for dependency in list(package, "dependencies") {
        let is_own = dependency.get("path").is_some_and(Value::is_string);
        if is_own { &mut own } else { &mut foreign }.insert(text(dependency, "name"));
    }
    let folder = folder.strip_prefix(root()).unwrap_or(folder).to_owned();
    Package { name: text(package, "name"), folder, own, foreign }
}

fn metadata(options: &[&str]) -> Value {
    let answer = cargo(&[&["metadata", "--format-version=1"], options].concat());
    serde_json::from_slice(&answer).expect("cargo metadata prints JSON")
}

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let done = Command::new("cargo").args(arguments).current_dir(root()).output();
    let done = done.unwrap_or_else(|why| panic!("cargo {}: {why}", arguments.join(" ")));
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "cargo {}: {}: {errors}", arguments.join(" "), done.status);
    done.stdout
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
