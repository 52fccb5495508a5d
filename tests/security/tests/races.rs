//! A volume that several containers share: one of them flips a directory to a link and back, without a pause,
//! while others are started with something mounted below it. Nothing may appear outside.
//!
//! CVE-2021-30465 (symlink exchange while volumes are mounted), CVE-2024-45310 (directories made on the host),
//! CVE-2019-19921, CVE-2025-31133 and CVE-2025-52881 (what is bound, and what is bound over, was exchanged).
//!
//! `HUSK_RACES=100000` sets how many starts each test makes.

use std::os::unix::fs::symlink;
use std::path::Path;

use security::matrix::assert_contained;
use security::racer::Racer;
use security::{Ground, Outcome, attempt};

/// Starts by default: a continuous test has to end soon.
const STARTS: usize = 250;

fn starts() -> usize {
    let wanted = std::env::var("HUSK_RACES").ok();
    wanted.map_or(STARTS, |text| text.parse().expect("HUSK_RACES is a number"))
}

/// Starts containers while `place`, a directory, is exchanged with a link to each of `targets` in turn.
fn race(ground: &Ground, place: &Path, targets: &[String], options: &[String]) {
    std::fs::create_dir_all(place).expect("place of the race");
    let link = place.with_extension("link");
    let root = ground.image();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let (mut ran, mut refused, mut exchanges) = (0, 0, 0);
    for target in targets {
        symlink(target, &link).expect("link of the race");
        let racer = Racer::new(place, &link);
        for number in 0..starts() / targets.len() {
            let what = format!("start {number}, {} -> {target}, {options:?}", place.display());
            match attempt(&mut ground.run(&options, &root, &["/bin/probe"])) {
                Outcome::Refused(..) => refused += 1,
                outcome => {
                    assert_contained(&outcome.line(), ground, &what);
                    ran += 1;
                }
            }
            ground.assert_untouched(&what);
        }
        exchanges += racer.exchanges();
        drop(racer);
        let link = if link.is_symlink() { &link } else { place };
        std::fs::remove_file(link).expect("link of the race");
        let rest = place.with_extension("link");
        if rest.exists() {
            std::fs::rename(&rest, place).expect("directory of the race");
        }
    }
    println!("{ran} ran, {refused} refused, {exchanges} exchanges");
    assert!(ran > 0, "none ran: the race was not one");
    assert!(exchanges > starts() as u64, "{exchanges} exchanges: the race was not one");
}

/// Ways from the volume to the victim.
fn ways_out(ground: &Ground) -> Vec<String> {
    let victim = ground.victim.path().display().to_string();
    vec![
        victim.clone(),
        format!("{}{victim}", "../".repeat(20)),
        format!("/proc/self/fd/4{}{victim}", "/..".repeat(20)),
        format!("/proc/1/root{victim}"),
        format!("{victim}/empty"),
    ]
}

#[test]
fn file_system_in_memory_below_an_exchanged_directory_lands_inside() {
    let Some(ground) = Ground::new() else { return };
    let volume = ground.volume();
    let options = [format!("--bind={}:/v", volume.display()), "--tmpfs=/v/flip/made/deep".into()];
    race(&ground, &volume.join("flip"), &ways_out(&ground), &options);
}

#[test]
fn bind_on_an_exchanged_directory_lands_inside() {
    let Some(ground) = Ground::new() else { return };
    let volume = ground.volume();
    let other = ground.join("other");
    std::fs::create_dir(&other).expect("second volume");
    let options = [
        format!("--bind={}:/v", volume.display()),
        format!("--bind={}:/v/flip", other.display()),
        format!("--bind={}:/v/flip/made/file", volume.join("file").display()),
        "--workdir=/v/flip".into(),
    ];
    race(&ground, &volume.join("flip"), &ways_out(&ground), &options);
}

#[test]
fn device_directory_below_an_exchanged_one_lands_inside() {
    let Some(ground) = Ground::new() else { return };
    // The volume is a tmpfs, as /dev would be: the kind of file system tells nothing.
    let volume = ground.volume_in_memory("memory");
    std::fs::create_dir_all(volume.join("pts")).expect("directory");
    let options = [format!("--bind={}:/dev", volume.display())];
    race(&ground, &volume.join("pts"), &ways_out(&ground), &options);
}

#[test]
fn root_in_which_the_mount_points_are_exchanged_is_not_left() {
    let Some(ground) = Ground::new() else { return };
    // A second container has the first one's whole root as its volume: each name in it may change at any time.
    let root = ground.image();
    let victim = ground.victim.path().display().to_string();
    for name in ["proc", "sys", "dev", "etc", "v"] {
        symlink(&victim, root.join(format!("{name}.link"))).expect("link");
    }
    let pairs = ["proc", "sys", "dev", "etc", "v"];
    let racers = pairs.map(|name| Racer::new(&root.join(name), &root.join(format!("{name}.link"))));
    let volume = format!("--bind={}:/v/deep", ground.volume().display());
    let (mut ran, mut refused) = (0, 0);
    for number in 0..starts() {
        let options = [volume.as_str(), "--user=www", "--tmpfs=/v/made"];
        let what = format!("start {number}");
        match attempt(&mut ground.run(&options, &root, &["/bin/probe"])) {
            Outcome::Refused(..) => refused += 1,
            // What was mounted on a directory goes with it when that is renamed: /proc may be elsewhere by now,
            // and then the probe sees less. Wherever it is, the victim is not in it.
            Outcome::Ran(_, out, _) => {
                assert!(!out.contains(&victim), "{what}: {out}");
                ran += 1;
            }
        }
        ground.assert_untouched(&what);
    }
    let exchanges: u64 = racers.iter().map(Racer::exchanges).sum();
    println!("{ran} ran, {refused} refused, {exchanges} exchanges");
    assert!(ran > 0, "none ran: the race was not one");
    assert!(exchanges > starts() as u64, "{exchanges} exchanges: the race was not one");
}
