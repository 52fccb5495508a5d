//! Records on disk.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use instance::message::Files;
use instance::state::State;
use instance::{ImageName, InstanceName, Record, Settings, Store, VERSION};

/// A directory that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("instance-store-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> Store {
        Store::open(&self.0.join("root"), remove).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn name(text: &str) -> InstanceName {
    InstanceName::new(text).unwrap()
}

fn record() -> Record {
    Record {
        version: VERSION,
        image: ImageName::new("debian:12").unwrap(),
        layers: vec!["0".repeat(32)],
        config: serde_json::json!({"cmd": ["sh"]}),
        files: Files::Overlay,
        created: 1,
        settings: Settings { memory: Some("1m".into()), ..Settings::default() },
        at_end: instance::state::Then::Stay,
        saved: 0,
        state: State::new(1000),
    }
}

/// What huskd makes for changes over an image.
fn parts(directory: &Path) -> std::io::Result<()> {
    ["upper", "work"].iter().try_for_each(|part| fs::create_dir(directory.join(part)))
}

fn names(store: &Store) -> Vec<String> {
    let mut names: Vec<String> =
        store.load_all().unwrap().iter().map(|(name, _)| name.as_str().to_string()).collect();
    names.sort();
    names
}

#[test]
fn a_record_is_read_as_it_was_written_and_for_nobody_else() {
    let place = Place::new();
    let store = place.open();
    store.create(&name("web"), &record(), |directory| fs::create_dir(directory.join("upper"))).unwrap();
    assert_eq!(store.load(&name("web")).unwrap(), record());
    let changed = Record { created: 2, ..record() };
    store.save(&name("web"), &changed).unwrap();
    assert_eq!(store.load(&name("web")).unwrap(), changed);
    for path in [store.root().into(), store.directory(&name("web"))] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }
    assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn what_could_not_be_filled_is_not_there() {
    let place = Place::new();
    let store = place.open();
    let error = store
        .create(&name("web"), &record(), |directory| {
            fs::write(directory.join("half"), "x")?;
            Err(ErrorKind::StorageFull.into())
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(names(&store), Vec::<String>::new());
    assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_noted_state_counts_if_it_is_newer_and_whole() {
    let place = Place::new();
    let store = place.open();
    store.create(&name("web"), &record(), parts).unwrap();
    let noted = Record { saved: 1, state: State::new(2000), ..record() };
    store.note(&name("web"), &noted).unwrap();
    assert_eq!(store.load(&name("web")).unwrap(), noted);
    // As a power cut may leave it.
    fs::write(store.directory(&name("web")).join("state.json"), "").unwrap();
    assert_eq!(store.load(&name("web")).unwrap(), record());
    store.note(&name("web"), &noted).unwrap();
    let saved = Record { saved: 2, state: State::new(3000), ..record() };
    store.save(&name("web"), &saved).unwrap();
    assert_eq!(store.load(&name("web")).unwrap(), saved);
}

#[test]
fn no_instance_takes_the_place_of_another() {
    let place = Place::new();
    let store = place.open();
    for one in ["a", "b"] {
        store.create(&name(one), &record(), parts).unwrap();
    }
    assert_eq!(store.create(&name("a"), &record(), parts).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(store.rename(&name("a"), &name("b")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    store.rename(&name("a"), &name("c")).unwrap();
    assert_eq!(names(&store), ["b", "c"]);
    store.discard(&name("b")).unwrap();
    store.discard(&name("b")).unwrap();
    assert_eq!(names(&store), ["c"]);
}

#[test]
fn one_root_has_one_keeper() {
    let place = Place::new();
    let store = place.open();
    let error = Store::open(store.root(), remove).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(error.to_string().ends_with("another huskd has it"), "{error}");
    drop(store);
    place.open();
}

#[test]
fn what_is_half_made_goes_and_what_is_damaged_stays() {
    let place = Place::new();
    let store = place.open();
    for one in ["good", "damaged", "newer"] {
        store.create(&name(one), &record(), parts).unwrap();
    }
    let file = |name: &str| store.root().join("instances").join(name).join("instance.json");
    fs::write(file("damaged"), "{").unwrap();
    // What somebody has made is in it.
    fs::write(file("damaged").with_file_name("upper/file"), "").unwrap();
    let newer = fs::read_to_string(file("newer")).unwrap();
    fs::write(file("newer"), newer.replace("\"version\": 1", "\"version\": 2")).unwrap();
    fs::create_dir(store.root().join("instances/half")).unwrap();
    fs::create_dir(store.root().join("tmp/gone-x")).unwrap();
    fs::write(store.root().join("tmp/record-x"), "{").unwrap();
    let root = store.root().to_path_buf();
    drop(store);
    let store = place.open();
    assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    assert_eq!(names(&store), ["damaged", "good", "newer"]);
    assert!(!root.join("instances/half").exists());
    let text = |one: &str| store.load(&name(one)).unwrap_err().to_string();
    assert!(text("newer").contains("it is of version 2, this huskd understands 1"), "{}", text("newer"));
    assert!(text("damaged").contains("instance.json: EOF"), "{}", text("damaged"));
}

#[test]
fn what_a_power_cut_kept_from_being_finished_goes() {
    type Change = fn(&Path);
    let changes: [(&str, bool, Change); 12] = [
        // The record has its name, and nothing or nothing right in it.
        ("empty", false, |at| fs::write(at.join("instance.json"), "").unwrap()),
        ("zeros", false, |at| fs::write(at.join("instance.json"), [0; 512]).unwrap()),
        ("cut", false, |at| {
            fs::write(at.join("instance.json"), [b"{", &[b' '; 511][..]].concat()).unwrap();
        }),
        ("without-a-record", false, |at| fs::remove_file(at.join("instance.json")).unwrap()),
        ("lost", true, |at| {
            fs::remove_file(at.join("instance.json")).unwrap();
            fs::write(at.join("upper/file"), "").unwrap();
        }),
        ("without-a-part", false, |at| fs::remove_dir(at.join("work")).unwrap()),
        // A slip of who edits it.
        ("edited", true, |at| {
            let text = fs::read(at.join("instance.json")).unwrap();
            fs::write(at.join("instance.json"), &text[..text.len() / 512 * 512 + 1]).unwrap();
        }),
        // These have something that a new one has not.
        ("changed", true, |at| {
            fs::write(at.join("instance.json"), "").unwrap();
            fs::write(at.join("upper/file"), "").unwrap();
        }),
        ("started", true, |at| {
            fs::write(at.join("instance.json"), "").unwrap();
            fs::create_dir(at.join("work/work")).unwrap();
        }),
        ("logged", true, |at| {
            fs::remove_dir(at.join("upper")).unwrap();
            fs::write(at.join("log"), "").unwrap();
        }),
        ("copied", true, |at| {
            fs::write(at.join("instance.json"), "").unwrap();
            fs::rename(at.join("upper"), at.join("rootfs")).unwrap();
        }),
        ("whole", true, |_| {}),
    ];
    let place = Place::new();
    let store = place.open();
    for (one, _, change) in changes {
        store.create(&name(one), &record(), parts).unwrap();
        change(&store.directory(&name(one)));
    }
    drop(store);
    let mut stay: Vec<&str> = changes.iter().filter(|(_, stays, _)| *stays).map(|(one, ..)| *one).collect();
    stay.sort_unstable();
    let store = place.open();
    assert_eq!(names(&store), stay);
    let mut left: Vec<String> = fs::read_dir(store.root().join("instances"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(left, stay);
}

#[test]
fn a_file_where_a_directory_belongs_is_said() {
    let place = Place::new();
    fs::create_dir(place.0.join("root")).unwrap();
    // As initns has it.
    fs::write(place.0.join("root/instances"), "one\n").unwrap();
    let error = Store::open(&place.0.join("root"), remove).unwrap_err();
    assert!(error.to_string().ends_with("instances: Not a directory"), "{error}");
}
