//! The same images by a user who is not root: a user namespace takes the place of rights, and must not give any.

use std::path::Path;
use std::process::Command;

use security::matrix::traps;
use security::{Ground, Outcome, Trap, attempt};

const PLACES: [&str; 9] =
    ["proc", "sys", "dev", "dev/null", "etc/passwd", "sys/fs/cgroup", "v", "v/deep", "work"];

/// A ground on which a user may make a container; `None`, with the reason printed, where none may.
fn ground() -> Option<Ground> {
    let ground = Ground::new()?;
    let root = ground.image();
    match attempt(&mut ground.run_as_user(&[], &root, &["/bin/true"])) {
        Outcome::Refused(_, line) if line.contains("user namespaces are switched off") => {
            println!("skipped: {line}");
            None
        }
        _ => Some(ground),
    }
}

fn all(ground: &Ground, way: &dyn Fn(&Path, &str) -> Command) {
    let tally = traps(ground, &PLACES, way);
    assert_eq!((tally.ran + tally.refused) as usize, PLACES.len() * Trap::ALL.len());
    assert!(tally.ran > 0 && tally.refused > 0, "{tally:?}");
}

#[test]
fn image_with_a_trap_in_a_container_of_a_user() {
    let Some(ground) = ground() else { return };
    all(&ground, &|root, _| ground.run_as_user(&[], root, &["/bin/probe"]));
}

#[test]
fn image_with_a_trap_where_a_user_binds_and_works() {
    let Some(ground) = ground() else { return };
    let volume = ground.volume();
    all(&ground, &|root, place| {
        let place = if place.starts_with("proc") { "v" } else { place };
        let bind = format!("--bind={}:/{place}", volume.display());
        let directory = format!("--workdir=/{place}");
        ground.run_as_user(&[&bind, "--tmpfs=/v/made/deep", &directory], root, &["/bin/probe"])
    });
}

/// CVE-2023-25809: without a cgroup namespace of its own a container would see, and own, its caller's groups.
#[test]
fn cgroups_cannot_be_changed_by_a_users_container() {
    let Some(ground) = ground() else { return };
    let root = ground.image();
    for options in [&[] as &[&str], &["--net=none"], &["--ephemeral"], &["--cap-add=SYS_ADMIN"]] {
        let mut husk = ground.run_as_user(options, &root, &["/bin/probe", "mkdir", "/sys/fs/cgroup/made"]);
        assert_ne!(attempt(&mut husk).result(), "ok", "{options:?}");
        let mut husk =
            ground.run_as_user(options, &root, &["/bin/probe", "write", "/sys/fs/cgroup/cgroup.procs"]);
        assert_ne!(attempt(&mut husk).result(), "ok", "{options:?}");
    }
}

#[test]
fn root_of_a_users_container_is_the_user_outside() {
    let Some(ground) = ground() else { return };
    let root = ground.image();
    let secret = ground.victim.path().join("secret");
    let bind = format!("--bind={}:/v/file", secret.display());
    let outcome = attempt(&mut ground.run_as_user(&[&bind], &root, &["/bin/probe", "read", "/v/file"]));
    if let Outcome::Ran(..) = outcome {
        assert_eq!(outcome.result(), "EACCES", "root's file is not the user's");
    }
    let report = attempt(&mut ground.run_as_user(&[], &root, &["/bin/probe"])).line();
    assert_eq!(report["ids"]["euid"], 0);
    assert_eq!(report["uid_map"][0][1], security::ground::USER, "{}", report["uid_map"]);
    ground.assert_untouched("a user's container");
}
