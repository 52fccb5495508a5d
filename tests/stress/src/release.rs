//! The program as it is shipped: what is counted there is what users get, and no debug assertion of a library
//! stands in the way of a call that fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// husk as it is shipped: `HUSK_RELEASE_BIN`, or built here.
///
/// # Panics
/// Where it cannot be built.
pub fn release() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(given) = std::env::var_os("HUSK_RELEASE_BIN") {
            return PathBuf::from(given);
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--release", "--package", "husk"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        assert!(build.status().expect("cargo").success(), "cargo build --release of husk");
        // …/debug/deps/NAME-HASH of this test is beside …/release/husk.
        let test = std::env::current_exe().expect("own path");
        test.ancestors().nth(3).expect("target directory").join("release/husk")
    })
}
