//! What is known of containers in the background: a directory each, below /run.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use container::Failure;

use crate::arguments::Record;

/// The record of one container: `pid` while it runs, `exit` afterwards.
#[derive(Debug)]
pub struct State {
    directory: PathBuf,
    record: Record,
    _lock: fs::File,
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
        let lock = loop {
            if let Some(parent) = directory.parent() {
                fs::create_dir_all(parent).map_err(failed)?;
            }
            match fs::create_dir(&directory).map_err(|error| error.kind()) {
                Ok(()) | Err(ErrorKind::AlreadyExists) => {}
                // The last container that ended has taken the directories above with it.
                Err(ErrorKind::NotFound) => continue,
                Err(kind) => return Err(failed(kind.into())),
            }
            match fs::File::open(&directory) {
                Ok(file) => break file,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        };
        // Held until this process ends, however it ends.
        if lock.try_lock().is_err() {
            let hint = format!("it ends with: kill $(cat {}/pid)", directory.display());
            return Err(Failure::ours(format!("id {id}: a container of this id runs")).hint(Some(hint)));
        }
        let _ = fs::remove_file(directory.join("exit"));
        let state = Self { directory, record, _lock: lock };
        state.put("pid", &std::process::id().to_string())?;
        Ok(state)
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
