//! Names and files that husk reads from the command line and from the image.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use security::victim::FOREIGN_USER;
use security::{Ground, Outcome, Trap, attempt};
use sys::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};

/// An id names a directory in /run and a cgroup.
#[test]
fn id_that_is_a_path_is_refused() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let long = "x".repeat(300);
    let ids = [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/x",
        "a/../../x",
        ".hidden",
        "-x",
        "a b",
        "a\nb",
        "a\u{1b}[2J",
        "ä",
        "%s",
        &long,
    ];
    for id in ids {
        let option = format!("--id={id}");
        for more in [&[] as &[&str], &["--detach", "--rm"]] {
            let options = [more, &[&option]].concat();
            let outcome = attempt(&mut ground.run(&options, &root, &["/bin/true"]));
            let line = outcome.refusal();
            assert!(line.contains("--id"), "{id:?}: {line}");
            assert!(!line.trim_end().contains(|character: char| character.is_control()), "{id:?}: {line:?}");
        }
    }
    ground.assert_untouched("ids");
}

/// CVE-2026-30892: what is neither a number nor a name is nobody, least of all root.
#[test]
fn user_that_is_nobody_is_refused() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    for user in [
        "1:",
        ":1",
        "-1",
        "+1",
        "4294967295",
        "4294967296",
        "1:-1",
        "0x0",
        "1 ",
        "nobody-here",
        "www:nowhere",
        "1:2:3",
        "/",
    ] {
        let outcome = attempt(&mut ground.run(&["--user", user], &root, &["/bin/probe"]));
        assert!(matches!(outcome, Outcome::Refused(125, _)), "{user:?}: {outcome:?}");
    }
    for (user, uid, gid) in
        [("1", 1, 0), ("01", 1, 0), ("1:2", 1, 2), ("www", 33, 33), ("33", 33, 33), ("www:0", 33, 0)]
    {
        let ids = attempt(&mut ground.run(&["--user", user], &root, &["/bin/probe"])).line()["ids"].clone();
        assert_eq!((&ids["euid"], &ids["egid"]), (&uid.into(), &gid.into()), "{user:?}");
    }
}

#[test]
fn passwd_that_is_a_trap_is_not_waited_for_nor_followed() {
    let Some(ground) = Ground::new() else { return };
    for place in ["etc/passwd", "etc/group", "etc"] {
        for trap in Trap::ALL {
            let root = ground.image();
            let planted = trap.plant(&root, place, ground.victim.path()).expect("trap");
            let mut husk = ground.run(&["--user=www:www"], &root, &["/bin/probe"]);
            let outcome = attempt(&mut husk);
            assert!(matches!(outcome, Outcome::Refused(125, _)), "{trap:?} at {place}: {outcome:?}");
            // By number no file is needed, and a wrong one must not change who runs.
            if let Outcome::Ran(0, ..) = attempt(&mut ground.run(&["--user=7:8"], &root, &["/bin/true"])) {
                let ids =
                    attempt(&mut ground.run(&["--user=7:8"], &root, &["/bin/probe"])).line()["ids"].clone();
                assert_eq!((&ids["euid"], &ids["egid"]), (&7.into(), &8.into()), "{trap:?} at {place}");
            }
            drop(planted);
        }
    }
    ground.assert_untouched("passwd");
}

#[test]
fn passwd_is_read_within_the_image_and_not_for_ever() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let passwd = root.join("etc/passwd");
    // An absolute link leads to the image's own file of that name.
    fs::rename(&passwd, root.join("etc/shadow")).expect("rename");
    symlink("/etc/shadow", &passwd).expect("link");
    let ids = attempt(&mut ground.run(&["--user=www"], &root, &["/bin/probe"])).line()["ids"].clone();
    assert_eq!(ids["euid"], 33);
    assert_ne!(ids["euid"], FOREIGN_USER);
    fs::remove_file(&passwd).expect("link");
    let mut file = fs::File::create(&passwd).expect("passwd");
    // A hole of 8 GiB costs the image nothing.
    file.write_all(b"www:x:33:33::/:/bin/sh\n").and_then(|()| file.set_len(8 << 30)).expect("huge file");
    let outcome = attempt(&mut ground.run(&["--user=www"], &root, &["/bin/probe"]));
    assert!(outcome.refusal().contains("larger than"), "{outcome:?}");
    fs::write(&passwd, [&b"www:x:33:33::/:/bin/sh\n"[..], &[0xff, 0, 0x1b, b'\n'], &[b':'; 5000]].concat())
        .expect("garbage");
    let ids = attempt(&mut ground.run(&["--user=www"], &root, &["/bin/probe"])).line()["ids"].clone();
    assert_eq!(ids["euid"], 33);
}

/// Opening is not looking: it rewinds a tape, starts a watchdog, and lets go whoever waits at a fifo.
#[test]
fn passwd_that_is_no_file_is_not_opened() {
    let Some(ground) = Ground::new() else { return };
    for name in ["etc/passwd", "etc/group"] {
        let root = ground.image();
        let fifo = root.join(name);
        fs::remove_file(&fifo).expect("file");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("fifo");
        let outcome = attempt_with_writer(&ground, &root, &fifo);
        assert!(matches!(outcome, Outcome::Refused(125, _)), "{name}: {outcome:?}");
    }
}

/// Runs a container while somebody waits at the fifo for a reader.
fn attempt_with_writer(ground: &Ground, root: &Path, fifo: &Path) -> Outcome {
    let let_go = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let opened = openat(CWD, fifo, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
            let_go.store(true, Ordering::SeqCst);
            drop(opened);
        });
        // Long enough for the writer to be waiting.
        std::thread::sleep(std::time::Duration::from_millis(100));
        let outcome = attempt(&mut ground.run(&["--user=www:www"], root, &["/bin/true"]));
        let opened = let_go.load(Ordering::SeqCst);
        drop(openat(CWD, fifo, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()));
        assert!(!opened, "{}: was opened before it was known to be no file", fifo.display());
        outcome
    })
}
