//! Numbers that lie, and amounts that are too much.

use std::fs;
use std::os::unix::fs::MetadataExt;

use image::Limits;

use crate::ground::{refused, refused_within, taken};
use crate::tar::{Tar, header};

/// A header whose numeric field at `at` is changed.
fn field(at: usize, bytes: &'static [u8]) -> Vec<u8> {
    let set = |block: &mut [u8; 512]| block[at..at + bytes.len()].copy_from_slice(bytes);
    Tar::new().with(header(b'0', b"f", 0), set, b"").finish()
}

#[test]
fn ids_beyond_their_range_are_refused() {
    refused(field(108, b"\xff\xff\xff\xff\xff\xff\xff\xff"), "its owner is no valid number");
    refused(field(108, b"\x80\0\0\x01\0\0\0\0"), "its owner is no valid number");
    // 2^32 - 1 means "leave as it is" to chown(2).
    refused(field(116, b"\x80\0\0\0\xff\xff\xff\xff"), "its group is no valid number");
    refused(Tar::new().pax(&[("uid", b"4294967296")]).file("f", "").finish(), "its owner is no valid number");
    refused(Tar::new().pax(&[("gid", b"-1")]).file("f", "").finish(), "PAX record gid");
}

#[test]
fn large_ids_are_kept() {
    let found = taken(Tar::new().pax(&[("uid", b"4294967294"), ("gid", b"3000000")]).file("f", "").finish());
    let metadata = fs::metadata(found.tree.join("f")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (4_294_967_294, 3_000_000));
}

#[test]
fn sizes_that_are_negative_or_beyond_any_file_are_refused() {
    refused(field(124, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "its size is no valid number");
    refused(field(124, b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), "its size is no valid number");
    let huge = Tar::new().pax(&[("size", b"18446744073709551615")]).file("f", "");
    refused(huge.finish(), "its size is no valid number");
    refused(field(124, b"x"), "its size is no valid number");
}

#[test]
fn a_size_beyond_the_archive_is_refused() {
    let tar = Tar::new().with(header(b'0', b"f", 1 << 30), |_| {}, b"short");
    refused(tar.finish(), "cut off in the midst of entry f");
}

#[test]
fn a_size_beyond_the_limit_is_refused_before_it_is_read() {
    let limits = Limits { bytes: 1000, ..Limits::default() };
    refused_within(Tar::new().file("f", &"x".repeat(1001)).finish(), &limits, "more than 1000 bytes");
    let two = Tar::new().file("f", &"x".repeat(600)).file("g", &"x".repeat(600)).finish();
    refused_within(two, &limits, "entry g: with it the layer has more than 1000 bytes");
}

#[test]
fn content_that_nothing_is_made_of_counts_too() {
    let limits = Limits { bytes: 10_000, entries: 10, ..Limits::default() };
    let tar = (0..200)
        .fold(Tar::new(), |tar, _| tar.entry(b'g', b"global", &crate::tar::record("a", &[b'x'; 900])));
    refused_within(tar.finish(), &limits, "bytes uncompressed, the limit here");
}

#[test]
fn entries_beyond_the_limit_are_refused() {
    let limits = Limits { entries: 3, ..Limits::default() };
    let tar = Tar::new().file("a", "").file("b", "").file("c", "");
    refused_within(tar.file("d", "").finish(), &limits, "more than 3 entries");
}

#[test]
fn a_store_that_is_nearly_full_takes_nothing() {
    let limits = Limits { reserve: u64::MAX, ..Limits::default() };
    refused_within(Tar::new().file("f", "").finish(), &limits, "would stay free");
}

#[test]
fn names_and_records_beyond_a_mebibyte_are_refused() {
    refused(
        Tar::new().long(b'L', &[b'x'; 1 << 21]).file("f", "").finish(),
        "extended headers of 2097153 bytes",
    );
    let value = vec![b'x'; 1 << 21];
    refused(Tar::new().pax(&[("comment", &value)]).file("f", "").finish(), "extended headers of");
    refused(Tar::new().raw(&header(b'x', b"PaxHeader", 1 << 30)).finish(), "extended headers of");
}

#[test]
fn more_extended_attributes_than_a_file_can_have_are_refused() {
    let names: Vec<String> = (0..1001).map(|number| format!("SCHILY.xattr.user.{number}")).collect();
    let records: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    refused(Tar::new().pax(&records).file("f", "").finish(), "PAX record SCHILY.xattr.user.1000");
}

#[test]
fn a_wrong_checksum_is_refused() {
    let mut block = header(b'0', b"f", 0);
    block[0] = b'g';
    refused(Tar::new().raw(&block).finish(), "no tar header at byte 0");
    let mut sum = header(b'0', b"f", 0);
    sum[148..156].copy_from_slice(b"xxxxxx\0 ");
    refused(Tar::new().file("a", "").raw(&sum).finish(), "no tar header at byte 512");
}

#[test]
fn malformed_records_are_refused() {
    for records in [&b"999 path=x\n"[..], b"path=x\n", b"0 \n", b"9 path=xx", b"99999999999999999999 a=b\n"] {
        let tar = Tar::new().entry(b'x', b"PaxHeader", records).file("f", "");
        refused(tar.finish(), "a PAX record is malformed");
    }
}

#[test]
fn an_archive_that_ends_with_the_description_of_nothing_is_refused() {
    refused(Tar::new().pax(&[("path", b"x")]).unfinished(), "its end is not marked");
}

#[test]
fn times_of_any_age_are_taken() {
    let tar = Tar::new().pax(&[("mtime", b"-1.5")]).file("old", "").pax(&[("mtime", b"4102444800.25")]);
    let found = taken(tar.file("young", "").finish());
    let old = fs::metadata(found.tree.join("old")).unwrap();
    assert_eq!((old.mtime(), old.mtime_nsec()), (-2, 500_000_000));
    assert_eq!(fs::metadata(found.tree.join("young")).unwrap().mtime(), 4_102_444_800);
}

#[test]
fn sparse_files_stay_sparse_in_every_dialect() {
    let size = 1u64 << 36;
    let map = format!("2\n4096\n2\n{}\n1\n", size - 1);
    let mut content = map.into_bytes();
    content.resize(512, 0);
    content.extend_from_slice(b"abc");
    let size_text = size.to_string();
    let new = Tar::new()
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"new"),
            ("GNU.sparse.realsize", size_text.as_bytes()),
        ])
        .entry(b'0', b"GNUSparseFile.0/new", &content);
    let list = format!("4096,2,{},1", size - 1);
    let middle = new
        .pax(&[("GNU.sparse.size", size_text.as_bytes()), ("GNU.sparse.map", list.as_bytes())])
        .entry(b'0', b"middle", b"abc");
    let old = |block: &mut [u8; 512]| {
        block[257..265].copy_from_slice(b"ustar  \0");
        for (at, number) in [(386, 4096u64), (398, 2), (410, size - 1), (422, 1), (483, size)] {
            block[at..at + 12].copy_from_slice(&[&[0x80, 0, 0, 0][..], &number.to_be_bytes()].concat());
        }
    };
    let tar = middle.with(header(b'S', b"old", 3), old, b"abc");
    let found = taken(tar.finish());
    for name in ["new", "middle", "old"] {
        let path = found.tree.join(name);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), size, "{name}");
        assert!(metadata.blocks() < 100, "{name}");
        let file = fs::File::open(path).unwrap();
        let mut bytes = [0; 3];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes[..2], 4096).unwrap();
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes[2..], size - 1).unwrap();
        assert_eq!(&bytes, b"abc", "{name}");
    }
}

#[test]
fn a_sparse_bomb_is_refused_by_what_it_seems_to_be() {
    let size = (1u64 << 60).to_string();
    let tar = Tar::new().pax(&[("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.map", b"0,1")]);
    refused(tar.entry(b'0', b"bomb", b"x").finish(), "entry bomb: with it the layer has more than");
}

#[test]
fn maps_of_sparse_files_that_contradict_themselves_are_refused() {
    for (map, words) in [
        (&b"0,2,1,1"[..], "overlaps itself"),
        (b"99,3", "leads beyond its end"),
        (b"0,2", "contradict each other"),
        (b"18446744073709551615,3", "overflows"),
        (b"0", "PAX record GNU.sparse.map"),
    ] {
        let tar = Tar::new().pax(&[("GNU.sparse.size", b"100"), ("GNU.sparse.map", map)]);
        refused(tar.entry(b'0', b"f", b"abc").finish(), words);
    }
    let leading =
        [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"100")];
    for (content, words) in [
        (&b"9999999999999999999999\n"[..], "a number that is too long"),
        (b"1048577\n", "too many segments"),
        (b"1\n0\n", "is cut off"),
        (b"x\n", "is malformed"),
    ] {
        refused(Tar::new().pax(&leading).entry(b'0', b"f", content).finish(), words);
    }
}
