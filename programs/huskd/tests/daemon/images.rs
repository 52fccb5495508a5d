//! Images, and what becomes of an instance's files.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::bed::Bed;
use crate::client::{of, reason};

fn tar(arguments: &[&str], archive: &Path) -> String {
    let output = Command::new("tar").arg(arguments[0]).arg(archive).args(&arguments[1..]).output().unwrap();
    assert!(output.status.success(), "tar: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn archive(bed: &Bed) -> std::path::PathBuf {
    let path = bed.directory.join("archive.tar");
    bed.pack(&path);
    path
}

#[test]
fn an_archive_becomes_an_image_and_an_image_an_archive() {
    let bed = Bed::new();
    let mut client = bed.client();
    let from = File::open(archive(&bed)).unwrap();
    let answer =
        client.try_ask(&json!({"type": "import", "image": "debian:12"}), Some(from.as_fd())).unwrap();
    assert_eq!((&answer["type"], &answer["layers"]), (&json!("ok"), &json!(1)));
    assert!(client.progress > 0);
    for (format, compression, member) in
        [("tar", "none", "bin/busybox"), ("oci", "gzip", "oci-layout"), ("tar", "zstd", "sbin/init")]
    {
        let path = bed.directory.join(format!("{format}-{compression}"));
        let to = File::create(&path).unwrap();
        let request =
            json!({"type": "export", "name": "debian:12", "format": format, "compression": compression});
        let answer = client.try_ask(&request, Some(to.as_fd())).unwrap();
        assert_eq!(answer["type"], "ok", "{answer}");
        assert!(tar(&["tf"], &path).lines().any(|line| line == member), "{member}");
    }
    assert_eq!(bed.images(), ["box", "debian:12"]);
    client.done(&json!({"type": "rmi", "image": "debian:12"}));
    assert_eq!(bed.images(), ["box"]);
}

#[test]
fn a_directory_is_a_layout_or_no_archive() {
    let bed = Bed::new();
    let mut client = bed.client();
    let (path, layout) = (bed.directory.join("layout.tar"), bed.directory.join("layout"));
    let to = File::create(&path).unwrap();
    client.try_ask(&json!({"type": "export", "name": "box", "format": "oci"}), Some(to.as_fd())).unwrap();
    fs::create_dir(&layout).unwrap();
    tar(&["xf", "-C", layout.to_str().unwrap()], &path);
    let request = json!({"type": "import", "image": "again"});
    let directory = File::open(&layout).unwrap();
    let answer = client.try_ask(&request, Some(directory.as_fd())).unwrap();
    assert_eq!((&answer["type"], &answer["layers"]), (&json!("ok"), &json!(1)));
    let files = File::open(bed.files()).unwrap();
    let answer = client.try_ask(&json!({"type": "import", "image": "no"}), Some(files.as_fd())).unwrap();
    let expected =
        ["a directory without a file oci-layout is no archive of an image", "husk seed DIR IMAGE "];
    assert_eq!(reason(&answer), "invalid");
    assert_eq!(answer["data"], expected[0]);
    assert!(answer["hint"].as_str().unwrap().starts_with(expected[1]), "{answer}");
    bed.check();
}

#[test]
fn layers_live_as_long_as_somebody_has_them() {
    let bed = Bed::new();
    let mut client = bed.client();
    let layers = || fs::read_dir(bed.directory.join("root/layers")).unwrap().count();
    bed.make("web", &["/bin/true"]);
    client.done(&json!({"type": "rmi", "image": "box"}));
    assert_eq!(layers(), 1);
    client.done(&of("run", "web"));
    assert_eq!(client.done(&of("wait", "web"))["code"], 0);
    bed.await_state("web", "exited");
    client.done(&of("rm", "web"));
    assert_eq!(layers(), 0);
}

#[test]
fn a_commit_has_the_changes_and_never_overwrites() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.make("web", &["/bin/sh", "-c", "echo new > /made; rm /bin/false"]);
    client.done(&of("run", "web"));
    client.done(&of("wait", "web"));
    bed.await_state("web", "exited");
    client.done(&json!({"type": "commit", "name": "web", "image": "changes"}));
    client.done(&json!({"type": "commit", "name": "web", "image": "flat", "form": "flat"}));
    assert_eq!(reason(&client.ask(&json!({"type": "commit", "name": "web", "image": "flat"}))), "exists");
    for (image, layers) in [("changes", 2), ("flat", 1)] {
        let inspected = client.done(&of("inspect", image));
        assert_eq!(inspected["value"]["layers"].as_array().unwrap().len(), layers);
        let settings = json!({"command": ["/bin/sh", "-c", "cat /made && ! test -e /bin/false"]});
        client.done(&json!({"type": "new", "name": image, "image": image, "settings": settings}));
        client.done(&of("run", image));
        assert_eq!(client.done(&of("wait", image))["code"], 0, "{image}");
        bed.await_state(image, "exited");
    }
    bed.check();
}

#[test]
fn a_commit_has_the_settings_of_the_instance_over_those_of_its_image() {
    let bed = Bed::new();
    let mut client = bed.client();
    let settings = json!({
        "command": ["/bin/sh", "-c", "pwd; env"], "env": ["A=1", "B=2"], "workdir": "/etc", "user": "1000:1000",
        "stop_signal": "INT",
    });
    bed.make_with("web", settings);
    client.done(&json!({"type": "commit", "name": "web", "image": "made"}));
    let config = |client: &mut crate::client::Client, image: &str| {
        client.done(&of("inspect", image))["value"]["config"].clone()
    };
    let made = config(&mut client, "made");
    assert_eq!(made["cmd"], json!(["/bin/sh", "-c", "pwd; env"]));
    assert_eq!((&made["env"], &made["workdir"]), (&json!(["A=1", "B=2"]), &json!("/etc")));
    assert_eq!((&made["user"], &made["stop_signal"]), (&json!("1000:1000"), &json!("INT")));
    // Once more: what the next one sets goes over it, and what it does not set stays.
    let next = json!({"type": "new", "name": "next", "image": "made", "settings": {"env": ["B=3"]}});
    client.done(&next);
    client.done(&json!({"type": "commit", "name": "next", "image": "again", "form": "flat"}));
    let again = config(&mut client, "again");
    assert_eq!((&again["env"], &again["cmd"]), (&json!(["A=1", "B=3"]), &made["cmd"]));
    bed.check();
}

#[test]
fn a_daemon_that_is_told_to_end_leaves_nothing_of_an_import() {
    let mut bed = Bed::new();
    let whole = fs::read(archive(&bed)).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut client = bed.client();
    client.send(&json!({"type": "import", "image": "half"}), Some(reader.as_fd())).unwrap();
    let mut writer = writer;
    std::io::Write::write_all(&mut writer, &whole[..whole.len() / 2]).unwrap();
    let tmp = bed.directory.join("root/tmp");
    let left = || fs::read_dir(&tmp).unwrap().count();
    let until = std::time::Instant::now() + crate::bed::PATIENCE;
    while left() == 0 {
        assert!(std::time::Instant::now() < until, "the import does not begin");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let since = std::time::Instant::now();
    assert_eq!(bed.end(), Some(0));
    assert!(since.elapsed() < std::time::Duration::from_secs(4), "{:?}", since.elapsed());
    assert_eq!(left(), 0, "{}", bed.log());
    bed.start();
    assert_eq!(bed.images(), ["box"]);
}

#[test]
fn an_instance_is_exported_as_its_programs_see_it() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.make("web", &["/bin/sh", "-c", "echo new > /made; rm /bin/false"]);
    client.done(&of("run", "web"));
    client.done(&of("wait", "web"));
    bed.await_state("web", "exited");
    let path = bed.directory.join("exported");
    let to = File::create(&path).unwrap();
    let answer = client.try_ask(&of("export", "web"), Some(to.as_fd())).unwrap();
    assert_eq!(answer["type"], "ok", "{answer}");
    let names = tar(&["tf"], &path);
    assert!(names.contains("\nmade\n") && names.contains("\nbin/true\n"), "{names}");
    assert!(!names.contains("bin/false\n"), "{names}");
    bed.check();
}

#[test]
fn an_archive_that_is_none_leaves_nothing() {
    let bed = Bed::new();
    let mut client = bed.client();
    let path = bed.directory.join("bad");
    fs::write(&path, vec![b'x'; 100_000]).unwrap();
    let bad = File::open(&path).unwrap();
    let answer = client.try_ask(&json!({"type": "import", "image": "bad"}), Some(bad.as_fd())).unwrap();
    assert_eq!(reason(&answer), "invalid");
    assert_eq!(bed.images(), ["box"]);
    bed.check();
}

/// A pipe's worth of archive from an instance.
fn copy_out(bed: &Bed, name: &str, path: &str) -> (serde_json::Value, std::path::PathBuf) {
    let archive = bed.directory.join("copied");
    let to = File::create(&archive).unwrap();
    let request = json!({"type": "copy_out", "name": name, "path": path});
    (bed.client().try_ask(&request, Some(to.as_fd())).unwrap(), archive)
}

fn copy_in(bed: &Bed, name: &str, path: &str, archive: &Path) -> serde_json::Value {
    let from = File::open(archive).unwrap();
    let request = json!({"type": "copy_in", "name": name, "path": path});
    bed.client().try_ask(&request, Some(from.as_fd())).unwrap()
}

#[test]
fn files_are_copied_out_of_and_into_an_instance_whether_it_runs_or_not() {
    let bed = Bed::new();
    bed.make("web", &["/sbin/init"]);
    let packed = bed.directory.join("packed");
    fs::create_dir_all(packed.join("sub")).unwrap();
    for (state, verb) in [("created", "run"), ("running", "stop")] {
        assert_eq!(bed.state("web"), state);
        fs::write(packed.join("sub/file"), state).unwrap();
        let archive = bed.directory.join("in.tar");
        tar(&["cf", "-C", packed.to_str().unwrap(), "."], &archive);
        assert_eq!(copy_in(&bed, "web", "/etc", &archive)["type"], "ok");
        let (answer, archive) = copy_out(&bed, "web", "/etc");
        assert_eq!((&answer["type"], &answer["part"]), (&json!("ok"), &json!("directory")));
        assert_eq!(tar(&["xOf", "etc/sub/file"], &archive), state);
        assert!(tar(&["xOf", "etc/passwd"], &archive).starts_with("root:"), "what was there stays");
        let (answer, archive) = copy_out(&bed, "web", "/");
        assert_eq!(
            (&answer["part"], tar(&["xOf", "etc/sub/file"], &archive)),
            (&json!("directory"), state.into())
        );
        let (answer, archive) = copy_out(&bed, "web", "etc/sub/file");
        assert_eq!(answer["part"], "file");
        assert_eq!((tar(&["tf"], &archive), tar(&["xOf"], &archive)), ("file\n".into(), state.into()));
        bed.client().done(&of(verb, "web"));
    }
    bed.check();
}

#[test]
fn a_copy_takes_the_place_of_no_directory_and_no_link() {
    let bed = Bed::new();
    bed.make("web", &["/sbin/init"]);
    let packed = bed.directory.join("packed");
    fs::create_dir(&packed).unwrap();
    fs::write(packed.join("name"), "x").unwrap();
    let archive = bed.directory.join("in.tar");
    tar(&["cf", "-C", packed.to_str().unwrap(), "name"], &archive);
    let upper = bed.directory.join("root/instances/web/upper/tmp");
    fs::create_dir_all(upper.join("name/kept")).unwrap();
    assert_eq!(reason(&copy_in(&bed, "web", "/tmp", &archive)), "invalid");
    assert!(upper.join("name/kept").exists());
    fs::remove_dir_all(upper.join("name")).unwrap();
    std::os::unix::fs::symlink("../bin", upper.join("name")).unwrap();
    assert_eq!(reason(&copy_in(&bed, "web", "/tmp", &archive)), "invalid");
    assert!(upper.join("name").is_symlink());
    fs::remove_file(upper.join("name")).unwrap();
    for _ in 0..2 {
        assert_eq!(copy_in(&bed, "web", "/tmp", &archive)["type"], "ok");
    }
    bed.check();
}

#[test]
fn a_copy_stays_within_the_instance() {
    let bed = Bed::new();
    let mut client = bed.client();
    let outside = bed.directory.join("outside");
    fs::create_dir(&outside).unwrap();
    let command = format!(
        "/bin/busybox ln -s {} /out; /bin/busybox ln -s ../../../../.. /up; /sbin/init",
        outside.display()
    );
    bed.make("web", &["/bin/sh", "-c", &command]);
    client.done(&of("run", "web"));
    let until = std::time::Instant::now() + crate::bed::PATIENCE;
    while copy_out(&bed, "web", "/up/etc").0["type"] != "ok" {
        assert!(std::time::Instant::now() < until, "no link");
    }
    let packed = bed.directory.join("packed");
    fs::create_dir(&packed).unwrap();
    fs::write(packed.join("escaped"), "x").unwrap();
    let archive = bed.directory.join("in.tar");
    tar(&["cf", "-C", packed.to_str().unwrap(), "."], &archive);
    let hostile = bed.directory.join("hostile.tar");
    tar(&["cPf", "--transform", "s,.*,../../escaped,", packed.join("escaped").to_str().unwrap()], &hostile);
    for round in 0..2 {
        assert_eq!(reason(&copy_in(&bed, "web", "/out", &archive)), "not_found");
        assert_eq!(reason(&copy_out(&bed, "web", "/out/x").0), "not_found");
        assert_eq!(reason(&copy_in(&bed, "web", "/tmp", &hostile)), "invalid");
        let answer = copy_in(&bed, "web", "/up/up/tmp", &archive);
        assert_eq!(answer["type"], "ok", "{answer}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        if round == 0 {
            client.done(&json!({"type": "stop", "name": "web", "grace_ms": 0}));
        }
    }
    assert!(bed.directory.join("root/instances/web/upper/tmp/escaped").exists());
    bed.check();
}
