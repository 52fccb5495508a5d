//! Records on a disk that is full, in a mount namespace that goes away with it. Needs root.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use instance::message::Files;
use instance::state::State;
use instance::{ImageName, InstanceName, Record, Settings, Store, VERSION};

/// How a small file system comes to be at $1; $2 is a file that may be a disk.
const KINDS: [(&str, &str); 2] = [
    ("tmpfs", "mount -t tmpfs -o size=2m none \"$1\""),
    ("ext4", "truncate -s 8M \"$2\" && mke2fs -q -F -t ext4 \"$2\" && mount -o loop \"$2\" \"$1\""),
];

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn name(text: &str) -> InstanceName {
    InstanceName::new(text).unwrap()
}

/// A record of so many bytes and a few more.
fn record(length: usize) -> Record {
    Record {
        version: VERSION,
        image: ImageName::new("debian").unwrap(),
        layers: vec!["0".repeat(32)],
        config: serde_json::json!({"env": ["x".repeat(length)]}),
        files: Files::Overlay,
        created: 1,
        settings: Settings::default(),
        at_end: instance::state::Then::Stay,
        saved: 0,
        state: State::new(1000),
    }
}

fn parts(directory: &Path) -> std::io::Result<()> {
    ["upper", "work"].iter().try_for_each(|part| fs::create_dir(directory.join(part)))
}

fn names(store: &Store) -> Vec<String> {
    let loaded = store.load_all().unwrap();
    loaded.iter().map(|(name, _)| name.as_str().to_owned()).collect()
}

/// Takes all room but some tens of kilobytes: directories can be made, and no large record.
fn fill(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    let mut bytes = vec![1; 1 << 20];
    while bytes.len() > 2048 {
        if file.write_all(&bytes).is_err() {
            bytes.truncate(bytes.len() / 2);
        }
    }
    let length = file.metadata().unwrap().len();
    file.set_len(length - (64 << 10)).unwrap();
}

#[test]
fn a_record_for_which_there_is_no_room_leaves_what_was_there_and_nothing_else() {
    let Some(place) = std::env::var_os("HUSK_INSTANCE_FULL").map(PathBuf::from) else {
        return on_small_disks();
    };
    let store = Store::open(&place.join("root"), remove).unwrap();
    store.create(&name("old"), &record(1), parts).unwrap();
    let (ballast, tmp) = (place.join("ballast"), store.root().join("tmp"));
    fill(&ballast);
    let large = record(1 << 20);
    let error = store.create(&name("new"), &large, parts).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    let text = error.to_string();
    let begin = format!("write {}/new-new-", tmp.display());
    assert!(text.starts_with(&begin) && text.ends_with("/instance.json: No space left on device"), "{text}");
    let error = store.save(&name("old"), &large).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(names(&store), ["old"]);
    assert_eq!(store.load(&name("old")).unwrap().config, record(1).config);
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
    // Nor is there anything for the next daemon to find.
    drop(store);
    let store = Store::open(&place.join("root"), remove).unwrap();
    assert_eq!(names(&store), ["old"]);
    fs::remove_file(&ballast).unwrap();
    let smaller = record(100 << 10);
    store.create(&name("new"), &smaller, parts).unwrap();
    assert_eq!(store.load(&name("new")).unwrap(), smaller);
}

/// The test once more in a process of its own, on each small file system.
fn on_small_disks() {
    for (kind, mount) in KINDS {
        let place = std::env::temp_dir().join(format!("husk-instance-{kind}-{}", std::process::id()));
        fs::create_dir(&place).unwrap();
        let disk = place.with_extension("disk");
        let test = "a_record_for_which_there_is_no_room_leaves_what_was_there_and_nothing_else";
        let status = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-ec"])
            .arg(format!("{mount}; shift 2; exec \"$@\""))
            .args(["sh".as_ref(), place.as_os_str(), disk.as_os_str()])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test, "--test-threads=1"])
            .env("HUSK_INSTANCE_FULL", &place)
            .status();
        let _ = fs::remove_file(&disk);
        fs::remove_dir(&place).unwrap();
        assert!(status.unwrap().success(), "on {kind}");
    }
}
