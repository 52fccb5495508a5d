//! Root file systems and processes that mean harm.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use husk_client::Exec;
use instance::Profile;
use sys::fs::{CWD, Mode, OFlags, StatVfsMountFlags, fstatvfs, openat};

use crate::ground::{Ground, Shim, program, until};

#[test]
fn only_three_descriptors_are_open_inside() {
    let ground = Ground::new();
    let shim = ground.run("ls /proc/self/fd; sleep 1000");
    // The last one is the listing's own.
    until("it has written", || ground.logged() == "0\n1\n2\n3\n");
    assert_eq!(shim.shell("ls /proc/1/fd; ls /proc/self/fd"), "0\n1\n2\n0\n1\n2\n3\n");
}

#[test]
fn a_working_directory_does_not_lead_out() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    for number in 3..40 {
        for path in [format!("/proc/self/fd/{number}"), format!("/proc/1/fd/{number}")] {
            let done = shim.client().output(&Exec::new("cat").arg("etc/hostname").cwd(&path), b"");
            assert!(done.is_err(), "{path}: {done:?}");
        }
    }
}

#[test]
fn accounts_that_are_no_files_are_refused_and_never_waited_for() {
    let ground = Ground::new();
    let passwd = ground.root.join("etc/passwd");
    fs::remove_file(&passwd).unwrap();
    assert!(Command::new("mkfifo").arg(&passwd).status().unwrap().success());
    let mut task = ground.task("sleep 1000");
    task.settings.user = Some("www".into());
    let failure = ground.start(&task).err().expect("a refusal").to_string();
    assert!(failure.contains("not a regular file"), "{failure}");
    let shim = ground.run("sleep 1000");
    let refused = shim.client().output(&Exec::new("true").user("www"), b"").unwrap_err().to_string();
    assert!(refused.contains("not a regular file"), "{refused}");
    // One of the kernel's is a regular file, and may have nothing to say for ever.
    for file in ["/proc/kmsg", "/proc/version", "/sys/kernel/uevent_seqnum"] {
        fs::remove_file(&passwd).unwrap();
        symlink(file, &passwd).unwrap();
        let refused = shim.client().output(&Exec::new("true").user("www"), b"").unwrap_err().to_string();
        assert!(refused.contains("in a file system that is no disk's"), "{file}: {refused}");
    }
    // A link is followed within the root alone: the host has a daemon, this container has none.
    fs::remove_file(&passwd).unwrap();
    symlink("/../../../../../../etc/passwd.of.the.host", &passwd).unwrap();
    assert!(Path::new("/etc/passwd").exists());
    let refused = shim.client().output(&Exec::new("true").user("daemon"), b"").unwrap_err().to_string();
    assert!(refused.contains("no user \"daemon\""), "{refused}");
}

#[test]
fn its_files_do_not_follow_links_out_of_the_root() {
    let ground = Ground::new();
    let victim = ground.directory.join("victim");
    fs::write(&victim, "untouched\n").unwrap();
    for (number, link) in
        [victim.clone(), Path::new("../../../../../..").join(victim.strip_prefix("/").unwrap())]
            .iter()
            .enumerate()
    {
        let path = ground.root.join("etc/resolv.conf");
        let _ = fs::remove_file(&path);
        symlink(link, &path).unwrap();
        let mut task = ground.task("echo written > /etc/resolv.conf; cat /etc/resolv.conf");
        task.files.resolv_conf = Some("ours\n".into());
        task.log.as_mut().unwrap().path = ground.directory.join(format!("log-{number}"));
        // Within the root there is no such file: it is made there, or refused.
        if let Ok(shim) = ground.start(&task) {
            shim.wait();
        }
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched\n", "{}", link.display());
    }
}

#[test]
fn a_dev_that_is_a_link_is_refused() {
    let ground = Ground::new();
    let victim = ground.directory.join("victim");
    fs::create_dir(&victim).unwrap();
    for (name, target) in [("dev", victim.as_path()), ("dev", Path::new("tmp")), ("proc", Path::new("tmp"))] {
        let path = ground.root.join(name);
        fs::remove_dir(&path).unwrap();
        symlink(target, &path).unwrap();
        let failure = ground.start(&ground.task("true")).err().expect("a refusal").to_string();
        assert!(
            failure.contains("symbolic link") || failure.contains("Too many levels"),
            "{name}: {failure}"
        );
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
    }
}

#[test]
fn the_program_is_executed_through_a_mount_that_nobody_can_write_to() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    let pid = shim.child.pid.as_raw_pid();
    assert_eq!(fs::read_to_string(format!("/proc/{pid}/comm")).unwrap(), "husk-shim\n");
    // While it runs its file is busy in any case; who holds it could wait until it is not.
    assert!(is_read_only(pid));
}

/// Whether the program of a process lies on a read-only mount.
fn is_read_only(pid: i32) -> bool {
    let path = format!("/proc/{pid}/exe");
    let held = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    fstatvfs(held).unwrap().f_flag.contains(StatVfsMountFlags::RDONLY)
}

#[test]
fn a_starter_that_does_not_protect_the_program_does_no_harm() {
    let ground = Ground::new();
    let (task, answer) = (ground.directory.join("task"), ground.directory.join("answer"));
    fs::write(&task, ground.task("sleep 1000").write().unwrap()).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$1\" 3<\"$2\" 4>\"$3\""]).arg(program());
    let mut shim = shell.arg(ground.task("").name.as_str()).args([&task, &answer]).spawn().unwrap();
    until("it is ready", || fs::read_to_string(&answer).is_ok_and(|line| line.contains("ready")));
    let is_read_only = is_read_only(shim.id().cast_signed());
    shim.kill().unwrap();
    shim.wait().unwrap();
    assert!(is_read_only);
}

#[test]
fn a_script_that_is_run_by_the_program_itself_cannot_change_it() {
    let before = fs::read(program()).unwrap();
    let ground = Ground::new();
    fs::write(ground.root.join("bin/evil"), "#!/proc/self/exe\n").unwrap();
    assert!(Command::new("chmod").arg("755").arg(ground.root.join("bin/evil")).status().unwrap().success());
    // Its container has all rights, and looks for the program in every process.
    let watch = "while :; do for exe in /proc/[0-9]*/exe; do (echo gone > $exe) 2>/dev/null && echo written $exe; done; done";
    let mut task = ground.task(watch);
    task.settings.profile = Profile::Unrestricted;
    let shim = ground.start(&task).unwrap();
    let mut client = shim.client();
    for _ in 0..100 {
        // It is what the exec came in as, which has nothing to come in with, and ends.
        let output = client.output(&Exec::new("evil"), b"").unwrap();
        assert_eq!(output.exit.code, 125, "{output:?}");
        client.output(&Exec::new("true"), b"").unwrap();
    }
    assert_eq!(fs::read(program()).unwrap(), before);
    let mut task = ground.task("");
    task.settings.command = vec!["evil".into()];
    task.runtime = ground.directory.join("run-evil");
    task.log = None;
    task.name = instance::InstanceName::new("evil").unwrap();
    // That is what it becomes, and it ends.
    let evil = ground.start(&task).unwrap();
    assert_eq!(spawn::wait(&evil.child).unwrap(), spawn::Exit::Code(0));
    assert_eq!(fs::read(program()).unwrap(), before);
}

#[test]
fn a_command_that_is_stopped_on_its_way_keeps_nobody_waiting_for_ever() {
    let ground = Ground::new();
    // Every process but this one is stopped as soon as it is seen.
    let stop = "cd /proc; echo up; while :; do for pid in [0-9]*; do \
        case $pid in 1) ;; *) kill -STOP $pid 2>/dev/null;; esac; done; done";
    let shim = ground.run(stop);
    until("it looks", || ground.logged().contains("up"));
    // One that becomes its program before it is stopped has started.
    let start = || {
        let (mut client, since) = (shim.client(), Instant::now());
        let refused = client.start(&Exec::new("sleep").arg("1000")).err().map(|error| error.to_string());
        (refused, since.elapsed())
    };
    let first = (0..200).map(|_| start()).find(|(refused, _)| refused.is_some());
    let (refused, taken) = first.expect("one is stopped on its way");
    let refused = refused.unwrap();
    assert!(refused.contains("it has not begun within 5000 ms"), "{refused} after {taken:?}");
    assert!(taken < Duration::from_secs(8), "{taken:?}");
    // All others are held up by less.
    for _ in 0..10 {
        let (refused, taken) = start();
        assert!(taken < Duration::from_millis(1_500), "{refused:?} after {taken:?}");
    }
    // The shim answers, and its container can be stopped.
    shim.client().shutdown(husk_client::Mode::Exit, Some(0), None).unwrap();
    assert_eq!(shim.wait().signal, Some(9));
}

/// A file system whose program never answers, mounted on /srv in a container; that program's end of it.
fn hang(shim: &Shim<'_>) -> fs::File {
    let device = openat(CWD, "/dev/fuse", OFlags::RDWR, Mode::empty()).expect("/dev/fuse");
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
    let mut mount = Command::new("nsenter");
    mount.args(["-t", &shim.pid.to_string(), "-m", "/bin/busybox", "mount", "-t", "fuse", "-o", &options]);
    assert!(mount.args(["none", "/srv"]).status().unwrap().success());
    device.into()
}

#[test]
fn starts_that_hang_one_after_another_hold_up_others_once_and_then_hardly() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    let device = hang(&shim);
    let start = || {
        let mut client = shim.client();
        std::thread::scope(|scope| {
            let since = Instant::now();
            let starting = scope.spawn(move || client.output(&Exec::new("true").cwd("/srv/there"), b""));
            std::thread::sleep(Duration::from_millis(20));
            // Another client, which waits for the same loop.
            let asked = Instant::now();
            shim.client().ping().unwrap();
            let ping = asked.elapsed();
            let refused = starting.join().unwrap().unwrap_err().to_string();
            eprintln!("a start that hangs: {:?}, a ping beside it {ping:?}: {refused}", since.elapsed());
            (ping, refused)
        })
    };
    let (ping, refused) = start();
    assert!(ping < Duration::from_secs(8), "{ping:?}");
    assert!(refused.contains("it has not begun within 5000 ms"), "{refused}");
    for _ in 0..4 {
        let (ping, refused) = start();
        assert!(ping < Duration::from_secs(2), "{ping:?}");
        assert!(refused.contains("it has not begun within 250 ms"), "{refused}");
    }
    // What does not hang has time enough all the same.
    assert_eq!(shim.shell("echo on"), "on\n");
    // Once it answers, which is an error here, those that hung are gone.
    drop(device);
    let listed = || shim.shell("ls /proc | grep -c '^[0-9]'");
    until("all that hung have ended", || listed().trim().parse::<u32>().unwrap() <= 5);
}
