//! Streams that are damaged, cut off, followed by something, or stopped.

use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::os::fd::OwnedFd;

use image::{Error, Go, Limits, Phase, Source, Step};

use crate::ground::{Ground, list, name, names, refused};
use crate::tar::Tar;

fn small() -> Vec<u8> {
    let tar = Tar::new().directory("d").file("d/f", "content").symlink("s", "d").hard_link("h", "d/f");
    tar.pax(&[("mtime", b"1.5"), ("SCHILY.xattr.user.a", b"b")]).file(".wh.gone", "").finish()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(0);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_compression_is_told_by_content_and_gives_the_same_layer() {
    let ground = Ground::new();
    for (number, bytes) in [small(), gzip(&small()), zstd(&small()), xz(&small())].into_iter().enumerate() {
        ground.import(bytes, &format!("image{number}"), &Limits::default()).unwrap();
    }
    assert_eq!(ground.layers().len(), 1);
    assert_eq!(ground.store.images().unwrap().len(), 4);
}

#[test]
fn members_that_follow_each_other_are_one_stream() {
    let (head, tail) = (small()[..700].to_vec(), small()[700..].to_vec());
    for pack in [gzip, zstd, xz] {
        let ground = Ground::new();
        let whole = [pack(&head), pack(&tail)].concat();
        let image = ground.import(whole, "two", &Limits::default()).unwrap().image;
        assert_eq!(list(&ground.store.layer_paths(&image)[0]).len(), 5);
    }
}

#[test]
fn garbage_behind_a_compressed_stream_is_refused() {
    for pack in [gzip, zstd, xz] {
        refused([pack(&small()).as_slice(), b"garbage"].concat(), "");
    }
}

#[test]
fn what_follows_the_end_mark_makes_no_files_but_another_layer() {
    let ground = Ground::new();
    let plain = ground.import(small(), "plain", &Limits::default()).unwrap().image;
    let behind = Tar::new().file("behind", "").finish();
    let image = ground.import([small(), behind].concat(), "followed", &Limits::default()).unwrap().image;
    assert_ne!(plain.layers, image.layers);
    assert_eq!(list(&ground.store.layer_paths(&image)[0]), list(&ground.store.layer_paths(&plain)[0]));
}

#[test]
fn an_archive_that_does_not_end_is_not_read_for_ever() {
    let ground = Ground::new();
    let import = |file: File| {
        let error = ground.store.import(Source::File(file), &name("x"), &Limits::default(), &mut ());
        error.unwrap_err().to_string()
    };
    let zeros = import(File::open("/dev/zero").unwrap());
    assert!(zeros.starts_with("the archive has nothing in it"), "{zeros}");
    for head in [small(), gzip(&small())] {
        let endless = Cursor::new(head).chain(std::io::repeat(0));
        let source = Source::Reader(Box::new(endless));
        let error = ground.store.import(source, &name("x"), &Limits::default(), &mut ()).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("more than 16 MiB follow") || text.contains("garbage behind"), "{text}");
    }
    // The padding of a tape's record is none of the archive's matter.
    let padded = [small(), vec![0; 2 << 20]].concat();
    ground.import(padded, "padded", &Limits::default()).unwrap();
}

#[test]
fn damage_of_compressed_data_says_of_which_and_where() {
    let bytes = Tar::new().file("f", &"content ".repeat(100_000)).finish();
    for (pack, word) in [(gzip as fn(&[u8]) -> Vec<u8>, "gzip"), (zstd, "zstd"), (xz, "xz")] {
        let whole = pack(&bytes);
        let cut = whole[..whole.len() / 2].to_vec();
        refused(cut, &format!("the archive's {word} data is cut off behind the first "));
        let mut flipped = whole.clone();
        let middle = whole.len() / 2;
        flipped[middle..middle + 8].iter_mut().for_each(|byte| *byte ^= 0x5a);
        refused(flipped, &format!("the archive's {word} data is "));
    }
}

#[test]
fn nothing_an_empty_stream_and_what_is_no_archive_are_refused() {
    refused(Vec::new(), "the archive is empty");
    refused(gzip(b""), "the archive is empty");
    refused(vec![0; 10240], "the archive has nothing in it");
    refused(b"#!/bin/sh\n".repeat(100), "no tar header at byte 0");
    refused(b"short".to_vec(), "in the midst of a header");
    refused(b"BZh91AY&SY".to_vec(), "bzip2, which is not supported");
}

#[test]
fn an_archive_without_its_end_mark_is_refused() {
    refused(Tar::new().file("a", "x").unfinished(), "its end is not marked");
}

/// One ground for all, and nothing left behind by any.
fn none_is_half_made(streams: impl Iterator<Item = Vec<u8>>) -> usize {
    let ground = Ground::new();
    let mut taken = 0;
    for stream in streams {
        if ground.import(stream, "damaged", &Limits::default()).is_ok() {
            taken += 1;
            ground.store.remove_image(&name("damaged")).unwrap();
            ground.store.collect(Default::default).unwrap();
        }
        assert!(ground.layers().is_empty());
        assert!(names(&ground.at.join("store/images")).is_empty());
    }
    taken
}

#[test]
fn an_archive_cut_off_anywhere_before_its_end_mark_is_refused() {
    let whole = small();
    let end = whole.len() - 1024;
    assert_eq!(none_is_half_made((0..=end).step_by(7).map(|length| whole[..length].to_vec())), 0);
    for pack in [gzip, zstd, xz] {
        let whole = pack(&whole);
        assert_eq!(none_is_half_made((0..whole.len()).map(|length| whole[..length].to_vec())), 0);
    }
}

#[test]
fn an_archive_with_any_byte_flipped_makes_a_whole_layer_or_none() {
    let whole = small();
    let flip = |whole: &[u8], at: usize, bit: u8| {
        let mut flipped = whole.to_vec();
        flipped[at] ^= bit;
        flipped
    };
    let plain = (0..whole.len()).filter(|at| whole[*at] != 0 || at % 16 == 0);
    none_is_half_made(plain.map(|at| flip(&whole, at, 1 << (at % 8))));
    for pack in [gzip, zstd, xz] {
        let packed = pack(&whole);
        none_is_half_made((0..packed.len()).map(|at| flip(&packed, at, 1 << (at % 8))));
    }
}

#[test]
fn a_pipe_is_a_source() {
    let ground = Ground::new();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let thread = std::thread::spawn(move || writer.write_all(&gzip(&small())).unwrap());
    let source = Source::File(File::from(OwnedFd::from(reader)));
    ground.store.import(source, &name("piped"), &Limits::default(), &mut ()).unwrap();
    thread.join().unwrap();
    ground.check();
}

#[test]
fn an_import_that_waits_for_a_pipe_can_be_stopped() {
    let ground = Ground::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let source = Source::File(File::from(OwnedFd::from(reader)));
    let mut reports = 0;
    let mut stop = |_: &Step| {
        reports += 1;
        if reports > 3 { Go::Stop } else { Go::On }
    };
    let stopped = ground.store.import(source, &name("waits"), &Limits::default(), &mut stop);
    assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    drop(writer);
    ground.check();
}

#[test]
fn an_import_stopped_at_any_report_leaves_nothing() {
    let content = "x".repeat(1 << 20);
    let archive = (0..4).fold(Tar::new(), |tar, number| tar.file(&format!("f{number}"), &content)).finish();
    let ground = Ground::new();
    for stop_at in 0.. {
        let mut reports = 0;
        let mut stop = |_: &Step| {
            reports += 1;
            if reports > stop_at { Go::Stop } else { Go::On }
        };
        let source = Source::Reader(Box::new(Cursor::new(archive.clone())));
        let stopped = ground.store.import(source, &name("stopped"), &Limits::default(), &mut stop);
        ground.check();
        if stopped.is_ok() {
            assert!(stop_at > 10);
            return;
        }
        assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
        assert!(ground.layers().is_empty());
    }
}

#[test]
fn progress_counts_the_bytes_of_the_source() {
    let ground = Ground::new();
    let path = ground.at.join("store/archive");
    std::fs::write(&path, zstd(&small())).unwrap();
    let size = path.metadata().unwrap().len();
    let mut last = 0;
    let mut watch = |step: &Step| {
        if let Phase::Unpacking { layer: 1, of: 1 } = step.phase {
            assert_eq!(step.total, Some(size));
            assert!(step.done >= last);
            last = step.done;
        }
        Go::On
    };
    ground.store.import(Source::open(&path).unwrap(), &name("x"), &Limits::default(), &mut watch).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(last, size);
}

#[test]
fn a_bomb_is_stopped_by_the_limit_long_before_its_end() {
    /// A tar header for a large file, then zeros for ever.
    struct Bomb(Cursor<Vec<u8>>);
    impl Read for Bomb {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer)? {
                0 => {
                    buffer.fill(0);
                    Ok(buffer.len())
                }
                count => Ok(count),
            }
        }
    }
    let ground = Ground::new();
    let limits = Limits { bytes: 1 << 20, entries: 100, ..Limits::default() };
    let bomb = Bomb(Cursor::new(Tar::new().file("a", "x").finish()));
    let refused = ground.store.import(Source::Reader(Box::new(bomb)), &name("bomb"), &limits, &mut ());
    assert!(refused.unwrap_err().to_string().contains("the limit here"));
    ground.check();
}

#[test]
fn how_much_there_is_to_pack_is_known_beforehand() {
    let ground = Ground::new();
    let tree = ground.at.join("tree");
    std::fs::create_dir_all(tree.join("a/b")).unwrap();
    for number in 0..200 {
        std::fs::write(tree.join(format!("a/b/{number}")), vec![7; number * 100]).unwrap();
    }
    std::fs::hard_link(tree.join("a/b/199"), tree.join("a/again")).unwrap();
    std::os::unix::fs::symlink("nowhere", tree.join("a/link")).unwrap();
    // A hole is no work.
    File::create(tree.join("a/hole")).unwrap().set_len(1 << 30).unwrap();
    let (mut first, mut last) = (None, None);
    let mut watch = |step: &Step| {
        first = first.or(step.total.map(|total| (total, step.done)));
        last = Some(*step);
        Go::On
    };
    let root = File::open(&tree).unwrap();
    let mut bytes = Vec::new();
    let form = image::Compression::Plain;
    image::export_tree(std::os::fd::AsFd::as_fd(&root), form, &mut bytes, &mut watch).unwrap();
    let (total, done) = first.expect("a total");
    let length = bytes.len() as u64;
    assert!(done < total && total.abs_diff(length) <= length / 50, "{total} of {length}");
    assert_eq!(last.unwrap().total, Some(total.max(last.unwrap().done)));
    let mut steps = Vec::new();
    let mut watch = |step: &Step| {
        steps.push(*step);
        Go::On
    };
    ground.store.seed(&tree, &name("seeded"), &[], &Limits::default(), &mut watch).unwrap();
    let packing = steps.iter().filter(|step| step.phase == Phase::Packing);
    assert!(packing.clone().count() > 0 && packing.clone().all(|step| step.total.is_some()), "{steps:?}");
    let all = |step: &Step| step.total.is_none_or(|total| step.done <= total);
    assert!(steps.iter().all(all), "{steps:?}");
}
