//! What an image may hold at a path that the specification or the runtime touches.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sys::fs::{CWD, FileType, IFlags, Mode, ioctl_getflags, ioctl_setflags, makedev, mknodat};

/// Those paths, below the root of the image. `v`, `v/deep` and `v/file` are targets of binds, `work` is a
/// working directory, `bin/probe` the command.
pub const PLACES: [&str; 24] = [
    "proc",
    "proc/self",
    "sys",
    "sys/fs",
    "sys/fs/cgroup",
    "dev",
    "dev/pts",
    "dev/shm",
    "dev/mqueue",
    "dev/null",
    "dev/zero",
    "dev/console",
    "dev/ptmx",
    "dev/fd",
    "etc",
    "etc/passwd",
    "etc/group",
    "bin",
    "bin/probe",
    "v",
    "v/deep",
    "v/file",
    "work",
    "tmp",
];

/// A kind of trap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trap {
    /// A symbolic link to the victim, by its absolute path.
    Link,
    /// To a file of the victim's: its passwd.
    LinkToFile,
    /// By more `..` than there are directories above.
    ClimbingLink,
    /// To a name in the victim that does not exist, to be made by whoever follows it.
    DanglingLink,
    /// To a name below one that does not exist.
    DeepDanglingLink,
    /// To itself.
    Loop,
    /// To a descriptor of whoever follows it, and from there up to the victim (CVE-2024-21626).
    LinkToDescriptor(u8),
    /// To the root of the first process that there is.
    LinkToFirstRoot,
    /// Nothing.
    Missing,
    /// A file with a line in it.
    File,
    /// An empty directory.
    Directory,
    /// A fifo, which keeps waiting whoever opens it.
    Fifo,
    /// A node of a device without an end: zero.
    EndlessDevice,
    /// A node of a block device.
    BlockDevice,
    /// A socket.
    Socket,
    /// A directory that not even root can change (chattr +i).
    ImmutableDirectory,
    /// A file likewise.
    ImmutableFile,
    /// A directory without any permission.
    ClosedDirectory,
    /// A file likewise.
    ClosedFile,
}

impl Trap {
    /// Every kind. Which descriptors a runtime has open is its own affair: the first few are tried.
    pub const ALL: [Self; 23] = [
        Self::Link,
        Self::LinkToFile,
        Self::ClimbingLink,
        Self::DanglingLink,
        Self::DeepDanglingLink,
        Self::Loop,
        Self::LinkToDescriptor(3),
        Self::LinkToDescriptor(4),
        Self::LinkToDescriptor(5),
        Self::LinkToDescriptor(6),
        Self::LinkToDescriptor(7),
        Self::LinkToFirstRoot,
        Self::Missing,
        Self::File,
        Self::Directory,
        Self::Fifo,
        Self::EndlessDevice,
        Self::BlockDevice,
        Self::Socket,
        Self::ImmutableDirectory,
        Self::ImmutableFile,
        Self::ClosedDirectory,
        Self::ClosedFile,
    ];

    /// Where the link leads, if it is one.
    fn leads_to(self, victim: &Path) -> Option<PathBuf> {
        let below = victim.strip_prefix("/").unwrap_or(victim);
        Some(match self {
            Self::Link => victim.to_path_buf(),
            Self::LinkToFile => victim.join("passwd"),
            Self::ClimbingLink => Path::new(&"../".repeat(24)).join(below),
            Self::DanglingLink => victim.join("made"),
            Self::DeepDanglingLink => victim.join("made/deep/below"),
            Self::LinkToDescriptor(number) => {
                Path::new("/proc/self/fd").join(number.to_string()).join("../".repeat(24)).join(below)
            }
            Self::LinkToFirstRoot => Path::new("/proc/1/root").join(below),
            _ => return None,
        })
    }

    /// Puts it at `place` in the image, in the stead of what is there.
    ///
    /// # Errors
    /// Those of the calls that make it.
    pub fn plant(self, root: &Path, place: &str, victim: &Path) -> io::Result<Planted> {
        let path = root.join(place);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match path.symlink_metadata() {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path)?,
            Ok(_) => fs::remove_file(&path)?,
            Err(_) => {}
        }
        if let Some(to) = self.leads_to(victim) {
            symlink(to, &path)?;
            return Ok(Planted { path, immutable: None });
        }
        let immutable = match self {
            Self::Loop => symlink(path.file_name().unwrap_or_default(), &path).map(|()| None)?,
            Self::File => fs::write(&path, "a file\n").map(|()| None)?,
            Self::Directory => fs::create_dir(&path).map(|()| None)?,
            Self::Fifo => node(&path, FileType::Fifo, 0)?,
            Self::EndlessDevice => node(&path, FileType::CharacterDevice, makedev(1, 5))?,
            Self::BlockDevice => node(&path, FileType::BlockDevice, makedev(7, 0))?,
            Self::Socket => node(&path, FileType::Socket, 0)?,
            Self::ImmutableDirectory => {
                fs::create_dir(&path)?;
                immutable(&path)?
            }
            Self::ImmutableFile => {
                fs::write(&path, "immutable\n")?;
                immutable(&path)?
            }
            Self::ClosedDirectory => {
                fs::create_dir(&path)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).map(|()| None)?
            }
            Self::ClosedFile => {
                fs::write(&path, "closed\n")?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).map(|()| None)?
            }
            _ => None,
        };
        Ok(Planted { path, immutable })
    }
}

fn node(path: &Path, kind: FileType, device: u64) -> io::Result<Option<File>> {
    mknodat(CWD, path, kind, Mode::from_raw_mode(0o666), device)?;
    Ok(None)
}

/// Makes a path immutable. A file system that knows no such thing (a tmpfs of an older kernel) leaves it as
/// it is: an ordinary trap then.
fn immutable(path: &Path) -> io::Result<Option<File>> {
    let file = File::open(path)?;
    let made = ioctl_getflags(&file).and_then(|flags| ioctl_setflags(&file, flags | IFlags::IMMUTABLE));
    Ok(made.is_ok().then_some(file))
}

/// A trap that is set. It can be removed again when this is dropped.
pub struct Planted {
    /// Where.
    pub path: PathBuf,
    immutable: Option<File>,
}

impl Drop for Planted {
    fn drop(&mut self) {
        if let Some(file) = &self.immutable {
            let _ = ioctl_getflags(file).and_then(|flags| ioctl_setflags(file, flags - IFlags::IMMUTABLE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn places_and_kinds_are_there_once() {
        assert_eq!(PLACES.iter().collect::<BTreeSet<_>>().len(), PLACES.len());
        let kinds: BTreeSet<String> = Trap::ALL.iter().map(|trap| format!("{trap:?}")).collect();
        assert_eq!(kinds.len(), Trap::ALL.len());
    }

    #[test]
    fn links_lead_to_the_victim() {
        let to = |trap: Trap| trap.leads_to(Path::new("/a/victim")).map(|path| path.display().to_string());
        assert_eq!(to(Trap::Link).as_deref(), Some("/a/victim"));
        assert!(to(Trap::ClimbingLink).is_some_and(|path| path.ends_with("../../a/victim")));
        assert!(to(Trap::LinkToDescriptor(4)).is_some_and(|path| path.starts_with("/proc/self/fd/4/../")));
        assert_eq!(to(Trap::Fifo), None);
    }
}
