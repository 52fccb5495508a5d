//! More names than there is memory for them, in what is packed.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use image::{Config, Error, Imported, Limits};

use crate::ground::{Ground, name, names};

/// Commits a directory with so many bytes for names.
fn commit(ground: &Ground, tree: &Path, bytes: u64) -> Result<Imported, Error> {
    let limits = Limits { names: bytes, ..Limits::default() };
    let upper = fs::File::open(tree).unwrap();
    ground.store.commit_changes(upper.as_fd(), &[], (&name("crowd"), Config::default()), &limits, &mut ())
}

/// A tree, made beside a store; it is not the store's.
fn tree(make: impl FnOnce(&Path)) -> (Ground, Ground) {
    let (ground, elsewhere) = (Ground::new(), Ground::new());
    fs::create_dir(elsewhere.at.join("tree")).unwrap();
    make(&elsewhere.at);
    (ground, elsewhere)
}

#[test]
fn a_directory_of_more_names_than_there_is_memory_for_is_refused_and_not_read_to_its_end() {
    let (ground, elsewhere) = tree(|at| {
        fs::create_dir(at.join("tree/d")).unwrap();
        (0..1000).for_each(|number| fs::write(at.join(format!("tree/d/f{number:04}")), "").unwrap());
    });
    // A name takes its five bytes and 64; that of d itself is done with by then.
    let error = commit(&ground, &elsewhere.at.join("tree"), 1000 * 69 - 1).unwrap_err().to_string();
    assert!(error.starts_with("entry d/: the names of files in a directory"), "{error}");
    ground.check();
    assert_eq!(ground.layers(), Vec::<String>::new());
    commit(&ground, &elsewhere.at.join("tree"), 1000 * 69).unwrap();
}

#[test]
fn files_with_several_names_take_memory_up_to_the_last_of_them_only() {
    let make = |at: &Path, other: &str| {
        fs::create_dir(at.join("outside")).unwrap();
        // Longer than what is done with by then, the name of the directory.
        let long = "f".repeat(100);
        for number in 0..300 {
            let directory = at.join(format!("tree/d{number:03}"));
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join(&long), "").unwrap();
            let link = at.join(other.replace('N', &format!("{number:03}")));
            fs::hard_link(directory.join(&long), link).unwrap();
        }
    };
    // The names of the directories themselves, and a little.
    let most = 300 * 68 + 1000;
    let (ground, elsewhere) = tree(|at| make(at, "tree/dN/g"));
    let image = commit(&ground, &elsewhere.at.join("tree"), most).unwrap().image;
    let layer = ground.store.layer_paths(&image).remove(0);
    assert_eq!(names(&layer.join("d299")), [&"f".repeat(100), "g"]);
    assert_eq!(std::os::unix::fs::MetadataExt::nlink(&fs::metadata(layer.join("d299/g")).unwrap()), 2);
    // The others are never seen.
    let (ground, elsewhere) = tree(|at| make(at, "outside/N"));
    let error = commit(&ground, &elsewhere.at.join("tree"), most).unwrap_err().to_string();
    assert!(error.contains("and of files with several names, take more than"), "{error}");
    ground.check();
    commit(&ground, &elsewhere.at.join("tree"), 3 * most).unwrap();
}
