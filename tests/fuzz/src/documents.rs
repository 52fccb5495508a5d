//! Archives of images: index, manifest and configuration as the input says, with digests that hold, so that what is
//! behind them is reached.
//!
//! Nothing outside of the store is touched, what fails leaves nothing; an image that is made has the layers and the
//! configuration that were said, and is the same from a stream and from a file.

use std::fs::File;
use std::io::{Cursor, Write as _};

use image::Source as From;
use sha2::Digest as _;

use crate::ground;
use crate::source::Source;
use image::tar::{Entry, Kind, Time, Writer};

/// What the parts are called, the last first: each may speak of those before it here.
const MARKS: [&str; 4] = ["@L", "@C", "@M", "@I"];

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let style = source.byte();
    // By the order of a reader: index, manifest, configuration; the layer is what is left.
    let [index, manifest, config] = [(); 3].map(|()| source.until(0).to_vec());
    let layer = layer(source.rest());
    let mut parts: Vec<(String, usize)> = Vec::new();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (at, part) in [layer, config, manifest, index].into_iter().enumerate() {
        let part = if at == 0 { part } else { filled(part, &parts) };
        let digits: String = sha2::Sha256::digest(&part).iter().map(|byte| format!("{byte:02x}")).collect();
        let name = match (at, style & 1) {
            (3, 0) => "index.json".to_owned(),
            (3, _) => "manifest.json".to_owned(),
            (..) => format!("blobs/sha256/{digits}"),
        };
        parts.push((digits, part.len()));
        files.push((name, part));
    }
    // The first name says what it is.
    files.push(("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    files.reverse();
    let archive = tar(&files);
    ground::with(|ground| {
        let streamed = ground.import(From::Reader(Box::new(Cursor::new(archive.clone()))));
        ground.clear();
        let read = ground.import(From::File(in_memory(&archive)));
        let kept = |image: image::Image| (image.layers, image.config, image.size);
        assert_eq!(streamed.map(kept), read.clone().map(kept));
        if let Some(image) = read {
            assert!((1..=8).contains(&image.layers.len()), "{:?}", image.layers);
            let config = &image.config;
            let words = [&config.entrypoint, &config.cmd, &config.env].into_iter().flatten();
            let words = words.chain([&config.user, &config.workdir, &config.stop_signal]);
            assert!(words.into_iter().all(|word| !word.contains('\0')), "{config:?}");
            assert_eq!(ground.store.image(&image.name).ok(), Some(image));
        }
        ground.clear();
    });
}

/// A layer of one file.
fn layer(content: &[u8]) -> Vec<u8> {
    tar(&[("f".to_owned(), content.to_vec())])
}

/// Marks become digests, and in small letters lengths.
fn filled(part: Vec<u8>, known: &[(String, usize)]) -> Vec<u8> {
    let mut text = part;
    for (mark, (digits, length)) in MARKS.iter().zip(known) {
        text = replaced(&text, mark.as_bytes(), digits.as_bytes());
        text = replaced(&text, mark.to_lowercase().as_bytes(), length.to_string().as_bytes());
    }
    text
}

fn replaced(text: &[u8], mark: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(mark) {
            out.extend_from_slice(by);
            rest = behind;
        } else {
            out.push(*first);
            rest = behind;
        }
    }
    out
}

fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    for (name, content) in files {
        let entry = Entry {
            path: name.clone().into_bytes(),
            kind: Kind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: Time::default(),
            size: content.len() as u64,
            link: Vec::new(),
            device: (0, 0),
            xattrs: Vec::new(),
            map: None,
        };
        writer.header(&entry).and_then(|()| writer.content(content)).expect("there is memory");
    }
    writer.finish().expect("there is memory");
    bytes
}

fn in_memory(bytes: &[u8]) -> File {
    let file = sys::fs::memfd_create("archive", sys::fs::MemfdFlags::CLOEXEC).expect("memory");
    let mut file = File::from(file);
    file.write_all(bytes).expect("memory");
    file
}
