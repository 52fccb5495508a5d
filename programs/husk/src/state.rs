//! What is known of containers in the background: a directory each, below /run.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::arguments::Record;
use crate::failure::Failure;

/// The record of one container: `pid` while it runs, `exit` afterwards.
#[derive(Debug)]
pub struct State {
    directory: PathBuf,
    record: Record,
}

impl State {
    /// Takes the id. One whose container has ended may be used again.
    pub fn claim(id: &str, record: Record, uid: u32) -> Result<Self, Failure> {
        let base = match (uid, std::env::var_os("XDG_RUNTIME_DIR")) {
            (0, _) => PathBuf::from("/run"),
            (_, Some(own)) => PathBuf::from(own),
            (_, None) => {
                let why =
                    "XDG_RUNTIME_DIR is not set, and the record of a container in the background goes there";
                return Err(Failure::ours(why));
            }
        };
        let directory = base.join("husk").join("run").join(id);
        let failed = |error: std::io::Error| Failure::io(directory.display(), &error);
        loop {
            if let Some(parent) = directory.parent() {
                fs::create_dir_all(parent).map_err(failed)?;
            }
            match fs::create_dir(&directory) {
                Ok(()) => break,
                // The last container that ended has taken the directories above with it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if !Self::has_ended(&directory) {
                        let hint = format!("it ends with: kill $(cat {}/pid)", directory.display());
                        let what = format!("id {id}: a container of this id runs");
                        return Err(Failure::ours(what).hint(Some(hint)));
                    }
                    let _ = fs::remove_file(directory.join("exit"));
                    break;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        let state = Self { directory, record };
        state.put("pid", &std::process::id().to_string())?;
        Ok(state)
    }

    /// A supervisor that was killed leaves its pid behind; one that lives holds it.
    fn has_ended(directory: &std::path::Path) -> bool {
        if directory.join("exit").exists() {
            return true;
        }
        let pid = fs::read_to_string(directory.join("pid")).ok().and_then(|text| text.trim().parse().ok());
        let alive = pid.and_then(sys::process::Pid::from_raw).is_some_and(|pid| {
            // The number may be somebody else's by now.
            let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_pid())).unwrap_or_default();
            name.trim_end().starts_with("husk")
        });
        !alive
    }

    /// Says how the container ended; `Err` where it never began.
    pub fn end(self, code: Result<u8, ()>) {
        let keep = code.is_ok() && self.record == Record::Kept;
        if keep && self.put("exit", &code.unwrap_or(125).to_string()).is_ok() {
            let _ = fs::remove_file(self.directory.join("pid"));
        } else {
            let _ = fs::remove_file(self.directory.join("pid"));
            // And what is above, where it is empty by now: `run` and `husk`.
            for directory in self.directory.ancestors().take(3) {
                if fs::remove_dir(directory).is_err() {
                    break;
                }
            }
        }
    }

    /// Whole or not at all: under a temporary name first.
    fn put(&self, name: &str, value: &str) -> Result<(), Failure> {
        let path = self.directory.join(name);
        let temporary = self.directory.join(format!(".{name}"));
        fs::write(&temporary, format!("{value}\n"))
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|error| Failure::io(path.display(), &error))
    }
}
