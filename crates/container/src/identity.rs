//! Who a command runs as: one strict parser, and the container's own passwd and group files.

use std::ffi::CString;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sys::Errno;
use sys::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, fstatfs, openat, openat2};

use crate::Failure;

/// What helps where a user or group of a container is not found.
pub const HINT: &str =
    "those that it has are in its /etc/passwd and /etc/group; a number needs no entry there";

/// User and groups by number, and the home directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Value of HOME.
    pub home: String,
}

impl Identity {
    /// The default: root.
    pub fn root() -> Self {
        Self { uid: 0, gid: 0, groups: Vec::new(), home: String::from("/root") }
    }
}

/// A user or a group as it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Given<'t> {
    Number(u32),
    Name(&'t str),
}

/// The largest passwd or group file that is read. They belong to the image, and may be anything.
const LARGEST: u64 = 4 << 20;

/// Reads `USER[:GROUP]`, and looks names up in the files of `rootfs`.
///
/// A number is a number, whatever a file says (CVE-2026-30892); everything that is neither a number nor the
/// name of somebody is an error.
pub fn find(text: &str, rootfs: &Path) -> Result<Identity, Failure> {
    let (user, group) = parse(text)?;
    let passwd = read_below(rootfs, "etc/passwd")?;
    let entry = lines(&passwd).find(|fields| match user {
        Given::Number(number) => fields.get(2).and_then(|id| id.parse().ok()) == Some(number),
        Given::Name(name) => fields.first() == Some(&name),
    });
    let number = |index: usize| entry.as_ref().and_then(|fields| fields.get(index)?.parse::<u32>().ok());
    let uid = match user {
        Given::Number(number) => number,
        Given::Name(name) => number(2)
            .ok_or_else(|| unknown(text, &format!("no user {name:?} in the container's /etc/passwd")))?,
    };
    let home = entry.as_ref().and_then(|fields| fields.get(5)).filter(|home| home.starts_with('/'));
    let home = home.map_or(if uid == 0 { "/root" } else { "/" }, |home| home).to_string();
    if let Some(group) = group {
        let gid = group_number(text, group, rootfs)?;
        return Ok(Identity { uid, gid, groups: Vec::new(), home });
    }
    let gid = number(3).unwrap_or(0);
    let member = entry.as_ref().and_then(|fields| fields.first().copied());
    let groups = member.map_or(Ok(Vec::new()), |name| groups_of(name, rootfs))?;
    Ok(Identity { uid, gid, groups, home })
}

/// Whether `USER[:GROUP]` can be somebody. Who a name is only the container's files say.
///
/// # Errors
/// What is wrong with it.
pub fn check(text: &str) -> Result<(), Failure> {
    parse(text).map(drop)
}

fn group_number(text: &str, group: Given<'_>, rootfs: &Path) -> Result<u32, Failure> {
    let name = match group {
        Given::Number(number) => return Ok(number),
        Given::Name(name) => name,
    };
    let file = read_below(rootfs, "etc/group")?;
    lines(&file)
        .find(|fields| fields.first() == Some(&name))
        .and_then(|fields| fields.get(2)?.parse().ok())
        .ok_or_else(|| unknown(text, &format!("no group {name:?} in the container's /etc/group")))
}

/// The groups that list a user as a member.
fn groups_of(name: &str, rootfs: &Path) -> Result<Vec<u32>, Failure> {
    let file = read_below(rootfs, "etc/group")?;
    let mut groups: Vec<u32> = lines(&file)
        .filter(|fields| fields.get(3).is_some_and(|members| members.split(',').any(|one| one == name)))
        .filter_map(|fields| fields.get(2)?.parse().ok())
        .collect();
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}

fn unknown(text: &str, why: &str) -> Failure {
    Failure::usage(format!("--user {text:?}: {why}"))
}

fn parse(text: &str) -> Result<(Given<'_>, Option<Given<'_>>), Failure> {
    let one = |part: &'_ str| -> Result<(), Failure> {
        let printable = part.bytes().all(|byte| byte.is_ascii_graphic() && !b":/,".contains(&byte));
        match part {
            "" => Err(unknown(text, "a user or group is missing; as in 1000, 1000:100, name:group")),
            _ if part.starts_with(['-', '+']) || !printable => {
                Err(unknown(text, &format!("{part:?} is no user or group")))
            }
            _ => Ok(()),
        }
    };
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    one(user)?;
    group.map_or(Ok(()), one)?;
    Ok((given(text, user)?, group.map(|group| given(text, group)).transpose()?))
}

fn given<'t>(text: &str, part: &'t str) -> Result<Given<'t>, Failure> {
    if !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Given::Name(part));
    }
    match part.parse() {
        Ok(number) if number != u32::MAX => Ok(Given::Number(number)),
        _ => Err(unknown(text, &format!("{part} is not in 0 to 4294967294"))),
    }
}

fn lines(file: &str) -> impl Iterator<Item = Vec<&str>> {
    file.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(':').collect())
}

/// Types of file systems (statfs(2)) whose files are made when they are read: proc, sysfs, debugfs, tracefs, cgroup,
/// cgroup2, FUSE.
const NO_DISKS: [u64; 7] =
    [0x9fa0, 0x6265_6572, 0x6462_6720, 0x7472_6163, 0x0027_e0eb, 0x6367_7270, 0x6573_5546];

/// A text file of the image, found beneath its root; a missing one is empty. It may be a fifo or a device to
/// keep us waiting, or huge.
fn read_below(rootfs: &Path, name: &str) -> Result<String, Failure> {
    let shown = rootfs.join(name);
    let failed =
        |errno: Errno| Failure::ours(format!("{}: {}", shown.display(), sys::strerror::describe(errno)));
    let path = CString::new(rootfs.as_os_str().as_bytes()).map_err(|_| failed(Errno::INVAL))?;
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, path.as_c_str(), directory, Mode::empty()).map_err(failed)?;
    let place = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let place = match openat2(&root, name, place, Mode::empty(), resolve) {
        Ok(place) => place,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(String::new()),
        Err(errno) => return Err(failed(errno)),
    };
    // Opening a device or a fifo has effects: the type is known first, and the same file is opened then.
    let stat = fstat(&place).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Failure::ours(format!("{}: not a regular file", shown.display())));
    }
    // A file of the kernel's, or of a program's in the container, may keep us waiting too, /proc/kmsg for ever.
    let kind = fstatfs(&place).map_err(failed)?.f_type as u64;
    if NO_DISKS.contains(&kind) {
        return Err(Failure::ours(format!("{}: in a file system that is no disk's", shown.display())));
    }
    let told = |error: std::io::Error| Failure::io(shown.display(), &error);
    let again = format!("/proc/self/fd/{}", place.as_raw_fd());
    let mut bytes = Vec::new();
    std::fs::File::open(again).map_err(told)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::ours(format!("{}: larger than 4 MiB", shown.display())));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_numbers_and_garbage_is_refused() {
        assert_eq!(parse("1").unwrap(), (Given::Number(1), None));
        assert_eq!(parse("01:2").unwrap(), (Given::Number(1), Some(Given::Number(2))));
        assert_eq!(parse("www:adm").unwrap(), (Given::Name("www"), Some(Given::Name("adm"))));
        for text in
            ["", ":", "1:", ":1", "-1", "+1", "1:-1", "4294967295", "4294967296", "a b", "a:b:c", "a/b"]
        {
            assert!(parse(text).is_err(), "{text:?} was taken");
        }
    }
}
