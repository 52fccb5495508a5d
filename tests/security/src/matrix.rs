//! Every trap at every place, under one way of running a container.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::victim::FOREIGN_USER;
use crate::{Ground, Outcome, PLACES, Trap, attempt};

/// How many combinations of one way ended in which manner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// The container ran, as it should.
    pub ran: u32,
    /// husk refused.
    pub refused: u32,
}

/// Runs one container for each trap at each place. `way` makes the command: it is given the image and the
/// place.
///
/// # Panics
/// Where anything happened outside, or a container is not what it should be.
pub fn every_trap(ground: &Ground, way: impl Fn(&Path, &str) -> Command) -> Tally {
    traps(ground, &PLACES, &way)
}

/// The same at some places.
///
/// # Panics
/// As [`every_trap`].
pub fn traps(ground: &Ground, places: &[&str], way: &dyn Fn(&Path, &str) -> Command) -> Tally {
    let mut tally = Tally::default();
    for place in places {
        for trap in Trap::ALL {
            let root = ground.image();
            let planted = trap.plant(&root, place, ground.victim.path());
            let planted = planted.unwrap_or_else(|error| panic!("{trap:?} at {place}: {error}"));
            let mut command = way(&root, place);
            let what = format!("{trap:?} at /{place}: {command:?}");
            match attempt(&mut command) {
                Outcome::Refused(..) => tally.refused += 1,
                ran @ Outcome::Ran(0, ..) => {
                    assert_contained(&ran.line(), ground, &what);
                    tally.ran += 1;
                }
                other => panic!("{what}: {other:?}"),
            }
            ground.assert_untouched(&what);
            drop(planted);
            let _ = std::fs::remove_dir_all(&root);
        }
    }
    println!("{} combinations: {} ran, {} refused", tally.ran + tally.refused, tally.ran, tally.refused);
    tally
}

/// What must be so in every container of the default profile, whatever the image holds.
///
/// # Panics
/// Where it is not.
pub fn assert_contained(report: &Value, ground: &Ground, what: &str) {
    let descriptors: Vec<&String> =
        report["descriptors"].as_object().into_iter().flatten().map(|pair| pair.0).collect();
    assert_eq!(descriptors, ["0", "1", "2"], "{what}: descriptors");
    assert_eq!(report["cwd"]["reachable"], true, "{what}: working directory");
    assert_eq!(report["no_new_privs"], true, "{what}: no_new_privs");
    assert_eq!(report["seccomp"]["mode"], "filter", "{what}: seccomp");
    for set in ["inheritable", "ambient"] {
        assert_eq!(report["capabilities"][set]["names"], Value::Array(Vec::new()), "{what}: {set} set");
    }
    assert_ne!(report["ids"]["euid"], FOREIGN_USER, "{what}: the victim's passwd was read");
    let mounts = report["mounts"].as_array().unwrap_or_else(|| panic!("{what}: no mounts"));
    let victim = ground.victim.path().to_string_lossy().into_owned();
    for mount in mounts {
        let root = mount["root"].as_str().unwrap_or_default();
        assert!(!root.contains(&victim), "{what}: the victim is mounted: {mount}");
    }
    let roots = mounts.iter().filter(|mount| mount["target"] == "/").count();
    assert_eq!(roots, 1, "{what}: something is mounted over the root");
    let last = |target: &str| mounts.iter().rev().find(|mount| mount["target"] == target);
    assert_eq!(last("/proc").map(|mount| &mount["kind"]), Some(&Value::from("proc")), "{what}: /proc");
    let options = &last("/").unwrap_or_else(|| panic!("{what}: no root"))["options"];
    let nodev = options.as_array().is_some_and(|options| options.iter().any(|option| option == "nodev"));
    assert!(nodev, "{what}: devices of the image can be opened");
}
