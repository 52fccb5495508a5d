//! Archives of hostile instances.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use tar::{Builder, Header};

use super::*;

/// An archive of entries: type, name, what it leads to or holds.
fn archive(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, text) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o6755);
        header.set_mtime(1_000_000_000);
        // As a name is written by who means no good: set_path refuses `..`.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        let body = if kind.is_file() { text.as_bytes() } else { b"" };
        if !kind.is_file() && !text.is_empty() {
            header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_size(body.len() as u64);
        header.set_cksum();
        builder.append(&header, body).unwrap();
    }
    builder.into_inner().unwrap()
}

struct Ground(PathBuf);

impl Ground {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("husk-unpack-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("to")).unwrap();
        fs::create_dir_all(path.join("outside")).unwrap();
        Self(path)
    }

    fn unpack(&self, to: &str, entries: &[(EntryType, &str, &str)]) -> Result<(), Failure> {
        let target = Target::of(&self.0.join(to), "/srv/x").unwrap();
        unpack(archive(entries).as_slice(), &target)
    }

    fn outside(&self) -> usize {
        fs::read_dir(self.0.join("outside")).unwrap().count()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_tree_is_unpacked_under_the_name_that_was_asked_for() {
    let ground = Ground::new("tree");
    let entries = [
        (EntryType::Directory, "x/", ""),
        (EntryType::Regular, "x/a", "text"),
        (EntryType::Symlink, "x/link", "a"),
        (EntryType::Link, "x/hard", "x/a"),
        (EntryType::Directory, "x/d/", ""),
        (EntryType::Regular, "x/d/b", ""),
        (EntryType::Fifo, "x/pipe", ""),
    ];
    ground.unpack("to", &entries).unwrap();
    ground.unpack("to/new", &entries).unwrap();
    for root in ["to/x", "to/new"] {
        let root = ground.0.join(root);
        assert_eq!(fs::read_to_string(root.join("a")).unwrap(), "text");
        assert_eq!(fs::read_link(root.join("link")).unwrap(), Path::new("a"));
        assert_eq!(fs::read_to_string(root.join("hard")).unwrap(), "text");
        assert!(root.join("d/b").exists() && !root.join("pipe").exists());
        let metadata = fs::metadata(root.join("a")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o755, "no set-id bit survives");
        assert_eq!(fs::metadata(root.join("d")).unwrap().modified().unwrap(), metadata.modified().unwrap());
    }
}

#[test]
fn a_directory_may_be_called_dot_and_a_file_replaces_a_link() {
    let ground = Ground::new("dot");
    symlink("../outside/file", ground.0.join("to/x")).unwrap();
    ground.unpack("to", &[(EntryType::Regular, "x", "text")]).unwrap();
    assert_eq!(fs::read_to_string(ground.0.join("to/x")).unwrap(), "text");
    let entries = [
        (EntryType::Directory, "./", ""),
        (EntryType::Regular, "./a", "b"),
        (EntryType::Regular, ".c", "d"),
        // Not the directory's own name, which none of these has before it.
        (EntryType::Regular, "x", "e"),
        (EntryType::Link, "l", "x"),
    ];
    ground.unpack("to/y", &entries).unwrap();
    assert_eq!(fs::read_to_string(ground.0.join("to/y/a")).unwrap(), "b");
    assert_eq!(fs::read_to_string(ground.0.join("to/y/.c")).unwrap(), "d");
    assert_eq!(fs::read_to_string(ground.0.join("to/y/l")).unwrap(), "e");
    assert_eq!(ground.outside(), 0);
}

#[test]
fn no_archive_writes_outside_of_its_target() {
    let ground = Ground::new("hostile");
    let outside = ground.0.join("outside");
    let outside = outside.to_str().unwrap();
    let cases: &[&[(EntryType, &str, &str)]] = &[
        &[(EntryType::Regular, "x/../../outside/a", "")],
        &[(EntryType::Regular, "../outside/a", "")],
        &[(EntryType::Symlink, "x", outside), (EntryType::Regular, "x/a", "")],
        &[(EntryType::Symlink, "x", "../outside"), (EntryType::Regular, "x/a", "")],
        &[(EntryType::Symlink, "x", "../outside"), (EntryType::Directory, "x", "")],
        &[
            (EntryType::Directory, "x", ""),
            (EntryType::Symlink, "x/l", outside),
            (EntryType::Regular, "x/l/a", ""),
        ],
        &[(EntryType::Directory, "x", ""), (EntryType::Link, "x/l", "x/../../outside")],
    ];
    for (number, case) in cases.iter().enumerate() {
        let to = format!("to/{number}");
        fs::create_dir(ground.0.join(&to)).unwrap();
        assert!(ground.unpack(&to, case).is_err(), "{case:?}");
        assert_eq!(ground.outside(), 0, "{case:?}");
    }
    // An absolute name is refused, and not bent to another.
    ground.unpack("to/0", &[(EntryType::Regular, "/outside", "")]).unwrap_err();
}

#[test]
fn an_archive_that_breaks_off_is_an_error() {
    let ground = Ground::new("broken");
    let whole = archive(&[(EntryType::Regular, "x", &"text".repeat(500))]);
    let target = Target::of(&ground.0.join("to"), "/x").unwrap();
    assert!(unpack(&whole[..700], &target).is_err());
    assert!(unpack(&b"no archive at all, by far".repeat(50)[..], &target).is_err());
}
