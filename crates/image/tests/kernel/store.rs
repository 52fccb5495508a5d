//! The store: names, layers that are shared, what is collected, and what a killed process leaves.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::time::Duration;

use image::{Error, LayerId, Limits, Source, Store};
use sys::fd::AsFd;

use crate::ground::{Ground, name, names, see};
use crate::streams::gzip;
use crate::tar::Tar;

#[test]
fn a_store_is_for_its_owner_alone() {
    let ground = Ground::new();
    for directory in ["", "layers", "images", "instances", "tmp"] {
        let mode = fs::metadata(ground.at.join("store").join(directory)).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o700, "{directory}");
    }
    let image = ground.import(Tar::new().mode(b'0', "su", 0o4755).finish(), "a", &Limits::default());
    let layer = ground.store.layer_paths(&image.unwrap().image)[0].parent().unwrap().to_path_buf();
    assert_eq!(fs::metadata(layer).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn a_name_is_never_overwritten() {
    let ground = Ground::new();
    let first = ground.import(Tar::new().file("a", "1").finish(), "taken", &Limits::default()).unwrap().image;
    let second = ground.import(Tar::new().file("a", "2").finish(), "taken", &Limits::default());
    assert!(matches!(second, Err(Error::Exists(_))));
    assert_eq!(ground.store.image(&name("taken")).unwrap(), first);
    assert_eq!(ground.layers().len(), 1);
}

#[test]
fn a_store_that_is_opened_again_has_what_it_had() {
    let ground = Ground::new();
    let image = ground.import(Tar::new().file("a", "1").finish(), "a:1", &Limits::default()).unwrap().image;
    let again = Store::open(&ground.at.join("store")).unwrap();
    assert_eq!(again.images().unwrap(), [image]);
    assert!(matches!(again.image(&name("b")), Err(Error::Missing(_))));
    assert!(matches!(again.remove_image(&name("b")), Err(Error::Missing(_))));
}

#[test]
fn layers_are_collected_when_no_image_and_no_instance_has_them() {
    let ground = Ground::new();
    let tar = Tar::new().file("a", "12345").finish();
    let one = ground.import(tar.clone(), "one", &Limits::default()).unwrap().image;
    ground.import(gzip(&tar), "two", &Limits::default()).unwrap();
    let collect = |in_use: &[LayerId]| ground.store.collect(|| in_use.iter().cloned().collect()).unwrap();
    ground.store.remove_image(&name("one")).unwrap();
    assert_eq!(collect(&[]), 0);
    let two = ground.store.image(&name("two")).unwrap();
    let kept = ground.store.keep(&two).unwrap();
    ground.store.remove_image(&name("two")).unwrap();
    assert_eq!((collect(&one.layers), collect(&[])), (0, 0));
    drop(kept);
    assert_eq!(collect(&one.layers), 0);
    assert_eq!(ground.layers().len(), 1);
    assert_eq!(collect(&[]), 5);
    // What is gone cannot be kept.
    assert!(matches!(ground.store.keep(&two), Err(Error::Missing(_))));
    assert!(ground.layers().is_empty());
    ground.check();
}

#[test]
fn a_damaged_record_of_an_image_keeps_its_layers() {
    let ground = Ground::new();
    ground.import(Tar::new().file("a", "1").finish(), "one", &Limits::default()).unwrap();
    fs::write(ground.at.join("store/images/one.json"), "{").unwrap();
    assert!(ground.store.collect(BTreeSet::new).is_err());
    assert_eq!(ground.layers().len(), 1);
}

#[test]
fn imports_of_one_image_at_the_same_time_end_with_one_layer_and_their_names() {
    let ground = Ground::new();
    let tar = (0..200).fold(Tar::new(), |tar, number| tar.file(&format!("f{number}"), "x")).finish();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (store, tar) = (&ground.store, tar.clone());
            scope.spawn(move || {
                let source = Source::Reader(Box::new(std::io::Cursor::new(tar)));
                store.import(source, &name(&format!("i{number}")), &Limits::default(), &mut ()).unwrap();
                store.collect(BTreeSet::new).unwrap();
            });
        }
    });
    ground.check();
    assert_eq!(ground.layers().len(), 1);
    assert_eq!(ground.store.images().unwrap().len(), 8);
}

#[test]
fn what_is_half_made_is_cleaned() {
    let ground = Ground::new();
    let tmp = ground.at.join("store/tmp");
    fs::create_dir_all(tmp.join("1-0/1/fs/a/b")).unwrap();
    std::os::unix::fs::symlink(ground.canary(), tmp.join("1-0/1/fs/out")).unwrap();
    std::os::unix::fs::symlink(ground.canary(), tmp.join("link")).unwrap();
    fs::write(tmp.join("file"), "").unwrap();
    ground.store.clean().unwrap();
    ground.check();
}

/// A tree that no path reaches the bottom of, made from the bottom up.
fn make_deep(at: &std::path::Path, depth: usize) {
    let parent = fs::File::open(at).unwrap();
    let mode = sys::fs::Mode::from_raw_mode(0o755);
    sys::fs::mkdirat(&parent, "deep", mode).unwrap();
    for _ in 1..depth {
        sys::fs::mkdirat(&parent, "above", mode).unwrap();
        sys::fs::renameat(&parent, "deep", &parent, "above/deep").unwrap();
        sys::fs::renameat(&parent, "above", &parent, "deep").unwrap();
    }
}

#[test]
fn a_tree_a_hundred_thousand_deep_is_removed() {
    let ground = Ground::new();
    let tmp = ground.at.join("store/tmp");
    make_deep(&tmp, 100_000);
    fs::create_dir_all(tmp.join("deep/.removed-1/x")).unwrap();
    let before = fs::read_dir("/proc/self/fd").unwrap().count();
    image::remove_tree(fs::File::open(&tmp).unwrap().as_fd(), b"deep").unwrap();
    assert!(fs::read_dir("/proc/self/fd").unwrap().count() < before + 100);
    ground.check();
}

#[test]
fn a_tree_is_removed_whatever_is_in_it_and_what_its_links_lead_to_is_not() {
    let ground = Ground::new();
    let tmp = ground.at.join("store/tmp");
    for wide in 0..30 {
        for file in 0..30 {
            fs::create_dir_all(tmp.join(format!("t/d{wide}/e{file}"))).unwrap();
            fs::write(tmp.join(format!("t/d{wide}/f{file}")), "").unwrap();
        }
    }
    std::os::unix::fs::symlink(ground.canary(), tmp.join("t/d1/out")).unwrap();
    fs::hard_link(ground.at.join("store/images").join("../tmp/t/d2/f2"), tmp.join("t/hard")).unwrap();
    fs::set_permissions(tmp.join("t/d3"), fs::Permissions::from_mode(0o0)).unwrap();
    let directory = fs::File::open(&tmp).unwrap();
    for name in ["t", "t", "nothing"] {
        image::remove_tree(directory.as_fd(), name.as_bytes()).unwrap();
    }
    fs::write(tmp.join("file"), "").unwrap();
    image::remove_tree(directory.as_fd(), b"file").unwrap();
    ground.check();
}

/// Not a test of its own: what the next one starts and kills.
#[test]
fn import_for_the_test_of_kills() {
    let Some(at) = std::env::var_os("HUSK_IMAGE_KILL") else { return };
    let store = Store::open(at.as_ref()).unwrap();
    let source = Source::open(&std::path::Path::new(&at).join("archive")).unwrap();
    store.import(source, &name("killed"), &Limits::default(), &mut ()).unwrap();
}

#[test]
fn an_import_killed_at_any_time_leaves_the_old_state_or_the_new_one() {
    let ground = Ground::on_disk();
    let at = ground.at.join("store");
    ground.import(Tar::new().file("old", "1").finish(), "old", &Limits::default()).unwrap();
    let content = "x".repeat(40_000);
    let tar =
        (0..400).fold(Tar::new(), |tar, number| tar.file(&format!("d{}/f{number}", number % 20), &content));
    let archive = ground.at.join("store/archive");
    fs::write(&archive, tar.finish()).unwrap();
    let contents = |tree: &std::path::Path| -> Vec<_> {
        see(tree).into_iter().map(|(path, seen)| (path, seen.inode, seen.content)).collect()
    };
    let (old_layers, old_images) = (contents(&at.join("layers")), contents(&at.join("images")));
    let (mut killed, mut ended) = (0, 0);
    for round in 0..30 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::import_for_the_test_of_kills", "--test-threads=1"])
            .env("HUSK_IMAGE_KILL", &at)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(3000 + round * 6000));
        child.kill().unwrap();
        let is_done = child.wait().unwrap().success();
        let store = Store::open(&at).unwrap();
        store.clean().unwrap();
        match store.image(&name("killed")) {
            Ok(image) => {
                ended += 1;
                for path in store.layer_paths(&image) {
                    assert_eq!(fs::read(path.join("d19/f399")).unwrap(), content.as_bytes());
                }
                store.remove_image(&name("killed")).unwrap();
            }
            Err(Error::Missing(_)) => {
                assert!(!is_done);
                killed += 1;
            }
            Err(other) => panic!("{other}"),
        }
        store.collect(BTreeSet::new).unwrap();
        assert_eq!(contents(&at.join("layers")), old_layers);
        assert_eq!(contents(&at.join("images")), old_images);
        assert!(names(&at.join("tmp")).is_empty());
    }
    assert!(killed > 0, "{killed} killed, {ended} ended");
    fs::remove_file(archive).unwrap();
    ground.check();
}

/// So many thousand entries, made as they are asked for: one file in each directory of a thousand, and hard links to it, since what is measured is not how fast a file system makes inodes.
struct Many {
    thousands: u32,
    at: u32,
    rest: Vec<u8>,
}

impl std::io::Read for Many {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty() {
            let (directory, number) = (self.at / 1000, self.at % 1000);
            let tar = Tar::new();
            self.rest = match (directory, number) {
                (at, 0) if at == self.thousands => tar.finish(),
                (at, _) if at == self.thousands => return Ok(0),
                (_, 0) => tar.directory(&format!("d{directory}")).unfinished(),
                (_, 1) => tar.file(&format!("d{directory}/first"), "x").unfinished(),
                _ => tar
                    .hard_link(&format!("d{directory}/f{number}"), &format!("d{directory}/first"))
                    .unfinished(),
            };
            self.at += 1;
        }
        let count = self.rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

/// Not a test of its own: what the next one starts, since other tests take memory too.
#[test]
fn import_for_the_test_of_memory() {
    let Some(at) = std::env::var_os("HUSK_IMAGE_MEMORY") else { return };
    let thousands = std::env::var("HUSK_IMAGE_THOUSANDS").unwrap().parse().unwrap();
    let store = Store::open(at.as_ref()).unwrap();
    let source = Source::Reader(Box::new(Many { thousands, at: 0, rest: Vec::new() }));
    store.import(source, &name("many"), &Limits::default(), &mut ()).unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 50_000, "{peak} kB");
}

fn import_many(thousands: usize) {
    let ground = Ground::new();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::import_for_the_test_of_memory", "--test-threads=1"])
        .env("HUSK_IMAGE_MEMORY", ground.at.join("store"))
        .env("HUSK_IMAGE_THOUSANDS", thousands.to_string())
        .status();
    assert!(status.unwrap().success());
    let image = ground.store.image(&name("many")).unwrap();
    assert_eq!(names(&ground.store.layer_paths(&image)[0]).len(), thousands);
    ground.store.remove_image(&name("many")).unwrap();
    ground.store.collect(BTreeSet::new).unwrap();
    ground.check();
}

/// A hundred thousand entries, or as many thousands as HUSK_THOUSANDS says; a million takes a minute.
#[test]
fn any_number_of_entries_takes_bounded_memory() {
    let thousands = std::env::var("HUSK_THOUSANDS").map_or(100, |text| text.parse().expect("a number"));
    import_many(thousands);
}
