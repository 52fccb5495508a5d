//! Archives of hostile instances.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use image::tar::Writer;

use super::*;

/// An archive of entries: type, name, what it leads to or holds.
fn archive(entries: &[(Kind, &str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    for (kind, name, text) in entries {
        let is_file = *kind == Kind::File;
        let entry = Entry {
            size: if is_file { text.len() as u64 } else { 0 },
            link: if is_file { Vec::new() } else { text.as_bytes().to_vec() },
            ..entry(*kind, name)
        };
        writer.header(&entry).unwrap();
        if is_file {
            writer.content(text.as_bytes()).unwrap();
        }
    }
    writer.finish().unwrap();
    bytes
}

fn entry(kind: Kind, name: &str) -> Entry {
    Entry {
        path: name.as_bytes().to_vec(),
        kind,
        mode: 0o6755,
        uid: 0,
        gid: 0,
        mtime: Time { seconds: 1_000_000_000, nanoseconds: 0 },
        size: 0,
        link: Vec::new(),
        device: (0, 0),
        xattrs: Vec::new(),
        map: None,
    }
}

struct Ground(PathBuf);

impl Ground {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("husk-unpack-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("to")).unwrap();
        fs::create_dir_all(path.join("outside")).unwrap();
        Self(path)
    }

    fn unpack(&self, to: &str, entries: &[(Kind, &str, &str)]) -> Result<(), Failure> {
        unpack(archive(entries).as_slice(), &self.0.join(to), &mut 0)
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
        (Kind::Directory, "x/", ""),
        (Kind::File, "x/a", "text"),
        (Kind::Symlink, "x/link", "a"),
        (Kind::HardLink, "x/hard", "x/a"),
        (Kind::Directory, "x/d/", ""),
        (Kind::File, "x/d/b", ""),
        (Kind::Fifo, "x/pipe", ""),
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
    ground.unpack("to", &[(Kind::File, "x", "text")]).unwrap();
    assert_eq!(fs::read_to_string(ground.0.join("to/x")).unwrap(), "text");
    let entries = [
        (Kind::Directory, "./", ""),
        (Kind::File, "./a", "b"),
        (Kind::File, ".c", "d"),
        // Not the directory's own name, which none of these has before it.
        (Kind::File, "x", "e"),
        (Kind::HardLink, "l", "x"),
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
    let cases: &[&[(Kind, &str, &str)]] = &[
        &[(Kind::File, "x/../../outside/a", "")],
        &[(Kind::File, "../outside/a", "")],
        &[(Kind::Symlink, "x", outside), (Kind::File, "x/a", "")],
        &[(Kind::Symlink, "x", "../outside"), (Kind::File, "x/a", "")],
        &[(Kind::Symlink, "x", "../outside"), (Kind::Directory, "x", "")],
        &[(Kind::Directory, "x", ""), (Kind::Symlink, "x/l", outside), (Kind::File, "x/l/a", "")],
        &[(Kind::Directory, "x", ""), (Kind::HardLink, "x/l", "x/../../outside")],
    ];
    for (number, case) in cases.iter().enumerate() {
        let to = format!("to/{number}");
        fs::create_dir(ground.0.join(&to)).unwrap();
        assert!(ground.unpack(&to, case).is_err(), "{case:?}");
        assert_eq!(ground.outside(), 0, "{case:?}");
    }
    // An absolute name is refused, and not bent to another.
    ground.unpack("to/0", &[(Kind::File, "/outside", "")]).unwrap_err();
}

#[test]
fn an_archive_that_breaks_off_is_an_error() {
    let ground = Ground::new("broken");
    let whole = archive(&[(Kind::File, "x", &"text".repeat(500))]);
    let to = ground.0.join("to");
    assert!(unpack(&whole[..700], &to, &mut 0).is_err());
    assert!(unpack(&whole[..whole.len() - 1024], &to, &mut 0).is_err(), "an end that is not marked");
    assert!(unpack(&b"no archive at all, by far".repeat(50)[..], &to, &mut 0).is_err());
}

#[test]
fn holes_stay_holes() {
    let ground = Ground::new("holes");
    let size = 10 << 30;
    let map = vec![Segment { offset: 1 << 20, length: 4096 }, Segment { offset: 5 << 30, length: 8192 }];
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.header(&Entry { size, map: Some(map), ..entry(Kind::File, "x") }).unwrap();
    writer.content(&[b'a'; 4096 + 8192]).unwrap();
    writer.finish().unwrap();
    unpack(bytes.as_slice(), &ground.0.join("to"), &mut 0).unwrap();
    let metadata = fs::metadata(ground.0.join("to/x")).unwrap();
    assert_eq!(metadata.size(), size);
    assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
    let mut read = [0; 3];
    let file = File::open(ground.0.join("to/x")).unwrap();
    file.read_exact_at(&mut read, (5 << 30) - 1).unwrap();
    assert_eq!(&read, b"\0aa");
}
