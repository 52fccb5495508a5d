//! Where copies go, by what is copied and what stands at the target: the same table for both directions, and for an instance
//! that runs and one that does not.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use cli::run;
use instances::Ground;

/// What comes of a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Comes {
    /// A file with the text of the original, at this path.
    File(&'static str),
    /// A directory with what the original has in it.
    Directory(&'static str),
    /// A link to where the original leads.
    Link(&'static str),
    /// An error, and nothing has changed.
    Error,
}

use Comes::{Directory, Error, Link};

/// Source, target, and what comes of it.
const TABLE: &[(&str, &str, Comes)] = &[
    ("f", "absent", Comes::File("absent")),
    ("f", "absent/", Error),
    ("f", "absent/.", Error),
    ("f", "file", Comes::File("file")),
    ("f", "file/", Error),
    ("f", "dir", Comes::File("dir/f")),
    ("f", "dir/", Comes::File("dir/f")),
    ("f", "dir/.", Comes::File("dir/f")),
    ("f", "tofile", Comes::File("file")),
    ("f", "tofile/", Error),
    ("f", "todir", Comes::File("dir/f")),
    ("f", "todir/", Comes::File("dir/f")),
    ("f", "abs", Comes::File("dir/f")),
    ("f", "up", Comes::File("dir/f")),
    ("f", "chain", Comes::File("file")),
    ("f", "dangling", Comes::File("made")),
    ("f", "dangling/", Error),
    ("f", "deep", Error),
    ("f", "loop", Error),
    ("f", "pipe", Error),
    ("f", "none/x", Error),
    ("f", "file/x", Error),
    ("f", "todir/x", Comes::File("dir/x")),
    ("f", "full", Error),
    ("d", "absent", Directory("absent")),
    ("d", "absent/", Directory("absent")),
    ("d", "absent/.", Error),
    ("d", "file", Error),
    ("d", "file/", Error),
    ("d", "dir", Directory("dir/d")),
    ("d", "dir/", Directory("dir/d")),
    ("d", "dir/.", Directory("dir/d")),
    ("d", "tofile", Error),
    ("d", "todir", Directory("dir/d")),
    ("d", "abs", Directory("dir/d")),
    ("d", "up/", Directory("dir/d")),
    ("d", "dangling", Directory("made")),
    ("d", "deep", Error),
    ("d", "loop", Error),
    ("d", "pipe", Error),
    ("d", "none/x", Error),
    ("d", "full", Error),
    ("d/", "dir", Directory("dir/d")),
    ("d/.", "absent", Directory("absent")),
    ("d/.", "absent/", Directory("absent")),
    ("d/.", "file", Error),
    ("d/.", "dir", Directory("dir")),
    ("d/.", "dir/", Directory("dir")),
    ("d/.", "todir", Directory("dir")),
    ("d/.", "dangling", Directory("made")),
    ("d/.", "none/x", Error),
    ("l", "absent", Link("absent")),
    ("l", "file", Link("file")),
    ("l", "dir", Link("dir/l")),
    ("l", "tofile", Link("file")),
    ("ld", "absent", Link("absent")),
    ("ld/", "absent", Directory("absent")),
    ("ld/", "dir", Directory("dir/ld")),
    ("ld/.", "dir", Directory("dir")),
    ("f/", "absent", Error),
    ("f/.", "absent", Error),
    ("l/", "absent", Error),
    ("none", "absent", Error),
    ("none", "dir", Error),
];

/// What is copied.
fn originals(at: &Path) {
    fs::create_dir_all(at.join("d/deep")).unwrap();
    fs::write(at.join("f"), "new").unwrap();
    fs::write(at.join("d/deep/in"), "new").unwrap();
    fs::write(at.join("d/in"), "new").unwrap();
    symlink("f", at.join("l")).unwrap();
    symlink("d", at.join("ld")).unwrap();
}

/// What stands where it is copied to; `own` is how programs there call the directory.
fn targets(at: &Path, own: &str) {
    fs::create_dir_all(at.join("dir/kept")).unwrap();
    fs::create_dir_all(at.join("full/f/kept")).unwrap();
    fs::write(at.join("full/d"), "old").unwrap();
    fs::write(at.join("file"), "old").unwrap();
    let name = Path::new(own).file_name().unwrap().to_str().unwrap();
    for (link, to) in [
        ("tofile", "file"),
        ("todir", "dir"),
        ("abs", &format!("{own}/dir")),
        ("up", &format!("../{name}/dir")),
        ("chain", "tofile"),
        ("dangling", "made"),
        ("deep", "none/made"),
        ("loop", "loop"),
    ] {
        symlink(to, at.join(link)).unwrap();
    }
    assert!(Command::new("mkfifo").arg(at.join("pipe")).status().unwrap().success());
}

/// All that is in a directory, with what it is.
fn listed(at: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut left = vec![at.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let what = if kind.is_dir() {
                left.push(path.clone());
                "directory".to_owned()
            } else if kind.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if kind.is_fifo() {
                "pipe".to_owned()
            } else {
                fs::read_to_string(&path).unwrap()
            };
            found.push((path.strip_prefix(at).unwrap().to_path_buf(), what));
        }
    }
    found.sort();
    found
}

/// What there should be in the end.
fn wanted(before: &[(PathBuf, String)], source: &str, comes: Comes) -> Vec<(PathBuf, String)> {
    let made: Vec<(PathBuf, String)> = match comes {
        Error => Vec::new(),
        Comes::File(path) => vec![(path.into(), "new".into())],
        Link(path) => vec![(path.into(), if source == "l" { "-> f".into() } else { "-> d".into() })],
        Directory(path) => [("", "directory"), ("in", "new"), ("deep", "directory"), ("deep/in", "new")]
            .into_iter()
            // Without a slash at its end.
            .map(|(name, what)| (Path::new(path).join(name).components().collect(), what.into()))
            .collect(),
    };
    let kept = before.iter().filter(|(path, _)| made.iter().all(|(new, _)| new != path)).cloned();
    let mut all: Vec<_> = kept.chain(made.clone()).collect();
    all.sort();
    all
}

/// An instance whose files in `/upper` are made before it runs.
fn ground(make: impl Fn(&Path)) -> (Ground, PathBuf) {
    let ground = Ground::with_image();
    ground.good(&["new", "web", "busybox", "--", "sleep", "1000"]);
    let upper = ground.join("root/instances/web/upper");
    make(&upper);
    (ground, upper)
}

fn copy(ground: &Ground, from: &str, to: &str) -> Result<(), String> {
    let ended = run(&mut ground.husk(&["cp", from, to]));
    match ended.code() {
        0 => Ok(()),
        1 => {
            assert_eq!(ended.err().lines().filter(|line| line.starts_with("husk: ")).count(), 1);
            Err(ended.err())
        }
        code => panic!("cp {from} {to}: {code}: {}", ended.err()),
    }
}

fn compare(target: &Path, row: &(&str, &str, Comes), before: &[(PathBuf, String)], done: Result<(), String>) {
    let (source, _, comes) = row;
    assert_eq!(done.is_err(), *comes == Error, "{row:?}: {done:?}");
    assert_eq!(listed(target), wanted(before, source, *comes), "{row:?}: {done:?}");
}

fn in_both_states(check: impl Fn(&Ground, &Path, bool)) {
    for runs in [false, true] {
        let (ground, upper) = ground(|upper| {
            originals(&upper.join("from"));
            for number in 0..TABLE.len() {
                let name = format!("to{number}");
                targets(&upper.join(&name), &format!("/{name}"));
            }
        });
        if runs {
            ground.good(&["run", "-d", "web"]);
        }
        check(&ground, &upper, runs);
    }
}

#[test]
fn a_copy_into_an_instance_goes_where_the_table_says() {
    in_both_states(|ground, upper, _| {
        let from = ground.join("from");
        originals(&from);
        for (number, row) in TABLE.iter().enumerate() {
            let target = upper.join(format!("to{number}"));
            let before = listed(&target);
            let done =
                copy(ground, &format!("{}/{}", from.display(), row.0), &format!("web:/to{number}/{}", row.1));
            compare(&target, row, &before, done);
        }
    });
}

#[test]
fn a_copy_out_of_an_instance_goes_where_the_table_says() {
    in_both_states(|ground, _, _| {
        for (number, row) in TABLE.iter().enumerate() {
            let target = ground.join(&format!("out{number}"));
            targets(&target, target.to_str().unwrap());
            let before = listed(&target);
            let done =
                copy(ground, &format!("web:/from/{}", row.0), &format!("{}/{}", target.display(), row.1));
            compare(&target, row, &before, done);
        }
    });
}

#[test]
fn a_link_of_the_instance_leads_nowhere_outside_of_it() {
    let (ground, upper) = ground(|_| {});
    let outside = ground.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "old").unwrap();
    symlink(&outside, upper.join("absolute")).unwrap();
    symlink(outside.join("file"), upper.join("file")).unwrap();
    symlink(format!("../../../../../../../..{}", outside.display()), upper.join("up")).unwrap();
    let new = ground.join("new");
    fs::write(&new, "new").unwrap();
    for to in ["absolute", "file", "up", "absolute/x", "up/x"] {
        let said = copy(&ground, new.to_str().unwrap(), &format!("web:/{to}")).unwrap_err();
        assert!(said.contains("No such file or directory"), "{to}: {said}");
    }
    assert_eq!(listed(&outside), [(PathBuf::from("file"), "old".into())]);
}

#[test]
fn a_directory_of_an_archive_takes_the_place_of_no_link() {
    let (ground, upper) = ground(|upper| {
        fs::create_dir(upper.join("usr")).unwrap();
        symlink("usr", upper.join("link")).unwrap();
    });
    fs::create_dir_all(ground.join("packed/link")).unwrap();
    let packed = ground.join("packed");
    let said = copy(&ground, &format!("{}/.", packed.display()), "web:/").unwrap_err();
    assert!(said.contains("entry link/: something that is no directory stands there"), "{said}");
    assert_eq!(fs::read_link(upper.join("link")).unwrap(), Path::new("usr"));
}

/// Ten gigabytes, of which one megabyte is there.
fn sparse(at: &Path) {
    let file = File::create(at).unwrap();
    file.set_len(10 << 30).unwrap();
    file.write_all_at(&vec![b'x'; 512 << 10], 1 << 20).unwrap();
    file.write_all_at(&vec![b'y'; 512 << 10], 7 << 30).unwrap();
}

fn is_sparse(at: &Path) {
    let metadata = fs::metadata(at).unwrap();
    assert_eq!(metadata.size(), 10 << 30);
    let on_disk = metadata.blocks() * 512;
    assert!((1 << 20..2 << 20).contains(&on_disk), "{} has {on_disk} bytes on the disk", at.display());
    let file = File::open(at).unwrap();
    for (offset, wanted) in
        [(0, b"\0\0"), ((1 << 20) - 1, b"\0x"), ((7 << 30) - 1, b"\0y"), ((10 << 30) - 2, b"\0\0")]
    {
        let mut read = [0; 2];
        file.read_exact_at(&mut read, offset).unwrap();
        assert_eq!(&read, wanted, "at {offset}");
    }
}

#[test]
fn holes_are_neither_sent_nor_written_in_either_direction() {
    let (ground, upper) = ground(|upper| {
        fs::create_dir(upper.join("d")).unwrap();
        sparse(&upper.join("d/sparse"));
    });
    for runs in [false, true] {
        if runs {
            ground.good(&["run", "-d", "web"]);
        }
        let (alone, within) = (ground.join(&format!("alone{runs}")), ground.join(&format!("within{runs}")));
        ground.good(&["cp", "web:/d/sparse", alone.to_str().unwrap()]);
        is_sparse(&alone);
        ground.good(&["cp", "web:/d", within.to_str().unwrap()]);
        is_sparse(&within.join("sparse"));
        ground.good(&["cp", alone.to_str().unwrap(), &format!("web:/back{runs}")]);
        is_sparse(&upper.join(format!("back{runs}")));
        ground.good(&["cp", within.to_str().unwrap(), &format!("web:/tree{runs}")]);
        is_sparse(&upper.join(format!("tree{runs}/sparse")));
    }
}

#[test]
fn a_host_with_nothing_left_says_so_and_leaves_the_instance_free() {
    let (ground, upper) = ground(|_| {});
    fs::write(upper.join("large"), vec![b'x'; 8 << 20]).unwrap();
    let full = ground.join("full");
    fs::create_dir(&full).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(&full).status();
    assert!(mounted.unwrap().success());
    let done = copy(&ground, "web:/large", full.to_str().unwrap());
    assert!(Command::new("umount").arg(&full).status().unwrap().success());
    assert!(done.as_ref().is_err_and(|said| said.contains("No space left on device")), "{done:?}");
    ground.good(&["rm", "web"]);
}
