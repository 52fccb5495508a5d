//! A disk that gets full in the middle of something, in a mount namespace that goes away with it.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{Config, Error, Limits};

use crate::documents::{digest, oci};
use crate::ground::{Ground, name, names};
use crate::tar::Tar;

/// How a small file system comes to be at $1; $2 is a file that may be a disk.
const TMPFS: &str = "mount -t tmpfs -o size=16m,nr_inodes=200 none \"$1\"";
const EXT4: &str =
    "truncate -s 24M \"$2\" && mke2fs -q -F -t ext4 -N 200 \"$2\" && mount -o loop \"$2\" \"$1\"";

/// Nothing has to stay free: the disk is to get full.
fn limits() -> Limits {
    Limits { reserve: 0, ..Limits::default() }
}

/// Runs the test once more in a process of its own, on each small file system; there it gets the place.
fn on_small_disks(test: &str) -> Option<PathBuf> {
    if let Some(place) = std::env::var_os("HUSK_IMAGE_FULL") {
        return Some(place.into());
    }
    for (kind, mount) in [("tmpfs", TMPFS), ("ext4", EXT4)] {
        let place = std::env::temp_dir().join(format!("husk-image-{kind}-{test}-{}", std::process::id()));
        fs::create_dir(&place).unwrap();
        let disk = place.with_extension("disk");
        let status = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-ec"])
            .arg(format!("{mount}; shift 2; exec \"$@\""))
            .args(["sh".as_ref(), place.as_os_str(), disk.as_os_str()])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &format!("full::{test}"), "--test-threads=1"])
            .env("HUSK_IMAGE_FULL", &place)
            .status();
        let _ = fs::remove_file(&disk);
        fs::remove_dir(&place).unwrap();
        assert!(status.unwrap().success(), "on {kind}");
    }
    None
}

/// What is free, in blocks and inodes.
fn free(place: &Path) -> (u64, u64) {
    let stat = sys::fs::statvfs(place).unwrap();
    (stat.f_bfree * stat.f_frsize, stat.f_ffree)
}

/// Nothing is left of what failed: no layer, no image, and what it took of the disk is free again.
#[track_caller]
fn demand_nothing_left(ground: &Ground, before: (u64, u64)) {
    ground.check();
    assert_eq!(ground.layers(), Vec::<String>::new());
    assert_eq!(names(&ground.at.join("store/images")), Vec::<String>::new());
    let after = free(&ground.at);
    // A directory that has had many names may keep its blocks.
    assert!(after.0 + (64 << 10) >= before.0 && after.1 == before.1, "{before:?} became {after:?}");
}

#[track_caller]
fn demand_words(error: &Error, words: &str) {
    assert_eq!(error.to_string(), words);
    assert!(matches!(error, Error::System { errno: sys::Errno::NOSPC, .. }), "{error:?}");
}

fn large() -> String {
    "x".repeat(32 << 20)
}

#[test]
fn an_import_that_fills_the_disk_names_the_file_and_leaves_nothing() {
    let Some(place) = on_small_disks("an_import_that_fills_the_disk_names_the_file_and_leaves_nothing")
    else {
        return;
    };
    let ground = Ground::within(&place);
    let before = free(&place);
    let tar = || Tar::new().file("d/small", "1").file("d/large", &large()).file("d/after", "2");
    let error = ground.import(tar().finish(), "full", &limits()).unwrap_err();
    demand_words(&error, "write entry d/large: No space left on device");
    demand_nothing_left(&ground, before);
    // Many names, and no bytes in them.
    let many = (0..1000).fold(Tar::new(), |tar, number| tar.file(&format!("f{number}"), ""));
    let error = ground.import(many.finish(), "full", &limits()).unwrap_err().to_string();
    assert!(error.starts_with("make entry f") && error.ends_with("No space left on device"), "{error}");
    demand_nothing_left(&ground, before);
    // With what has to stay free by default it is not begun with.
    let error = ground.import(tar().finish(), "full", &Limits::default()).unwrap_err().to_string();
    assert!(error.starts_with("less than 64 MiB would stay free"), "{error}");
    demand_nothing_left(&ground, before);
    ground.import(Tar::new().file("small", "1").finish(), "full", &limits()).unwrap();
}

#[test]
fn of_several_layers_the_one_that_fills_the_disk_is_named() {
    let Some(place) = on_small_disks("of_several_layers_the_one_that_fills_the_disk_is_named") else {
        return;
    };
    let ground = Ground::within(&place);
    let before = free(&place);
    let bottom = Tar::new().file("a", "bottom").finish();
    let top = Tar::new().file("b/large", &large()).finish();
    // Packed, the archive itself has room.
    let packed = crate::streams::zstd(&top);
    let words = format!("write entry b/large of layer {}: No space left on device", digest(&packed));
    let archive = oci(&[(bottom.clone(), bottom), (packed, top)]);
    let error = ground.import(archive, "full", &limits()).unwrap_err();
    demand_words(&error, &words);
    demand_nothing_left(&ground, before);
}

#[test]
fn a_commit_that_fills_the_disk_names_the_file_and_leaves_nothing() {
    let Some(place) = on_small_disks("a_commit_that_fills_the_disk_names_the_file_and_leaves_nothing") else {
        return;
    };
    let ground = Ground::within(&place);
    let before = free(&place);
    // What is committed is elsewhere: it would have filled the disk itself.
    let elsewhere = Ground::on_disk();
    let upper = elsewhere.at.join("upper");
    fs::create_dir_all(upper.join("d")).unwrap();
    fs::write(upper.join("d/large"), large()).unwrap();
    let commit = |limits: &Limits| {
        let upper = fs::File::open(&upper).unwrap();
        ground.store.commit_changes(upper.as_fd(), &[], (&name("full"), Config::default()), limits, &mut ())
    };
    demand_words(&commit(&limits()).unwrap_err(), "write entry d/large: No space left on device");
    demand_nothing_left(&ground, before);
    fs::write(upper.join("d/large"), "less").unwrap();
    fs::remove_dir_all(elsewhere.at.join("canary")).unwrap();
    commit(&limits()).unwrap();
    ground.check();
}

#[test]
fn on_a_disk_that_is_full_already_nothing_begins_until_there_is_room() {
    let Some(place) = on_small_disks("on_a_disk_that_is_full_already_nothing_begins_until_there_is_room")
    else {
        return;
    };
    let ground = Ground::within(&place);
    let ballast = place.join("ballast");
    let mut bytes = vec![1u8; 1 << 20];
    let mut file = fs::File::create(&ballast).unwrap();
    while !bytes.is_empty() {
        match std::io::Write::write_all(&mut file, &bytes) {
            Ok(()) => {}
            Err(_) => bytes.truncate(bytes.len() / 2),
        }
    }
    drop(file);
    let tar = || Tar::new().file("f", "1").finish();
    let error = ground.import(tar(), "full", &limits()).unwrap_err().to_string();
    assert!(error.ends_with("No space left on device"), "{error}");
    assert_eq!(ground.layers(), Vec::<String>::new());
    fs::remove_file(&ballast).unwrap();
    ground.import(tar(), "full", &limits()).unwrap();
    ground.store.remove_image(&name("full")).unwrap();
    ground.store.collect(BTreeSet::new).unwrap();
    ground.check();
}
