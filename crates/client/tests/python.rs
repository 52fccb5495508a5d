//! The client in Python, which speaks to the same server: its own tests, with the server that is built here.

mod bed;

use std::process::Command;

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
    python.env("PYTHONPATH", format!("{root}/python/src"));
    let done = python.output().expect("python3 is installed");
    let said = String::from_utf8_lossy(&done.stderr);
    print!("{said}");
    assert!(done.status.success(), "python3 -m unittest: {}\n{said}", done.status);
    let ran = said.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse::<u32>().ok());
    assert!(ran.is_some_and(|ran| ran > 30), "so few tests: {ran:?}");
}
