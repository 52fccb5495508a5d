//! The programs as they are shipped: what is counted there is what users get, and no debug assertion of a library
//! stands in the way of a call that fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A program as it is shipped, `husk` or `minit`: what `HUSK_RELEASE_BIN` or `MINIT_RELEASE_BIN` says, or built here.
///
/// # Panics
/// Where it cannot be built.
pub fn release(name: &str) -> &'static Path {
    static PROGRAMS: Mutex<BTreeMap<String, &'static Path>> = Mutex::new(BTreeMap::new());
    let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    programs.entry(name.to_owned()).or_insert_with(|| Box::leak(build(name).into_boxed_path()))
}

/// The first process alone: minit without the api, built here, apart from the one that has it.
///
/// # Panics
/// Where it cannot be built.
pub fn release_alone() -> PathBuf {
    let target = directory().join("alone");
    let mut build = cargo("minit");
    build.args(["--no-default-features", "--features", "program", "--target-dir"]).arg(&target);
    run(build);
    // As this test is: …/TRIPLE/debug/deps/NAME-HASH.
    let triple = directory().file_name().map(PathBuf::from).expect("the name of the target");
    target.join(triple).join("release/minit")
}

fn build(name: &str) -> PathBuf {
    if let Some(given) = std::env::var_os(format!("{}_RELEASE_BIN", name.to_uppercase())) {
        return PathBuf::from(given);
    }
    let mut build = cargo(name);
    if name == "minit" {
        // See its Cargo.toml.
        build.args(["--features", "program"]);
    }
    run(build);
    directory().join("release").join(name)
}

fn cargo(package: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--release", "--package", package]);
    build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    build
}

fn run(mut build: Command) {
    assert!(build.status().expect("cargo").success(), "{build:?}");
}

/// Where cargo builds: …/debug/deps/NAME-HASH of this test is beside …/release/husk.
fn directory() -> PathBuf {
    let test = std::env::current_exe().expect("own path");
    test.ancestors().nth(3).expect("target directory").to_owned()
}
