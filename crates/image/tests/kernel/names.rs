//! Names that lead elsewhere, or nowhere.

use sys::fs::{self, Mode, OFlags};

use crate::ground::{refused, taken, taken_from};
use crate::tar::{Tar, header};

#[test]
fn a_name_that_climbs_out_is_refused() {
    for name in ["../canary/secret", "a/../../canary/secret", "a/..", "..", "./../x", "/..", "a/b/../../../x"]
    {
        refused(Tar::new().file("a/b/c", "").file(name, "x").finish(), "leads upwards by `..`");
    }
}

#[test]
fn a_climbing_name_in_a_pax_record_is_refused() {
    let tar = Tar::new().pax(&[("path", b"../../canary/secret")]).file("harmless", "x");
    refused(tar.finish(), "../../canary/secret");
}

#[test]
fn a_climbing_long_name_is_refused() {
    let long = [b"a/".repeat(100), b"../".repeat(200), b"canary/secret".to_vec()].concat();
    refused(Tar::new().long(b'L', &long).file("harmless", "x").finish(), "leads upwards by `..`");
}

#[test]
fn a_climbing_prefix_is_refused() {
    let set = |block: &mut [u8; 512]| block[345..355].copy_from_slice(b"../canary/");
    refused(Tar::new().with(header(b'0', b"secret", 1), set, b"x").finish(), "leads upwards by `..`");
}

#[test]
fn an_absolute_name_is_one_beneath_the_root() {
    let found = taken_from(|canary| Tar::new().file(&format!("{canary}/secret"), "mine").finish());
    assert!(found.list().iter().any(|line| line.ends_with("canary/secret=mine")));
}

#[test]
fn a_name_of_slashes_and_dots_is_the_root() {
    let tar = Tar::new().mode(b'5', "././/", 0o700).file("//./a", "x");
    assert_eq!(taken(tar.finish()).list(), ["f a=x"]);
}

#[test]
fn the_root_is_a_directory_and_nothing_else() {
    refused(Tar::new().file(".", "x").finish(), "the root can be a directory only");
    refused(Tar::new().symlink("./", "/etc").finish(), "the root can be a directory only");
    refused(Tar::new().hard_link("/", "x").finish(), "the root can be a directory only");
}

#[test]
fn an_entry_without_a_name_is_refused() {
    refused(Tar::new().file("", "x").finish(), "it has no name");
    refused(Tar::new().pax(&[("path", b"")]).file("harmless", "x").finish(), "it has no name");
}

#[test]
fn a_name_with_a_nul_is_refused() {
    refused(Tar::new().pax(&[("path", b"a\0b")]).file("harmless", "x").finish(), "PAX record path");
    refused(Tar::new().pax(&[("linkpath", b"a\0b")]).symlink("l", "x").finish(), "PAX record linkpath");
}

#[test]
fn names_are_bytes() {
    let tar = Tar::new().entry(b'0', b"\xff\xfe\n\x1b[2J", b"x").entry(b'5', b"\x80/", b"");
    assert_eq!(taken(tar.finish()).list(), ["d \\x80", "f \\xff\\xfe\\n\\x1b[2J=x"]);
}

#[test]
fn a_refused_name_is_shown_in_one_line() {
    refused(
        Tar::new().entry(b'0', b"a\nhusk: all is well\n/..", b"").finish(),
        "a\\nhusk: all is well\\n/..",
    );
}

#[test]
fn a_part_of_a_name_that_is_too_long_is_refused() {
    refused(Tar::new().long(b'L', &[b'x'; 256]).file("harmless", "").finish(), "more than 255 bytes");
    let fits = Tar::new().long(b'L', &[b'x'; 255]).file("harmless", "").finish();
    assert_eq!(taken(fits).list().len(), 1);
}

#[test]
fn a_path_a_hundred_thousand_deep_is_refused_by_name() {
    let deep = b"d/".repeat(100_000);
    refused(Tar::new().pax(&[("path", &deep)]).entry(b'5', b"harmless", b"").finish(), "[199800 bytes]");
    refused(Tar::new().long(b'L', &deep).entry(b'5', b"harmless", b"").finish(), "more than 4095 bytes");
}

#[test]
fn the_deepest_path_there_can_be_is_taken_and_left_again() {
    let deep = [b"d/".repeat(2046), b"f".to_vec()].concat();
    let above = [b"d/".repeat(1000), b"g".to_vec()].concat();
    let tar = Tar::new().long(b'L', &deep).file("x", "deep").long(b'L', &above).file("x", "above");
    let found = taken(tar.file("top", "").finish());
    let tree = std::fs::File::open(&found.tree).unwrap();
    for (path, content) in [(deep, b"deep\0".as_slice()), (above, b"above")] {
        let file = fs::openat(&tree, path, OFlags::RDONLY, Mode::empty()).unwrap();
        let mut bytes = [0; 5];
        sys::io::pread(&file, &mut bytes, 0).unwrap();
        assert_eq!(bytes, content);
    }
    found.ground.store.remove_image(&crate::ground::name("hostile")).unwrap();
    found.ground.store.collect(Default::default).unwrap();
    assert!(found.ground.layers().is_empty());
}

#[test]
fn a_directory_is_a_file_whose_name_ends_with_a_slash_too() {
    assert_eq!(taken(Tar::new().file("old/", "").finish()).list(), ["d old"]);
}
