//! The same with a cgroup for every container, on a kernel that has all of cgroup v2.

use std::fs;
use std::path::Path;
use std::time::Duration;

use cgroup::{Hierarchy, Name, Parent};
use cli::Scratch;
use stress::{Crowd, Deadline, Hammer, Kills, Noise, alone, children, descriptors, rootfs};

/// Where husk makes the groups of its containers.
const GROUPS: &str = "/sys/fs/cgroup/husk";

fn groups(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let groups = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    groups.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Husk's own group stays for the next container; a test gives the machine back without it.
fn all_groups_are_gone() {
    assert_eq!(groups(Path::new(GROUPS)), Vec::<String>::new());
    fs::remove_dir(GROUPS).expect("the empty group of all");
}

#[test]
fn starts_into_groups_from_eight_threads_end_as_they_should() {
    const STARTS: usize = 900;
    let _alone = alone();
    let _deadline = Deadline::of("starts into groups", Duration::from_secs(240));
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    let hierarchy = Hierarchy::find().expect("cgroup v2");
    let parent = Parent::open(hierarchy, &Name::new("stress-starts").expect("a name")).expect("a group");
    let hammer = |starts| Hammer { rootfs: &root, threads: 8, starts, groups: Some(&parent) }.run();
    Noise::beside(|| hammer(30));
    let before = (descriptors(), children());
    let tally = Noise::beside(|| hammer(STARTS));
    assert_eq!((descriptors(), children()), before, "descriptors, children");
    assert_eq!((tally.good, tally.missing), (STARTS - 3 * (STARTS / 30), STARTS / 30));
    drop(parent);
    let path = Path::new("/sys/fs/cgroup/stress-starts");
    assert_eq!(groups(path), Vec::<String>::new());
    fs::remove_dir(path).expect("the empty group");
}

#[test]
fn containers_side_by_side_leave_no_group() {
    let _alone = alone();
    let _deadline = Deadline::of("containers side by side", Duration::from_secs(240));
    let scratch = Scratch::new();
    let rootfs = rootfs(&scratch);
    Crowd { rootfs: &rootfs, containers: 40, at_once: 8 }.run();
    Crowd { rootfs: &rootfs, containers: 40, at_once: 40 }.run();
    all_groups_are_gone();
}

#[test]
fn groups_of_killed_husks_are_gone_after_the_next_run() {
    let _alone = alone();
    let _deadline = Deadline::of("kills", Duration::from_secs(240));
    let scratch = Scratch::new();
    Kills { rootfs: &rootfs(&scratch), rounds: 100, seed: 0x6775_6573 }.run();
    all_groups_are_gone();
}
