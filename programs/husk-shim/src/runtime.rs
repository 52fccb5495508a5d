//! The runtime directory of an instance: its socket, its pid, how it ended, and the files that it sees.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use container::Failure;
use container::task::{Ended, Files};
use oci::spec::Mount;
use serve::{Listener, Way};

/// The directory. What of it lasts only as long as the container is removed by [`Runtime::leave`].
#[derive(Debug)]
pub struct Runtime(PathBuf);

const SOCKET: &str = "shim.sock";
const PID: &str = "pid";
const EXIT: &str = "exit.json";

impl Runtime {
    /// Makes the directory where it is missing, and listens in it. There is one shim for an instance: another one
    /// that listens is an error, and nothing of its is touched.
    pub fn claim(path: &Path) -> Result<(Self, Listener), Failure> {
        if !path.is_absolute() {
            return Err(Failure::ours(format!("runtime {}: not an absolute path", path.display())));
        }
        match DirBuilder::new().mode(0o700).recursive(true).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Failure::io(path.display(), &error)),
        }
        let socket = path.join(SOCKET);
        let text = socket.to_str();
        let text = text.ok_or_else(|| Failure::ours(format!("{}: not UTF-8", socket.display())))?;
        let listener = Listener::unix(text, Way::Closed).map_err(Failure::ours)?;
        let runtime = Self(path.to_path_buf());
        let _ = fs::remove_file(runtime.0.join(EXIT));
        Ok((runtime, listener))
    }

    /// The instance's name: the directory has it.
    pub fn name(&self) -> std::borrow::Cow<'_, str> {
        self.0.file_name().unwrap_or_default().to_string_lossy()
    }

    /// Writes the files that the container sees, and says how they are mounted: over the image's own, found beneath
    /// its root.
    pub fn show(&self, files: &Files) -> Result<Vec<Mount>, Failure> {
        let shown =
            [("resolv.conf", &files.resolv_conf), ("hosts", &files.hosts), ("hostname", &files.hostname)];
        let mut mounts = Vec::new();
        for (name, content) in shown {
            let Some(content) = content else { continue };
            let path = self.0.join(name);
            // Readable in there by everybody, and out here by whoever may enter the directory.
            put(&path, content.as_bytes(), 0o644)?;
            let source = path.into_os_string().into_string();
            mounts.push(Mount {
                destination: format!("/etc/{name}"),
                kind: "bind".into(),
                source: source.map_err(|_| Failure::ours("runtime: not UTF-8"))?,
                options: ["bind", "rw", "nosuid", "nodev", "noexec"].map(String::from).to_vec(),
                ..Mount::default()
            });
        }
        Ok(mounts)
    }

    /// Notes the container's first process.
    pub fn note(&self, pid: sys::process::Pid) -> Result<(), Failure> {
        replace(&self.0.join(PID), format!("{}\n", pid.as_raw_pid()).as_bytes())
    }

    /// Notes how it has ended: all of it or nothing, whatever happens.
    pub fn note_end(&self, ended: &Ended) -> Result<(), Failure> {
        replace(&self.0.join(EXIT), ended.line().as_bytes())
    }

    /// Removes what says that the container runs.
    pub fn leave(&self) {
        // What cannot be removed now is replaced by the next shim.
        for name in [SOCKET, PID, "resolv.conf", "hosts", "hostname"] {
            let _ = fs::remove_file(self.0.join(name));
        }
    }
}

/// A new file in place of what is there, whole or not at all.
fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    put(&new, content, 0o600)?;
    fs::rename(&new, path).map_err(|error| Failure::io(path.display(), &error))
}

fn put(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::io(path.display(), &error);
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(content)).map_err(failed)
}
