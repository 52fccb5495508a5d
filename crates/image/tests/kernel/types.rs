//! Kinds of files, their modes and attributes.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use image::{Devices, Limits};

use crate::ground::{Ground, refused, taken, xattr};
use crate::tar::{Tar, header};

#[test]
fn device_nodes_are_left_out_by_name_unless_they_are_asked_for() {
    let tar =
        Tar::new().device(b'3', "dev/mem", (1, 1)).device(b'4', "dev/sda", (8, 0)).file("f", "").finish();
    let found = taken(tar.clone());
    assert_eq!(found.list(), ["d dev", "f f="]);
    assert!(found.warnings.lines()[0].starts_with("dev/mem: "), "{:?}", found.warnings);
    let ground = Ground::new();
    let limits = Limits { devices: Devices::Kept, ..Limits::default() };
    let image = ground.import(tar, "kept", &limits).unwrap().image;
    let tree = &ground.store.layer_paths(&image)[0];
    let device = fs::metadata(tree.join("dev/sda")).unwrap();
    assert!(device.file_type().is_block_device());
    assert_eq!(device.rdev(), 8 << 8);
}

#[test]
fn a_device_that_would_be_a_whiteout_is_refused() {
    refused(Tar::new().device(b'3', "etc", (0, 0)).finish(), "overlayfs' mark of a whiteout");
}

#[test]
fn a_block_device_0_0_is_no_whiteout_and_left_out() {
    assert!(taken(Tar::new().device(b'4', "x", (0, 0)).finish()).list().is_empty());
}

#[test]
fn many_devices_make_few_warnings() {
    let mut tar = Tar::new();
    for number in 0..1000 {
        tar = tar.device(b'3', &format!("d{number}"), (1, 3));
    }
    let warnings = taken(tar.finish()).warnings;
    assert_eq!((warnings.lines().len(), warnings.more()), (100, 900));
}

#[test]
fn set_id_and_sticky_bits_are_kept() {
    let tar = Tar::new().mode(b'0', "su", 0o4755).mode(b'0', "sg", 0o2711).mode(b'5', "tmp", 0o1777);
    let found = taken(tar.mode(b'5', "group", 0o2770).file("group/f", "").directory("group/d").finish());
    let mode = |name: &str| fs::metadata(found.tree.join(name)).unwrap().mode() & 0o7777;
    let modes = ["su", "sg", "tmp", "group", "group/f", "group/d"].map(mode);
    assert_eq!(modes, [0o4755, 0o2711, 0o1777, 0o2770, 0o644, 0o755]);
}

#[test]
fn a_directory_that_gives_its_group_away_does_not_give_it_to_what_the_archive_owns_otherwise() {
    let set = |block: &mut [u8; 512]| {
        block[100..108].copy_from_slice(b"0002755\0");
        block[116..124].copy_from_slice(b"0000144\0");
    };
    let tar = Tar::new().with(header(b'5', b"g", 0), set, b"").file("g/f", "").symlink("g/s", "x");
    let found = taken(tar.file("g/implicit/f", "").directory("g/d").finish());
    for name in ["g/f", "g/s", "g/implicit", "g/implicit/f", "g/d"] {
        let metadata = fs::symlink_metadata(found.tree.join(name)).unwrap();
        assert_eq!((metadata.gid(), metadata.mode() & 0o2000), (0, 0), "{name}");
    }
}

#[test]
fn bits_above_the_permissions_make_no_other_kind_of_file() {
    let found = taken(Tar::new().mode(b'0', "f", 0o120_644).finish());
    assert!(fs::symlink_metadata(found.tree.join("f")).unwrap().is_file());
}

#[test]
fn pipes_are_kept() {
    assert_eq!(taken(Tar::new().mode(b'6', "p", 0o600).finish()).list(), ["p p"]);
}

#[test]
fn entries_of_unknown_types_are_refused() {
    for kind in [b'8', b'A', b'D', b'M', b'N', 0xff, b' '] {
        refused(Tar::new().entry(kind, b"x", b"").finish(), "are not known here");
    }
}

#[test]
fn attributes_of_users_and_file_capabilities_are_kept_and_all_others_left_out() {
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let tar = Tar::new().pax(&[
        ("SCHILY.xattr.user.note", b"a\0b\n="),
        ("SCHILY.xattr.security.capability", capability),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.security.selinux", b"x"),
        ("SCHILY.xattr.system.posix_acl_access", b"x"),
    ]);
    let found = taken(tar.file("f", "").finish());
    let file = found.tree.join("f");
    assert_eq!(xattr(&file, "user.note").unwrap(), b"a\0b\n=");
    assert_eq!(xattr(&file, "security.capability").unwrap(), capability);
    for gone in ["trusted.overlay.opaque", "trusted.overlay.redirect", "user.overlay.opaque"] {
        assert_eq!(xattr(&file, gone), None, "{gone}");
    }
    assert_eq!(found.warnings.lines().len(), 5);
}

#[test]
fn an_archive_cannot_mark_a_directory_opaque_or_redirected() {
    let records: [(&str, &[u8]); 2] =
        [("SCHILY.xattr.trusted.overlay.opaque", b"y"), ("SCHILY.xattr.trusted.overlay.redirect", b"/etc")];
    let found = taken(Tar::new().pax(&records).directory("d").pax(&records).directory("./").finish());
    assert_eq!(found.list(), ["d d"]);
    assert_eq!(xattr(&found.tree, "trusted.overlay.redirect"), None);
}

#[test]
fn times_of_directories_survive_what_is_made_in_them() {
    let tar = Tar::new().directory("a").directory("a/b").file("a/b/c", "").file("x", "").file("a/d", "");
    let found = taken(tar.directory("./").file("a/b/e", "").finish());
    for name in ["", "a", "a/b", "a/b/c"] {
        assert_eq!(fs::metadata(found.tree.join(name)).unwrap().mtime(), 1_000_000_000, "{name}");
    }
}

#[test]
fn directories_that_no_entry_makes_are_ordinary_ones() {
    let found = taken(Tar::new().file("a/b/c", "").finish());
    let metadata = fs::metadata(found.tree.join("a/b")).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.uid(), metadata.mtime()), (0o755, 0, 0));
}

#[test]
fn the_last_entry_of_a_name_counts() {
    let tar = Tar::new().file("x", "file").directory("x").file("x/in", "").directory("x/deep/er");
    assert_eq!(taken(tar.clone().finish()).list(), ["d x/deep", "d x/deep/er", "f x/in=", "o x"]);
    let tar = tar.file("x", "again");
    assert_eq!(taken(tar.clone().finish()).list(), ["f x=again"]);
    assert_eq!(taken(tar.symlink("x", "y").mode(b'6', "x", 0o600).finish()).list(), ["p x"]);
}
