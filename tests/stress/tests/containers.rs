//! Containers of `husk run` side by side, and husk killed while it makes them.

use std::time::{Duration, Instant};

use cli::Scratch;
use stress::{Crowd, Deadline, Kills, Tree, alone, mounts_below, processes_of, rootfs};

/// Runs `body` and demands that afterwards all is as before.
fn leaves_nothing(body: impl FnOnce(&std::path::Path)) {
    let _alone = alone();
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    let before = Tree::of(scratch.path());
    let started = Instant::now();
    body(&root);
    println!("{:.1} s", started.elapsed().as_secs_f64());
    assert_eq!(Tree::of(scratch.path()), before, "files");
    assert_eq!(mounts_below(scratch.path()), Vec::<String>::new());
    assert_eq!(processes_of(&root.to_string_lossy()), Vec::<u32>::new());
}

#[test]
fn a_hundred_containers_eight_at_a_time_all_succeed() {
    let _deadline = Deadline::of("a hundred containers, eight at a time", Duration::from_secs(120));
    leaves_nothing(|rootfs| Crowd { rootfs, containers: 100, at_once: 8 }.run());
}

#[test]
fn a_hundred_containers_at_once_all_succeed() {
    let _deadline = Deadline::of("a hundred containers at once", Duration::from_secs(120));
    leaves_nothing(|rootfs| Crowd { rootfs, containers: 100, at_once: 100 }.run());
}

#[test]
fn husk_killed_at_any_moment_leaves_no_container() {
    let _deadline = Deadline::of("kills", Duration::from_secs(180));
    leaves_nothing(|rootfs| Kills { rootfs, rounds: 200, seed: 0x6b69_6c6c }.run());
}
