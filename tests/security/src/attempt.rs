//! One run of husk, which must end.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;
use sys::process::{Pid, Signal, kill_process};

/// The longest that any run here may take. Most take some milliseconds.
const DEADLINE: Duration = Duration::from_secs(10);

/// Held for writing while a program is written, and for reading while a child is on its way to its exec: a child
/// that was forked meanwhile would hold the program open for writing, and nobody could run it (ETXTBSY).
static PROGRAMS: RwLock<()> = RwLock::new(());

/// Writes a program, with permission to run it.
///
/// # Errors
/// Those of writing the file.
pub fn write_program(path: &Path, content: &[u8]) -> io::Result<()> {
    let _written = PROGRAMS.write().unwrap_or_else(PoisonError::into_inner);
    std::fs::write(path, content)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// Copies a program.
///
/// # Errors
/// Those of reading one file and of writing the other.
pub fn copy_program(from: &Path, to: &Path) -> io::Result<()> {
    write_program(to, &std::fs::read(from)?)
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The container ran, and ended with this exit code; what it printed, and what came on standard error.
    Ran(u8, String, String),
    /// husk said in one line why not, with this exit code.
    Refused(u8, String),
}

/// Runs a command of husk's to its end.
///
/// # Panics
/// Where it does not end, is killed, or says something else than one line when it refuses.
pub fn attempt(command: &mut Command) -> Outcome {
    let shown = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = {
        let _started = PROGRAMS.read().unwrap_or_else(PoisonError::into_inner);
        command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"))
    };
    let pid = child.id();
    let (ended, wait) = channel::<()>();
    let watch = std::thread::spawn(move || {
        let late = wait.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout);
        if late && let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // It has not been waited for: the number is still its own.
            let _ = kill_process(pid, Signal::KILL);
        }
        late
    });
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    drop(ended);
    let late = watch.join().unwrap_or(true);
    assert!(!late, "{shown}: did not end within {DEADLINE:?}");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let code = output.status.code().and_then(|code| u8::try_from(code).ok());
    let Some(code) = code else { panic!("{shown}: signal {:?}: {err}", output.status.signal()) };
    if matches!(code, 125..=127) && err.starts_with("husk: ") {
        assert_eq!(err.trim_end().lines().count(), 1, "{shown}: more than one line: {err}");
        assert!(!err.contains("panicked"), "{shown}: {err}");
        return Outcome::Refused(code, err);
    }
    Outcome::Ran(code, out, err)
}

impl Outcome {
    /// The probe's line.
    ///
    /// # Panics
    /// Where the container did not run, or printed something else.
    pub fn line(&self) -> Value {
        let Self::Ran(0, out, _) = self else { panic!("did not run: {self:?}") };
        serde_json::from_str(out.trim()).unwrap_or_else(|error| panic!("{error}: {out:?}"))
    }

    /// The `result` in the probe's line: `ok` or the name of an error.
    ///
    /// # Panics
    /// As [`Outcome::line`].
    pub fn result(&self) -> String {
        self.line()["result"].as_str().unwrap_or_default().to_owned()
    }

    /// What the container printed.
    ///
    /// # Panics
    /// Where it did not run.
    pub fn output(&self) -> &str {
        let Self::Ran(_, out, _) = self else { panic!("did not run: {self:?}") };
        out
    }

    /// husk's line.
    ///
    /// # Panics
    /// Where it did not refuse.
    pub fn refusal(&self) -> &str {
        let Self::Refused(_, line) = self else { panic!("was not refused: {self:?}") };
        line
    }
}
