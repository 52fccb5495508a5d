//! initns' language, spoken as its client does: words in several pieces, an answer up to an empty line.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use crate::bed::Bed;

/// A client as that of initns: each word written by itself with a space behind it, 256 bytes read at a time, and the
/// answer looked at in each piece alone for its two newlines.
fn ask(bed: &Bed, words: &[&str]) -> String {
    let mut socket = UnixStream::connect(bed.directory.join("initns")).unwrap();
    socket.set_read_timeout(Some(crate::bed::PATIENCE)).unwrap();
    for word in words {
        socket.write_all(word.as_bytes()).unwrap();
        socket.write_all(b" ").unwrap();
    }
    socket.write_all(b"\n").unwrap();
    let (mut piece, mut text) = ([0; 256], Vec::new());
    loop {
        let count = socket.read(&mut piece).unwrap();
        assert!(count > 0, "{words:?}: the connection ends before the answer: {text:?}");
        for at in 0..count {
            text.push(piece[at]);
            if piece[at..count].starts_with(b"\n\n") {
                return String::from_utf8(text).unwrap();
            }
        }
    }
}

#[test]
fn the_whole_of_its_language_is_understood() {
    let bed = Bed::with_initns();
    assert!(ask(&bed, &["help"]).contains("\nls image | instance     list images or instances\n"));
    assert_eq!(ask(&bed, &["ls", "image"]), "box\n");
    assert_eq!(ask(&bed, &["ls", "instance"]), "\n");
    assert_eq!(ask(&bed, &["new", "one", "box"]), "ok\n");
    assert_eq!(ask(&bed, &["new", "one", "box"]), "error\n");
    assert_eq!(ask(&bed, &["new", "two", "none"]), "error\n");
    assert_eq!(ask(&bed, &["new", "two", "box"]), "ok\n");
    assert_eq!(ask(&bed, &["ls", "instance"]), "one\ntwo\n");
    assert_eq!(ask(&bed, &["run", "one"]), "ok\n");
    assert_eq!(ask(&bed, &["run", "one"]), "ok\n");
    assert_eq!(ask(&bed, &["run", "two"]), "ok\n");
    assert_eq!((bed.state("one"), bed.state("two")), ("exited".into(), "running".into()));
    assert_eq!(ask(&bed, &["stop", "one"]), "error\n");
    assert_eq!(ask(&bed, &["stop", "two"]), "ok\n");
    assert_eq!(ask(&bed, &["commit", "two", "made"]), "ok\n");
    assert_eq!(ask(&bed, &["commit", "two", "made"]), "error\n");
    assert_eq!(ask(&bed, &["seed", bed.files().to_str().unwrap(), "seeded"]), "ok\n");
    assert_eq!(ask(&bed, &["ls", "image"]), "box\nmade\nseeded\n");
    assert_eq!(ask(&bed, &["rm", "one"]), "ok\n");
    assert_eq!(ask(&bed, &["rm", "one"]), "error\n");
    for words in [&["new"][..], &["fly", "away"], &["ls", "all"], &[]] {
        assert_eq!(ask(&bed, words), "syntax\n", "{words:?}");
    }
}

#[test]
fn an_archive_among_its_images_is_an_image() {
    let bed = Bed::with_initns();
    let archive = bed.directory.join("root/images/alpine.tar");
    bed.pack(&archive);
    assert_eq!(ask(&bed, &["ls", "image"]), "alpine.tar\nbox\n");
    assert_eq!(ask(&bed, &["new", "one", "alpine.tar"]), "ok\n");
    assert_eq!(ask(&bed, &["ls", "image"]), "alpine.tar\nbox\n");
    assert_eq!(ask(&bed, &["run", "one"]), "ok\n");
    bed.check();
}

#[test]
fn a_list_of_any_length_ends_where_its_client_sees_it() {
    let bed = Bed::with_initns();
    let mut expected = String::new();
    for number in 0..70 {
        let name = format!("i{number:03}");
        assert_eq!(ask(&bed, &["new", &name, "box"]), "ok\n");
        expected += &format!("{name}\n");
        assert_eq!(ask(&bed, &["ls", "instance"]), expected);
    }
}
