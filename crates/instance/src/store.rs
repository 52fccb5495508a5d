//! The records on disk, and the root that they are in. What is made or removed lies in `tmp/` while it is half of
//! something, and appears or disappears by one rename(2); a record is replaced in the same way. So a kill or a power cut
//! at any moment leaves the old or the new, and what is in `tmp/` is nobody's.
//!
//! A new instance gets its name before its record is on the disk, which makes one wait for the disk of two. Nobody has been
//! told of it then: if the power fails in between, it may be there without a whole record, and with nothing else in it.
//! That is how it is known, and it goes (`unfinished`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sys::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use sys::strerror::describe;

use crate::InstanceName;
use crate::message::Files;
use crate::record::{Record, VERSION};
use crate::state::State;

mod unfinished;

/// The name of a record in an instance's directory.
const RECORD: &str = "instance.json";
/// The name of a newer state, which need not have got to the disk.
const STATE: &str = "state.json";

/// How long a lock is waited for.
const MOMENT: Duration = Duration::from_secs(2);

/// A state that is newer than the record's, if it was written more often.
#[derive(Serialize, Deserialize)]
struct Newer {
    saved: u64,
    state: State,
}

/// Why something could not be kept or found: what, on what, why.
#[derive(Debug)]
pub struct StoreError {
    text: String,
    kind: io::ErrorKind,
}

impl StoreError {
    fn new(what: &str, path: &Path, error: &io::Error) -> Self {
        let why = match error.raw_os_error() {
            Some(number) => describe(sys::Errno::from_raw_os_error(number)).to_string(),
            None => error.to_string(),
        };
        Self { text: format!("{what} {}: {why}", path.display()), kind: error.kind() }
    }

    /// Whether there is something of that name, or nothing, where it should have been otherwise.
    #[must_use]
    pub const fn kind(&self) -> io::ErrorKind {
        self.kind
    }

    /// Whether there was no room for it: the disk is full, or what is allowed of it.
    #[must_use]
    pub const fn is_for_want_of_room(&self) -> bool {
        matches!(self.kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for StoreError {}

/// An instance that is there, and its record where that can be read.
pub type Loaded = (InstanceName, Result<Record, StoreError>);

/// How a tree of files is removed that may be anything, as deep as it likes.
pub type Remove = fn(&Path) -> io::Result<()>;

/// The root, locked: as long as this is held, no other daemon has it.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    remove: Remove,
    number: AtomicU64,
    _lock: File,
}

impl Store {
    /// Opens a root, or makes it, and takes its lock. Nothing is half-made then.
    ///
    /// # Errors
    /// `WouldBlock` where another daemon has it, and has for 2 seconds; else what cannot be made or removed.
    pub fn open(root: &Path, remove: Remove) -> Result<Self, StoreError> {
        // The whole way, readable for all as /var/lib is; the root itself is nobody else's.
        if let Some(above) = root.parent() {
            fs::create_dir_all(above).map_err(|error| StoreError::new("mkdir", above, &error))?;
        }
        make_directory(root)?;
        let path = root.join("lock");
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let lock = lock.map_err(|error| StoreError::new("open", &path, &error))?;
        take(&lock).map_err(|errno| {
            let error = io::Error::from(errno);
            match errno {
                sys::Errno::WOULDBLOCK => StoreError {
                    text: format!("{}: another huskd has it", root.display()),
                    kind: error.kind(),
                },
                _ => StoreError::new("flock", &path, &error),
            }
        })?;
        let store = Self { root: root.into(), remove, number: AtomicU64::new(0), _lock: lock };
        for directory in ["instances", "tmp"] {
            make_directory(&store.root.join(directory))?;
        }
        store.empty_tmp()?;
        Ok(store)
    }

    /// What is half-made is nobody's once the lock is ours.
    fn empty_tmp(&self) -> Result<(), StoreError> {
        let tmp = self.root.join("tmp");
        for entry in fs::read_dir(&tmp).map_err(|error| StoreError::new("read", &tmp, &error))? {
            let path = entry.map_err(|error| StoreError::new("read", &tmp, &error))?.path();
            self.remove_tree(&path)?;
        }
        Ok(())
    }

    fn remove_tree(&self, path: &Path) -> Result<(), StoreError> {
        match (self.remove)(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::new("remove", path, &error))
            }
            _ => Ok(()),
        }
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of an instance.
    #[must_use]
    pub fn directory(&self, name: &InstanceName) -> PathBuf {
        self.root.join("instances").join(name.as_str())
    }

    /// A path in `tmp/` that nobody has.
    fn scratch(&self, what: &str, name: &InstanceName) -> PathBuf {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.root.join("tmp").join(format!("{what}-{name}-{}-{number}", std::process::id()))
    }

    /// All records, and for each that cannot be read the reason: that is left as it is, since its files may be all that
    /// somebody has. A directory without a record and without a file, or one that was never finished, is none: it is
    /// removed.
    ///
    /// # Errors
    /// That the directory cannot be read.
    pub fn load_all(&self) -> Result<Vec<Loaded>, StoreError> {
        let directory = self.root.join("instances");
        let failed = |error: &io::Error| StoreError::new("read", &directory, error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&directory).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            let Some(name) = entry.file_name().to_str().and_then(|name| InstanceName::new(name).ok()) else {
                continue;
            };
            match self.load(&name) {
                Err(error) if error.kind == io::ErrorKind::NotFound => {
                    match unfinished::is_untouched(&entry.path()).unwrap_or(false) {
                        true => self.discard(&name)?,
                        false => found.push((name, Err(error))),
                    }
                }
                record => match unfinished::is(&entry.path()) {
                    true => self.discard(&name)?,
                    false => found.push((name, record)),
                },
            }
        }
        Ok(found)
    }

    /// One record.
    ///
    /// # Errors
    /// `NotFound` where there is none; `InvalidData` where it is none that this version understands.
    pub fn load(&self, name: &InstanceName) -> Result<Record, StoreError> {
        let path = self.directory(name).join(RECORD);
        let text = fs::read(&path).map_err(|error| StoreError::new("read", &path, &error))?;
        let invalid =
            |why: String| StoreError::new("read", &path, &io::Error::new(io::ErrorKind::InvalidData, why));
        let mut record: Record = serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?;
        // After a power cut it may be anything; then the record's own is the one before.
        let newer = fs::read(self.directory(name).join(STATE)).ok();
        if let Some(newer) = newer.and_then(|text| serde_json::from_slice::<Newer>(&text).ok())
            && newer.saved > record.saved
        {
            (record.saved, record.state) = (newer.saved, newer.state);
        }
        match record.version {
            0..=VERSION => Ok(record),
            newer => Err(invalid(format!("it is of version {newer}, this huskd understands {VERSION}"))),
        }
    }

    /// Replaces a record.
    ///
    /// # Errors
    /// What cannot be written; the old one is there then.
    pub fn save(&self, name: &InstanceName, record: &Record) -> Result<(), StoreError> {
        let directory = self.directory(name);
        let new = self.scratch("record", name);
        let path = directory.join(RECORD);
        let mut is_old_elsewhere = false;
        let saved = write_new(&new, record).and_then(|file| sync_record(&file, &new)).and_then(|()| {
            exchange(&new, &path)?;
            sync(&directory).inspect_err(|_| is_old_elsewhere = exchange(&new, &path).is_err())
        });
        // The old one, or where that is in its place, one that may be half-written: the disk may be full. Where the old one
        // could not be put back, it is the only one that is known to be whole.
        if !is_old_elsewhere {
            let _ = fs::remove_file(&new);
        }
        saved
    }

    /// Notes a state, for the next daemon, but not for the next start of the machine: nothing waits for the disk. The
    /// settings have to be those of the last [`Store::save`].
    ///
    /// # Errors
    /// What cannot be written; the old state is there then.
    pub fn note(&self, name: &InstanceName, record: &Record) -> Result<(), StoreError> {
        let path = self.directory(name).join(STATE);
        let failed = |error: &io::Error| StoreError::new("write", &path, error);
        let newer = Newer { saved: record.saved, state: record.state.clone() };
        let text = serde_json::to_vec(&newer).map_err(|error| failed(&error.into()))?;
        let new = self.scratch("state", name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
        let written = file.and_then(|mut file| file.write_all(&text)).and_then(|()| fs::rename(&new, &path));
        written.map_err(|error| {
            let _ = fs::remove_file(&new);
            failed(&error)
        })
    }

    /// Makes an instance: `fill` makes its files in a directory that is its own once it has its name. When this returns,
    /// all of it is on the disk, the content of files that `fill` makes excepted: that is for `fill` to see to.
    ///
    /// # Errors
    /// `AlreadyExists` where there is one of that name, what `fill` says, and what cannot be written; nothing is left
    /// then.
    pub fn create(
        &self,
        name: &InstanceName,
        record: &Record,
        fill: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let new = self.scratch("new", name);
        make_directory(&new)?;
        let named = fill(&new)
            .map_err(|error| StoreError::new("make", &self.directory(name), &error))
            .and_then(|()| write_new(&new.join(RECORD), record))
            .and_then(|file| match record.files {
                Files::Overlay => Ok(file),
                // It has files: without its record it would not be known for one that was never finished.
                Files::Copy => sync_record(&file, &new.join(RECORD)).and_then(|()| sync(&new)).map(|()| file),
            })
            .and_then(|file| self.name(&new, name).map(|()| file));
        let directory = self.directory(name);
        let kept = match named {
            // The record first: ext4 and XFS write its name, its directory and theirs with it, and have nothing left to
            // do for the other two.
            Ok(file) => sync_record(&file, &directory.join(RECORD))
                .and_then(|()| sync(&directory))
                .and_then(|()| self.sync_names())
                // Nobody has been told of it.
                .inspect_err(|_| undo(self.discard(name))),
            Err(error) => Err(error),
        };
        if kept.is_err() {
            // What cannot be removed now goes with the next start.
            let _ = self.remove_tree(&new);
        }
        kept
    }

    fn name(&self, from: &Path, name: &InstanceName) -> Result<(), StoreError> {
        let to = self.directory(name);
        renameat_with(CWD, from, CWD, &to, RenameFlags::NOREPLACE)
            .map_err(|errno| StoreError::new("rename", &to, &io::Error::from(errno)))
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        sync(&self.root.join("instances"))
    }

    /// Gives an instance another name.
    ///
    /// # Errors
    /// `AlreadyExists` where there is one of that name; what cannot be written. It has its old name then.
    pub fn rename(&self, name: &InstanceName, to: &InstanceName) -> Result<(), StoreError> {
        let from = self.directory(name);
        self.name(&from, to)?;
        // Who is told that there is none must not find it, nor the next daemon.
        self.sync_names().inspect_err(|_| undo(fs::rename(self.directory(to), &from)))
    }

    /// Removes an instance: it is gone at once, its files are when this returns.
    ///
    /// # Errors
    /// What cannot be renamed or removed. What is left of it goes when the next daemon starts.
    pub fn discard(&self, name: &InstanceName) -> Result<(), StoreError> {
        let (from, to) = (self.directory(name), self.scratch("gone", name));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed.map_err(|error| StoreError::new("rename", &from, &error))?,
        }
        let synced = self.sync_names();
        // It is in nobody's way, but gone for good only if a power cut cannot bring it back.
        self.remove_tree(&to).and(synced)
    }
}

/// Takes a lock. Of a daemon that was killed, a child on its way to its program has it for another moment: until it has
/// closed what is not its own.
fn take(lock: &File) -> sys::Result<()> {
    let until = Instant::now() + MOMENT;
    loop {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Err(sys::Errno::WOULDBLOCK) if Instant::now() < until => std::thread::sleep(MOMENT / 200),
            taken => return taken,
        }
    }
}

/// Two files change places, whatever becomes of who does it.
fn exchange(one: &Path, other: &Path) -> Result<(), StoreError> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
        .map_err(|errno| StoreError::new("rename", other, &io::Error::from(errno)))
}

/// What is undone because of an error is undone as far as it can be: the error has been said.
fn undo<E>(undone: Result<(), E>) {
    drop(undone);
}

fn make_directory(path: &Path) -> Result<(), StoreError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let error = io::Error::from(sys::Errno::NOTDIR);
            Err(StoreError::new("mkdir", path, &error))
        }
        made => made.map_err(|error| StoreError::new("mkdir", path, &error)),
    }
}

/// Writes a record to a file that is not there yet, which may not be on the disk then.
fn write_new(path: &Path, record: &Record) -> Result<File, StoreError> {
    let failed = |error: &io::Error| StoreError::new("write", path, error);
    let mut text = serde_json::to_vec_pretty(record).map_err(|error| failed(&error.into()))?;
    text.push(b'\n');
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(|error| failed(&error))?;
    file.write_all(&text).map_err(|error| failed(&error))?;
    Ok(file)
}

fn sync_record(file: &File, path: &Path) -> Result<(), StoreError> {
    file.sync_all().map_err(|error| StoreError::new("write", path, &error))
}

/// What has been renamed in a directory is so on the disk.
fn sync(directory: &Path) -> Result<(), StoreError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| StoreError::new("fsync", directory, &error))
}
