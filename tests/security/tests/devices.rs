//! A device that the container was not given cannot be opened: not through a node in its image, nor through one
//! that it makes.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use security::{Ground, Outcome, Trap, attempt};

/// What the probe's attempt to make a node and open it comes to.
fn made_and_opened(ground: &Ground, options: &[&str], root: &Path, node: [&str; 4]) -> (String, String) {
    let [path, kind, major, minor] = node;
    let outcome = attempt(&mut ground.run(options, root, &["/bin/probe", "mknod", path, kind, major, minor]));
    let line = outcome.line();
    let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    (word("mknod"), word("open"))
}

/// The default profile has CAP_MKNOD, as Docker's has: the node may be made. Opening it is what is forbidden,
/// by the mount it lies on.
fn assert_dead(ground: &Ground, options: &[&str], root: &Path, directory: &str) {
    // A node that stayed from an earlier attempt would be another device's.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    for (kind, major, minor) in [("c", "1", "3"), ("c", "1", "1"), ("b", "7", "0"), ("b", "8", "0")] {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = format!("{}/node{number}", directory.trim_end_matches('/'));
        let node = [path.as_str(), kind, major, minor];
        let (made, opened) = made_and_opened(ground, options, root, node);
        // Neither /dev/mqueue nor /dev/pts has room for nodes.
        let dead = made == "ok" && opened == "EACCES" || NO_NODES.contains(&directory) && opened != "ok";
        assert!(dead, "{options:?}: {kind} {major}:{minor} at {path}: made {made}, opened {opened}");
    }
}

/// File systems in which mknod(2) makes nothing.
const NO_NODES: [&str; 2] = ["/dev/mqueue", "/dev/pts"];

#[test]
fn node_that_the_container_makes_is_dead() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    for options in
        [&[] as &[&str], &["--ephemeral"], &["--net=none"], &["--cap-add=ALL", "--cap-drop=SYS_RESOURCE"]]
    {
        for directory in ["/", "/tmp", "/dev", "/dev/shm", "/dev/mqueue", "/dev/pts"] {
            assert_dead(&ground, options, &root, directory);
        }
    }
}

#[test]
fn node_in_a_volume_is_dead() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let volume = ground.volume();
    let bind = |to: &str| format!("--bind={}:{to}", volume.display());
    assert_dead(&ground, &[&bind("/v")], &root, "/v");
    assert_dead(&ground, &["--tmpfs=/v"], &root, "/v");
    assert_dead(&ground, &["--tmpfs=/dev"], &root, "/dev");
    let memory = ground.volume_in_memory("memory");
    assert_dead(&ground, &[&format!("--bind={}:/v", memory.display())], &root, "/v");
}

/// A volume is bound with what is mounted in it: what holds for the one holds for the other.
#[test]
fn file_system_mounted_in_a_volume_is_as_restricted_as_the_volume() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    ground.volume_in_memory("volume/inside");
    let bind = format!("--bind={}:/v", ground.volume().display());
    assert_dead(&ground, &[&bind], &root, "/v/inside");
    let read_only = format!("{bind}:ro");
    for path in ["/v/made", "/v/inside/made"] {
        let result = attempt(&mut ground.run(&[&read_only], &root, &["/bin/probe", "mkdir", path])).result();
        assert_eq!(result, "EROFS", "{path}");
    }
    ground.assert_untouched("a volume with a mount in it");
}

#[test]
fn volume_in_the_stead_of_dev_brings_no_device_to_life() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let memory = ground.volume_in_memory("memory");
    for volume in [ground.volume(), memory] {
        for destination in ["/dev", "/dev/", "//dev", "/x/../dev"] {
            let bind = format!("--bind={}:{destination}", volume.display());
            for directory in ["/", "/tmp", "/dev"] {
                assert_dead(&ground, &[&bind], &root, directory);
            }
        }
    }
    ground.assert_untouched("volumes as /dev");
}

#[test]
fn node_that_lies_in_the_image_is_dead() {
    let Some(ground) = Ground::new() else { return };
    for place in ["tmp/zero", "zero", "etc/zero", "dev/other"] {
        for trap in [Trap::EndlessDevice, Trap::BlockDevice] {
            let root = ground.image();
            let _planted = trap.plant(&root, place, ground.victim.path()).expect("node");
            let path = format!("/{place}");
            let result = attempt(&mut ground.run(&[], &root, &["/bin/probe", "read", &path])).result();
            // The image's /dev is not seen at all.
            let expected = if place.starts_with("dev/") { "ENOENT" } else { "EACCES" };
            assert_eq!(result, expected, "{trap:?} at {path}");
        }
    }
}

#[test]
fn device_asked_for_is_made_within_its_dev_only() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let victim = ground.victim.path().display().to_string();
    let memory = ground.volume_in_memory("memory");
    std::os::unix::fs::symlink(&victim, memory.join("snd")).expect("link");
    let device = "--device=/dev/zero:/dev/snd/made";
    for destination in ["/dev", "/dev/", "/v/dev"] {
        let bind = format!("--bind={}:{destination}", memory.display());
        // Whether it runs is another question.
        drop(attempt(&mut ground.run(&[&bind, device], &root, &["/bin/probe"])));
        ground.assert_untouched(destination);
    }
    std::fs::remove_dir(root.join("v/deep")).expect("directory");
    std::os::unix::fs::symlink("/dev", root.join("v/deep")).expect("link");
    let bind = format!("--bind={}:/v/deep", memory.display());
    drop(attempt(&mut ground.run(&[&bind, device], &root, &["/bin/probe"])));
    ground.assert_untouched("a link to /dev");
    for name in [
        "--device=/dev/zero:/dev/../made",
        "--device=/dev/zero:/dev/a/../../../made",
        "--device=/dev/zero:/dev/",
    ] {
        let outcome = attempt(&mut ground.run(&[name], &root, &["/bin/probe"]));
        assert!(matches!(outcome, Outcome::Refused(125, _)), "{name}: {outcome:?}");
    }
    assert!(!root.join("made").exists() && !ground.join("made").exists());
}

#[test]
fn null_of_the_image_covers_nothing() {
    let Some(ground) = Ground::new() else { return };
    for trap in Trap::ALL {
        let root = ground.image();
        let planted = trap.plant(&root, "dev/null", ground.victim.path()).expect("trap");
        let outcome = attempt(&mut ground.run(&[], &root, &["/bin/probe", "read", "/proc/interrupts"]));
        let line = outcome.line();
        assert_eq!((&line["result"], &line["text"]), (&"ok".into(), &"".into()), "{trap:?}: {line}");
        drop(planted);
    }
}
