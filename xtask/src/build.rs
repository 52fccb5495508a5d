//! Building with cargo and finding what it built.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Result, workspace};

/// An executable that cargo built.
pub struct Artifact {
    /// Cargo's identifier of the package.
    pub package: String,
    /// The target's name.
    pub target: String,
    /// The target's kind: `lib`, `bin`, `test` …
    pub kind: String,
    /// Built as a test, with the test harness in it.
    pub is_test: bool,
    /// Where it is.
    pub executable: PathBuf,
}

/// Runs a cargo build command and returns the executables it made (also those that were made already).
/// Cargo's own messages go to standard error as ever.
pub fn artifacts(mut cargo: Command) -> Result<Vec<Artifact>> {
    // Must come before a `--`; none of the callers has one.
    cargo.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let done = cargo.output().map_err(|why| format!("cargo: {why}"))?;
    if !done.status.success() {
        return Err(format!("cargo build: {}", done.status));
    }
    let mut found = Vec::new();
    for line in done.stdout.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"{")) {
        let message: Value =
            serde_json::from_slice(line).map_err(|why| format!("cargo's messages: {why}"))?;
        let Some(executable) = message.get("executable").and_then(Value::as_str) else { continue };
        let target = &message["target"];
        found.push(Artifact {
            package: workspace::string(&message, "package_id")?.to_owned(),
            target: workspace::string(target, "name")?.to_owned(),
            kind: target["kind"][0].as_str().unwrap_or_default().to_owned(),
            is_test: message["profile"]["test"].as_bool().unwrap_or(false),
            executable: PathBuf::from(executable),
        });
    }
    Ok(found)
}
