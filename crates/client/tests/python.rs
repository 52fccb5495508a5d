//! The client in Python, which speaks to the same server: its own tests, with the server that is built here.

mod bed;

use std::path::{Path, PathBuf};
use std::process::Command;

/// What builds the package: the first version that knows licence expressions (PEP 639).
const SETUPTOOLS: &str = "setuptools>=77";

/// A Python of our own below target/ that has setuptools; it is made once.
fn builder() -> PathBuf {
    let test = std::env::current_exe().expect("own path");
    // …/debug/deps/NAME-HASH of this test.
    let home = test.ancestors().nth(3).expect("target directory").join("python-builder");
    let python = home.join("bin/python");
    let has = |python: &Path| {
        let check = "import setuptools; assert int(setuptools.__version__.split('.')[0]) >= 77";
        Command::new(python).args(["-c", check]).output().is_ok_and(|done| done.status.success())
    };
    if !has(&python) {
        let run = |command: &mut Command| {
            let done = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
            assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
        };
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", SETUPTOOLS]));
    }
    python
}

#[test]
fn the_python_client_passes_its_tests() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut python = Command::new("timeout");
    python.args([
        "300",
        "python3",
        "-W",
        "error::ResourceWarning",
        "-m",
        "unittest",
        "discover",
        "-s",
        "python/tests",
    ]);
    python.current_dir(root).env("HUSK_TEST_SERVER", bed::program()).env("PYTHONDONTWRITEBYTECODE", "1");
    python.env("HUSK_TEST_BUILDER", builder()).env("HUSK_TEST_VERSION", env!("CARGO_PKG_VERSION"));
    python.env("PYTHONPATH", format!("{root}/python/src"));
    let done = python.output().expect("python3 is installed");
    let said = String::from_utf8_lossy(&done.stderr);
    print!("{said}");
    assert!(done.status.success(), "python3 -m unittest: {}\n{said}", done.status);
    let ran = said.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse::<u32>().ok());
    assert!(ran.is_some_and(|ran| ran > 45), "so few tests: {ran:?}");
    assert!(!said.contains("skipped"), "a test was skipped");
}
