//! Files into and out of instances.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};

use cli::{Scratch, run, run_with};
use instance::message::{Copied, Reason, Request};
use instances::{Fake, husk};
use serde_json::json;
use tar::{Archive, Builder};

/// What an instance was given: where to, what it is of, and the names in the archive with their owners and contents.
type Given = Arc<Mutex<Vec<(String, Option<Copied>, String, u64, String)>>>;

/// A daemon with an instance whose files are in a directory.
fn keeping(root: &Path, given: &Given) -> Fake {
    let (root, given) = (root.to_path_buf(), given.clone());
    Fake::new(move |request, peer| match request {
        Request::CopyOut { path, .. } => {
            let to = File::from(peer.descriptor());
            let there = root.join(path.trim_start_matches('/'));
            let Some(name) = there.file_name().filter(|_| there.exists()) else {
                return peer.refuse(Reason::NotFound, &format!("web:{path}: No such file or directory"));
            };
            let mut builder = Builder::new(to);
            builder.follow_symlinks(false);
            let done = match there.is_dir() {
                true => builder.append_dir_all(name, &there),
                false => builder.append_path_with_name(&there, name),
            };
            let done = done.and_then(|()| builder.finish());
            drop(builder);
            match done {
                Ok(()) => peer.ok(json!({})),
                Err(_) => peer.refuse(Reason::Interrupted, "nobody waits any more"),
            }
        }
        Request::CopyIn { path, of, .. } => {
            let mut archive = Archive::new(File::from(peer.descriptor()));
            for entry in archive.entries().unwrap() {
                let mut entry = entry.unwrap();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                let name = entry.path().unwrap().display().to_string();
                given.lock().unwrap().push((path.clone(), *of, name, entry.header().uid().unwrap(), text));
            }
            peer.ok(json!({}));
        }
        other => panic!("{other:?}"),
    })
}

fn tree(at: &Path) {
    fs::create_dir_all(at.join("d/deep")).unwrap();
    fs::write(at.join("d/file"), "text").unwrap();
    fs::write(at.join("d/deep/other"), "more").unwrap();
    symlink("file", at.join("d/link")).unwrap();
    fs::write(at.join("d/large"), vec![b'x'; 3_000_000]).unwrap();
}

#[test]
fn a_directory_comes_out_under_the_name_that_was_asked_for() {
    let (inside, outside) = (Scratch::new(), Scratch::new());
    tree(inside.path());
    let fake = keeping(inside.path(), &Given::default());
    let copy = |to: &str| {
        run(&mut husk(&fake, &["cp", "web:/d", outside.join(to).to_str().unwrap()])).good();
    };
    copy("");
    copy("new");
    for name in ["d", "new"] {
        let at = outside.join(name);
        assert_eq!(fs::read_to_string(at.join("file")).unwrap(), "text");
        assert_eq!(fs::read_to_string(at.join("deep/other")).unwrap(), "more");
        assert_eq!(fs::read_link(at.join("link")).unwrap(), Path::new("file"));
        assert_eq!(fs::metadata(at.join("large")).unwrap().size(), 3_000_000);
    }
    run(&mut husk(&fake, &["cp", "web:d/file", outside.join("f").to_str().unwrap()])).good();
    assert_eq!(fs::read_to_string(outside.join("f")).unwrap(), "text");
    let ended = run(&mut husk(&fake, &["cp", "web:/none", outside.path().to_str().unwrap()]));
    assert_eq!(
        (ended.code(), ended.err().contains("web:/none: No such file or directory")),
        (1, true),
        "{}",
        ended.err()
    );
}

#[test]
fn the_daemon_is_told_what_is_copied_and_where_to() {
    let (inside, outside) = (Scratch::new(), Scratch::new());
    tree(outside.path());
    fs::write(outside.join("a"), "text").unwrap();
    symlink("d", outside.join("l")).unwrap();
    let given = Given::default();
    let fake = keeping(inside.path(), &given);
    for (from, to, path, of, name) in [
        ("a", "web:/d", "/d", Copied::File, "a"),
        ("a", "web:d/", "/d/", Copied::File, "a"),
        ("l", "web:/", "/", Copied::File, "l"),
        ("d/deep", "web:/d/b", "/d/b", Copied::Directory, "deep/"),
        ("d/deep/", "web:/d", "/d", Copied::Directory, "deep/"),
        ("d/deep/.", "web:/d", "/d", Copied::Contents, "./"),
        ("d/deep/..", "web:/d", "/d", Copied::Directory, "d/"),
        ("l/", "web:/b/.", "/b/.", Copied::Directory, "l/"),
    ] {
        run(&mut husk(&fake, &["cp", &format!("{}/{from}", outside.path().display()), to])).good();
        let all = std::mem::take(&mut *given.lock().unwrap());
        let (told, what, first, owner, _) = &all[0];
        assert_eq!((told.as_str(), *what, first.as_str(), *owner), (path, Some(of), name, 0), "{from} {to}");
    }
    let ended = run(husk(&fake, &["cp", ".", "web:/x"]).current_dir(outside.join("d/deep")));
    assert_eq!((ended.code(), given.lock().unwrap()[0].1), (0, Some(Copied::Contents)), "{}", ended.err());
    let ended = run(&mut husk(&fake, &["cp", "./none", "web:/"]));
    assert_eq!((ended.code(), ended.err().as_str()), (1, "husk: ./none: No such file or directory\n"));
}

#[test]
fn a_tree_goes_in_whole() {
    let (inside, outside) = (Scratch::new(), Scratch::new());
    tree(outside.path());
    let given = Given::default();
    let fake = keeping(inside.path(), &given);
    run(&mut husk(&fake, &["cp", outside.join("d").to_str().unwrap(), "web:/new"])).good();
    let names: Vec<String> = given.lock().unwrap().iter().map(|(_, _, name, ..)| name.clone()).collect();
    assert_eq!(names, ["d/", "d/deep/", "d/deep/other", "d/file", "d/large", "d/link"]);
}

#[test]
fn an_archive_goes_by_as_it_is() {
    let inside = Scratch::new();
    tree(inside.path());
    let given = Given::default();
    let fake = keeping(inside.path(), &given);
    let archive = run(&mut husk(&fake, &["cp", "web:/d/file", "-"])).stdout;
    let ended = run_with(&mut husk(&fake, &["cp", "-", "web:/somewhere"]), &archive);
    assert_eq!((ended.code(), ended.err().as_str()), (0, ""));
    let (to, of, name, _, text) = given.lock().unwrap().pop().unwrap();
    assert_eq!((to.as_str(), of, name.as_str(), text.as_str()), ("/somewhere", None, "file", "text"));
}
