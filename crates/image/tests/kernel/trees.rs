//! From trees to images and back: merged, committed, seeded, exported, copied.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use image::{
    Changes, Compression, Config, Devices, Error, Format, Go, Image, Limits, MergedTree, Source, export_tree,
};
use sys::fd::{AsFd, AsRawFd};

use crate::ground::{Ground, is_opaque, list, name, names, xattr};
use crate::tar::Tar;

/// Everything that a layer keeps of a tree: names, kinds, modes, owners, times, contents, attributes, and which
/// names are one file.
fn kept(tree: &Path) -> BTreeMap<String, String> {
    let mut first: BTreeMap<(u64, u64), String> = BTreeMap::new();
    let mut kept = BTreeMap::new();
    let mut paths: Vec<_> = crate::ground::see(tree).into_iter().collect();
    paths.sort_by(|one, other| one.0.cmp(&other.0));
    for (path, seen) in paths {
        let whole = tree.join(&path);
        let metadata = whole.symlink_metadata().unwrap();
        let shown = path.display().to_string();
        let same = if metadata.is_dir() || metadata.nlink() == 1 {
            String::new()
        } else {
            first.entry((metadata.dev(), metadata.ino())).or_insert_with(|| shown.clone()).clone()
        };
        let note = xattr(&whole, "user.note").map(|note| note.escape_ascii().to_string());
        let what = format!(
            "{:o} {:?} {:?} {} {same} {note:?} {}",
            seen.mode,
            seen.owner,
            seen.mtime,
            metadata.len() * u64::from(!metadata.is_dir()),
            seen.content[..seen.content.len().min(100)].escape_ascii()
        );
        kept.insert(shown, what);
    }
    kept
}

fn through(tree: &MergedTree) -> std::path::PathBuf {
    format!("/proc/self/fd/{}/", tree.root().as_raw_fd()).into()
}

/// A tree with one of everything.
fn make_everything(at: &Path) {
    fs::create_dir_all(at.join("d/e")).unwrap();
    fs::write(at.join("d/f"), "content").unwrap();
    fs::hard_link(at.join("d/f"), at.join("d/e/hard")).unwrap();
    symlink("../../nowhere", at.join("d/s")).unwrap();
    fs::hard_link(at.join("d/s"), at.join("d/s2")).unwrap();
    let sparse = fs::File::create(at.join("sparse")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"middle", 1 << 29).unwrap();
    fs::write(at.join(format!("{}-long", "n".repeat(200))), "x".repeat(100_000)).unwrap();
    fs::write(at.join("su"), "#!/bin/sh\n").unwrap();
    let flags = sys::fs::XattrFlags::empty();
    for name in ["d", "d/f"] {
        sys::fs::setxattr(at.join(name), "user.note", b"a=\n\0b", flags).unwrap();
    }
    std::os::unix::fs::chown(at.join("su"), Some(1000), Some(3_000_000)).unwrap();
    fs::set_permissions(at.join("su"), std::os::unix::fs::PermissionsExt::from_mode(0o4750)).unwrap();
    let mode = sys::fs::Mode::from_raw_mode(0o640);
    sys::fs::mknodat(sys::fs::CWD, at.join("pipe"), sys::fs::FileType::Fifo, mode, 0).unwrap();
    let old = sys::fs::Timestamps {
        last_access: sys::fs::Timespec { tv_sec: -5, tv_nsec: 7 },
        last_modification: sys::fs::Timespec { tv_sec: -5, tv_nsec: 7 },
    };
    sys::fs::utimensat(sys::fs::CWD, at.join("d/e"), &old, sys::fs::AtFlags::empty()).unwrap();
}

fn commit_flat(ground: &Ground, tree: &Path, as_name: &str) -> Image {
    let tree = fs::File::open(tree).unwrap();
    let wanted = (&name(as_name), Config::default());
    let committed = ground.store.commit_flat(tree.as_fd(), wanted, &Limits::default(), &mut ()).unwrap();
    assert!(committed.warnings.lines().is_empty(), "{:?}", committed.warnings);
    committed.image
}

fn export(ground: &Ground, image: &Image, form: (Format, Compression)) -> Vec<u8> {
    let mut bytes = Vec::new();
    ground.store.export(image, form, &mut bytes, &mut ()).unwrap();
    bytes
}

#[test]
fn a_layer_made_of_a_tree_is_that_tree_and_always_the_same() {
    let ground = Ground::on_disk();
    let tree = ground.at.join("store/tree");
    make_everything(&tree);
    let image = commit_flat(&ground, &tree, "one");
    let layer = &ground.store.layer_paths(&image)[0];
    assert_eq!(kept(layer), kept(&tree));
    assert!(fs::metadata(layer.join("sparse")).unwrap().blocks() < 100);
    let again = commit_flat(&ground, layer, "two");
    assert_eq!(again.layers, image.layers);
    fs::remove_dir_all(&tree).unwrap();
    ground.check();
}

#[test]
fn what_is_exported_is_imported_as_the_same_layers_and_configuration() {
    let ground = Ground::new();
    let tree = ground.at.join("store/tree");
    make_everything(&tree);
    let committed = commit_flat(&ground, &tree, "one");
    fs::remove_dir_all(&tree).unwrap();
    let image = Image {
        config: Config {
            cmd: vec!["/bin/sh".to_owned()],
            env: vec!["A=b".to_owned()],
            labels: [("k".to_owned(), "v".to_owned())].into(),
            ..Config::default()
        },
        ..committed
    };
    for compression in [Compression::Plain, Compression::Gzip, Compression::Zstd] {
        let bytes = export(&ground, &image, (Format::OciArchive, compression));
        assert_eq!(bytes, export(&ground, &image, (Format::OciArchive, compression)));
        let other = Ground::new();
        let again = other.import(bytes, "again", &Limits::default()).unwrap().image;
        assert_eq!((again.layers, again.config), (image.layers.clone(), image.config.clone()));
    }
    for compression in [Compression::Plain, Compression::Xz] {
        let bytes = export(&ground, &image, (Format::Rootfs, compression));
        let again = Ground::new().import(bytes, "again", &Limits::default()).unwrap().image;
        assert_eq!(again.layers, image.layers, "{compression:?}");
    }
    let refused =
        ground.store.export(&image, (Format::OciArchive, Compression::Xz), &mut Vec::new(), &mut ());
    assert!(matches!(refused, Err(Error::Invalid(_))));
    ground.check();
}

#[test]
fn gnu_tar_unpacks_what_is_exported_to_the_same_tree() {
    let ground = Ground::new();
    let tree = ground.at.join("store/tree");
    make_everything(&tree);
    let mut bytes = Vec::new();
    let directory = fs::File::open(&tree).unwrap();
    export_tree(directory.as_fd(), Compression::Gzip, &mut bytes, &mut ()).unwrap();
    let archive = ground.at.join("store/archive");
    fs::write(&archive, bytes).unwrap();
    let unpacked = ground.at.join("store/unpacked");
    fs::create_dir(&unpacked).unwrap();
    let mut tar = std::process::Command::new("tar");
    tar.args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpzf"])
        .arg(&archive)
        .arg("-C")
        .arg(&unpacked);
    assert!(tar.status().unwrap().success());
    assert_eq!(kept(&unpacked), kept(&tree));
    assert!(fs::metadata(unpacked.join("sparse")).unwrap().blocks() < 100);
}

#[test]
fn what_gnu_tar_packs_in_any_format_is_the_same_tree() {
    let ground = Ground::new();
    let tree = ground.at.join("store/tree");
    make_everything(&tree);
    fs::remove_file(tree.join("su")).unwrap();
    let whole = ["d", "d/e", "d/f", "d/e/hard", "d/s", "sparse", "pipe"];
    for options in [
        &["--format=gnu"][..],
        &["--format=gnu", "-S"],
        &["--format=posix", "-S"],
        &["--format=ustar"],
        &["--format=posix", "-S", "--sparse-version=0.0"],
        &["--format=posix", "-S", "--sparse-version=0.1"],
    ] {
        let mut tar = std::process::Command::new("tar");
        tar.args(options)
            .args(["--exclude=*-long", "--mtime=@1000000000", "-C"])
            .arg(&tree)
            .args(["-cf", "-", "."]);
        let packed = tar.output().unwrap();
        assert!(packed.status.success(), "{options:?}");
        let other = Ground::new();
        let image = other.import(packed.stdout, "packed", &Limits::default()).unwrap().image;
        let layer = &other.store.layer_paths(&image)[0];
        for path in whole {
            let (one, two) = (layer.join(path), tree.join(path));
            let (found, real) = (one.symlink_metadata().unwrap(), two.symlink_metadata().unwrap());
            assert_eq!((found.mode(), found.nlink()), (real.mode(), real.nlink()), "{options:?} {path}");
            assert_eq!(found.mtime(), 1_000_000_000, "{options:?} {path}");
            if found.is_file() {
                assert_eq!(found.len(), real.len());
            }
        }
        let mut bytes = [0; 8];
        let sparse = fs::File::open(layer.join("sparse")).unwrap();
        std::os::unix::fs::FileExt::read_exact_at(&sparse, &mut bytes, (1 << 29) - 1).unwrap();
        assert_eq!(&bytes, b"\0middle\0", "{options:?}");
        assert_eq!(sparse.metadata().unwrap().blocks() < 100, options.contains(&"-S"), "{options:?}");
    }
}

/// An image of two layers, and an upper directory with changes made through overlayfs itself.
fn changed(ground: &Ground) -> (Image, std::path::PathBuf) {
    let bottom =
        Tar::new().directory("d").file("d/a", "1").file("d/b", "2").file("e/x", "").symlink("s", "d");
    let base = ground.import(bottom.file("moved", "m").finish(), "base", &Limits::default()).unwrap().image;
    let at = ground.at.join("store/instances/i");
    for directory in ["upper", "work"] {
        fs::create_dir_all(at.join(directory)).unwrap();
    }
    let (upper, work) = (fs::File::open(at.join("upper")).unwrap(), fs::File::open(at.join("work")).unwrap());
    let changes = Changes { upper: upper.as_fd(), work: work.as_fd() };
    let merged = MergedTree::writable(&ground.store, &base.layers, changes).unwrap();
    let root = through(&merged);
    fs::remove_file(root.join("d/a")).unwrap();
    fs::write(root.join("d/b"), "changed").unwrap();
    fs::write(root.join("d/new"), "new").unwrap();
    fs::hard_link(root.join("d/new"), root.join("d/linked")).unwrap();
    fs::remove_dir_all(root.join("e")).unwrap();
    fs::create_dir(root.join("e")).unwrap();
    fs::write(root.join("e/y"), "").unwrap();
    fs::rename(root.join("moved"), root.join("d/moved")).unwrap();
    make_everything(&root.join("e"));
    (base, at)
}

#[test]
fn an_image_of_changes_is_what_the_container_saw() {
    let ground = Ground::on_disk();
    let (base, at) = changed(&ground);
    let upper = fs::File::open(at.join("upper")).unwrap();
    let config = Config { cmd: vec!["/x".to_owned()], ..Config::default() };
    let wanted = (&name("changed"), config.clone());
    let limits = Limits::default();
    let image =
        ground.store.commit_changes(upper.as_fd(), &base.layers, wanted, &limits, &mut ()).unwrap().image;
    assert_eq!((image.layers.len(), &image.config), (2, &config));
    let top = &ground.store.layer_paths(&image)[0];
    assert!(is_opaque(&top.join("e")) && list(top).contains(&"w d/a".to_owned()));
    let saw = MergedTree::with_upper(&ground.store, &base.layers, upper.as_fd()).unwrap();
    let made = MergedTree::new(&ground.store, &image.layers).unwrap();
    assert_eq!(kept(&through(&made)), kept(&through(&saw)));

    let wanted = (&name("flat"), Config::default());
    let flat = ground.store.commit_flat(saw.root(), wanted, &limits, &mut ()).unwrap().image;
    assert_eq!(flat.layers.len(), 1);
    assert_eq!(kept(&ground.store.layer_paths(&flat)[0]), kept(&through(&saw)));

    let exported = export(&ground, &image, (Format::OciArchive, Compression::Gzip));
    let other = Ground::new();
    let again = other.import(exported, "again", &limits).unwrap().image;
    assert_eq!(again.layers[1], image.layers[1]);
    let exported_again = MergedTree::new(&other.store, &again.layers).unwrap();
    assert_eq!(kept(&through(&exported_again)), kept(&through(&saw)));

    let place = fs::File::open(&at).unwrap();
    ground.store.make_copy(&image, (place.as_fd(), "rootfs"), &limits, &mut ()).unwrap();
    assert_eq!(kept(&at.join("rootfs")), kept(&through(&saw)));
    drop((saw, made));
    fs::remove_dir_all(&at).unwrap();
    ground.check();
}

#[test]
fn a_merged_tree_is_in_no_mount_table_and_cannot_be_written_to() {
    let ground = Ground::new();
    let image = ground.import(Tar::new().file("a", "1").finish(), "one", &Limits::default()).unwrap().image;
    let merged = MergedTree::new(&ground.store, &image.layers).unwrap();
    assert_eq!(names(&through(&merged)), ["a"]);
    let written = fs::write(through(&merged).join("a"), "2").unwrap_err();
    assert_eq!(written.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&ground.at.display().to_string()));
}

#[test]
fn five_hundred_layers_are_one_tree() {
    let ground = Ground::new();
    let mut layers = Vec::new();
    for number in 0..500 {
        let tar = Tar::new().file(&format!("f{number}"), "").file("last", &number.to_string()).finish();
        let source = Source::Reader(Box::new(Cursor::new(tar)));
        let as_name = name(&format!("i{number}"));
        layers
            .extend(ground.store.import(source, &as_name, &Limits::default(), &mut ()).unwrap().image.layers);
    }
    let merged = MergedTree::new(&ground.store, &layers).unwrap();
    let root = through(&merged);
    assert_eq!(names(&root).len(), 501);
    assert_eq!(fs::read(root.join("last")).unwrap(), b"499");
}

#[test]
fn a_seed_is_one_file_system_without_the_store_and_what_is_left_out() {
    let ground = Ground::new();
    let source = ground.at.clone();
    let store = ground.at.join("store");
    fs::write(source.join("canary/.keep"), "").unwrap();
    let listener = std::os::unix::net::UnixListener::bind(source.join("canary/socket")).unwrap();
    let exclude = source.join("canary/directory");
    let missing = source.join("missing");
    let exclude = [exclude.as_path(), missing.as_path()];
    let seeded = ground.store.seed(&source, &name("seed"), &exclude, &Limits::default(), &mut ()).unwrap();
    let layer = &ground.store.layer_paths(&seeded.image)[0];
    assert_eq!(
        list(layer),
        ["d canary", "f canary/.keep=", "f canary/secret=secret", "l canary/link>secret"]
    );
    assert_eq!(seeded.warnings.lines(), ["canary/socket: a socket is left out"]);
    let proc = Path::new("/proc/sys/fs");
    let other = ground.store.seed(proc, &name("proc"), &[], &Limits::default(), &mut ()).unwrap();
    let binfmt = ground.store.layer_paths(&other.image)[0].join("binfmt_misc");
    assert!(names(&binfmt).is_empty());
    drop((listener, store));
}

#[test]
fn what_no_layer_can_say_is_refused_by_name() {
    let ground = Ground::new();
    let tree = ground.at.join("store/tree");
    fs::create_dir_all(tree.join("d")).unwrap();
    let commit = |words: &str| {
        let upper = fs::File::open(&tree).unwrap();
        let wanted = (&name("x"), Config::default());
        let refused = ground.store.commit_changes(upper.as_fd(), &[], wanted, &Limits::default(), &mut ());
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    };
    let flags = sys::fs::XattrFlags::empty();
    sys::fs::setxattr(tree.join("d"), "trusted.overlay.redirect", b"/e", flags).unwrap();
    commit("entry d/: overlayfs keeps a part of it elsewhere");
    fs::remove_dir(tree.join("d")).unwrap();
    fs::write(tree.join(".wh.x"), "").unwrap();
    commit("entry .wh.x: an archive of a layer takes a name that begins with `.wh.`");
    fs::remove_dir_all(&tree).unwrap();
    ground.check();
}

#[test]
fn devices_of_a_tree_are_kept_only_if_they_are_asked_for() {
    let ground = Ground::new();
    let tree = ground.at.join("store/tree");
    fs::create_dir(&tree).unwrap();
    let (mode, kind) = (sys::fs::Mode::from_raw_mode(0o600), sys::fs::FileType::CharacterDevice);
    sys::fs::mknodat(sys::fs::CWD, tree.join("null"), kind, mode, sys::fs::makedev(1, 3)).unwrap();
    let root = fs::File::open(&tree).unwrap();
    let commit = |as_name: &str, devices: Devices| {
        let wanted = (&name(as_name), Config::default());
        let limits = Limits { devices, ..Limits::default() };
        let image = ground.store.commit_flat(root.as_fd(), wanted, &limits, &mut ()).unwrap().image;
        list(&ground.store.layer_paths(&image)[0])
    };
    assert!(commit("without", Devices::Refused).is_empty());
    assert_eq!(commit("with", Devices::Kept), ["c null"]);
}

#[test]
fn a_commit_can_be_stopped_and_leaves_nothing() {
    let ground = Ground::new();
    let tree = ground.at.join("store/tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("f"), vec![1; 4 << 20]).unwrap();
    let root = fs::File::open(&tree).unwrap();
    let mut reports = 0;
    let mut stop = |_: &image::Step| {
        reports += 1;
        if reports > 5 { Go::Stop } else { Go::On }
    };
    let wanted = (&name("x"), Config::default());
    let stopped = ground.store.commit_flat(root.as_fd(), wanted, &Limits::default(), &mut stop);
    assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    assert!(ground.layers().is_empty());
    let mut stop = |_: &image::Step| Go::Stop;
    let exported = export_tree(root.as_fd(), Compression::Plain, &mut Vec::new(), &mut stop);
    assert!(matches!(exported, Err(Error::Interrupted)));
    fs::remove_dir_all(&tree).unwrap();
    ground.check();
}
