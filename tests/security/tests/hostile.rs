//! Every trap at every place that a runtime touches: nothing outside of the container changes, and husk either
//! runs it as it should or says in one line why not.
//!
//! CVE-2019-18837, CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-24965, CVE-2026-41579,
//! CVE-2026-47766, CVE-2026-88264, CVE-2026-88265: all of them links where a directory or a device was expected.

use security::matrix::{every_trap, traps};
use security::{Ground, PLACES, Trap};

const PROBE: &[&str] = &["/bin/probe"];

/// Every combination came to an end that is one of the two, and both ends occur.
fn assert_all(tally: security::matrix::Tally, places: usize) {
    assert_eq!((tally.ran + tally.refused) as usize, places * Trap::ALL.len());
    assert!(tally.ran > 0, "nothing ran: {tally:?}");
    assert!(tally.refused > 0, "nothing was refused: {tally:?}");
}

#[test]
fn image_with_a_trap_in_a_default_container() {
    let Some(ground) = Ground::new() else { return };
    assert_all(every_trap(&ground, |root, _| ground.run(&[], root, PROBE)), PLACES.len());
}

#[test]
fn image_with_a_trap_whose_changes_are_thrown_away() {
    let Some(ground) = Ground::new() else { return };
    assert_all(every_trap(&ground, |root, _| ground.run(&["--ephemeral"], root, PROBE)), PLACES.len());
}

#[test]
fn image_with_a_trap_that_is_read_only_and_has_a_terminal() {
    let Some(ground) = Ground::new() else { return };
    assert_all(every_trap(&ground, |root, _| ground.run(&["--read-only", "-t"], root, PROBE)), PLACES.len());
}

#[test]
fn image_with_a_trap_where_a_directory_is_bound() {
    let Some(ground) = Ground::new() else { return };
    let volume = ground.volume();
    let tally = every_trap(&ground, |root, place| {
        let bind = format!("--bind={}:/{}", volume.display(), outside_proc(place));
        ground.run(&[&bind], root, PROBE)
    });
    assert_all(tally, PLACES.len());
}

#[test]
fn image_with_a_trap_where_a_file_is_bound() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.volume().join("file");
    let tally = every_trap(&ground, |root, place| {
        let bind = format!("--bind={}:/{}:ro", file.display(), outside_proc(place));
        ground.run(&[&bind], root, PROBE)
    });
    assert_all(tally, PLACES.len());
}

#[test]
fn image_with_a_trap_below_which_something_is_bound() {
    let Some(ground) = Ground::new() else { return };
    let volume = ground.volume();
    let file = volume.join("file");
    let tally = every_trap(&ground, |root, place| {
        let place = outside_proc(place);
        let deep = format!("--bind={}:/{place}/made/deep", volume.display());
        let file = format!("--bind={}:/{place}/file", file.display());
        let memory = format!("--tmpfs=/{place}/memory");
        ground.run(&[&deep, &file, &memory], root, PROBE)
    });
    assert_all(tally, PLACES.len());
}

#[test]
fn image_with_a_trap_where_a_tmpfs_is_mounted_and_work_begins() {
    let Some(ground) = Ground::new() else { return };
    let tally = every_trap(&ground, |root, place| {
        let memory = format!("--tmpfs=/{}", outside_proc(place));
        let directory = format!("--workdir=/{place}");
        ground.run(&[&memory, &directory], root, PROBE)
    });
    assert_all(tally, PLACES.len());
}

#[test]
fn image_with_a_trap_where_work_begins_as_a_user_by_name() {
    let Some(ground) = Ground::new() else { return };
    let tally = every_trap(&ground, |root, place| {
        let directory = format!("--workdir=/{place}");
        ground.run(&[&directory, "--user=www", "--device=/dev/zero:/dev/made/zero"], root, PROBE)
    });
    assert_all(tally, PLACES.len());
}

/// The image's own /dev as a volume: its null and its console take the place of the real ones
/// (CVE-2025-31133, CVE-2025-52565, CVE-2025-62161).
#[test]
fn volume_with_a_trap_as_the_devices() {
    let Some(ground) = Ground::new() else { return };
    let places: Vec<&str> = PLACES.into_iter().filter(|place| place.starts_with("dev/")).collect();
    for more in [&[] as &[&str], &["-t"]] {
        let tally = traps(&ground, &places, &|root, _| {
            let bind = format!("--bind={}:/dev", root.join("dev").display());
            ground.run(&[more, &[&bind]].concat(), root, PROBE)
        });
        assert_eq!((tally.ran + tally.refused) as usize, places.len() * Trap::ALL.len());
        // Whether a volume can be given a terminal is another question.
        assert!(tally.ran > 0 || !more.is_empty(), "nothing ran: {tally:?}");
    }
}

/// /proc itself is refused as a target by its name: then the trap would not be tried.
fn outside_proc(place: &str) -> &str {
    place.strip_prefix("proc").map_or(place, |_| "v")
}
