//! The container's root is the only one: nothing of the host's is mounted above, below or beside it.

use std::path::Path;
use std::process::Command;

use security::{Ground, Outcome, attempt};

/// Ways to a path of the host's from a root on which the host's is still mounted: `..` there steps up into what
/// is mounted on the root, and a plain path does not.
const UP: [&str; 6] =
    ["/..", "/../..", "/../../../../../..", "/proc/self/root/..", "/proc/self/cwd/..", "/dev/../.."];

/// Writes to the victim by all those ways, and says which file systems are mounted on the root.
fn script(ground: &Ground) -> String {
    let victim = ground.victim.path().display();
    let writes =
        UP.map(|up| format!("echo x > {up}{victim}/made; echo x >> {up}{victim}/full/file;")).concat();
    format!("cd /; {{ {writes} cd ..; echo x > ..{victim}/made; }} 2> /dev/null; cat /proc/self/mountinfo")
}

/// One mount on `/`, and of the host's root none.
fn assert_one_root(outcome: &Outcome, what: &str) {
    let Outcome::Ran(_, out, _) = outcome else { panic!("{what}: {outcome:?}") };
    let on_root: Vec<&str> = out.lines().filter(|line| line.split(' ').nth(4) == Some("/")).collect();
    assert_eq!(on_root.len(), 1, "{what}: mounted on the root:\n{}", on_root.join("\n"));
}

fn with_image(ground: &Ground, way: impl Fn(&[&str], &Path, &[&str]) -> Command) {
    let script = script(ground);
    let volume = format!("--bind={}:/v", ground.volume().display());
    for options in [
        &[] as &[&str],
        &["--ephemeral"],
        &["--read-only"],
        &["--ephemeral", "--read-only"],
        &["--ephemeral", "-t"],
        &["--ephemeral", "--net=none", "--tmpfs=/tmp", &volume],
        &["--ephemeral", "--cap-add=SYS_ADMIN"],
        &["--ephemeral", "--workdir=/v"],
        &["--ephemeral", "--seccomp=unconfined"],
    ] {
        let root = ground.image();
        let outcome = attempt(&mut way(options, &root, &["/bin/sh", "-c", &script]));
        let what = format!("{options:?}");
        ground.assert_untouched(&what);
        assert_one_root(&outcome, &what);
    }
}

#[test]
fn root_of_a_container_is_the_only_one() {
    let Some(ground) = Ground::new() else { return };
    with_image(&ground, |options, root, command| ground.run(options, root, command));
}

#[test]
fn root_of_a_users_container_is_the_only_one() {
    let Some(ground) = Ground::new() else { return };
    with_image(&ground, |options, root, command| ground.run_as_user(options, root, command));
}

/// The host's own files, copy on write: what is written to them by whatever way is thrown away.
#[test]
fn copy_of_the_hosts_files_is_not_the_hosts_files() {
    let Some(ground) = Ground::new() else { return };
    let script = script(&ground);
    for options in [&[] as &[&str], &["-t"], &["--read-only"], &["--net=none"]] {
        let mut husk = Command::new(ground.program());
        husk.arg("run").args(options).args(["--", "/bin/sh", "-c", &script]);
        let outcome = attempt(&mut husk);
        let what = format!("{options:?}, the host's files");
        ground.assert_untouched(&what);
        assert_one_root(&outcome, &what);
    }
}
