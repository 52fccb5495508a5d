//! Containers in the background: what is known of them while they run and afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cli::{Ended, Scratch, husk_run, rootfs, run, wait, wait_until};

/// A root file system, and an id that no other test has. The record goes with them.
struct Place {
    scratch: Scratch,
    root: PathBuf,
    id: String,
}

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new();
        let root = rootfs(&scratch);
        let id = scratch.path().file_name().expect("name").to_string_lossy().into_owned();
        Self { scratch, root, id }
    }

    fn record(&self) -> PathBuf {
        Path::new("/run/husk/run").join(&self.id)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.record().join(name)).unwrap_or_default().trim().to_owned()
    }

    fn start(&self, options: &[&str], script: &str) -> Ended {
        let mut all = vec!["--detach", "--id", &self.id];
        all.extend(options);
        let mut command = husk_run(&all, &self.root, &["/bin/sh", "-c", script]);
        // Files, not pipes: nobody waits for the end of a file that the container has open.
        let (out, err) = (self.scratch.join("out"), self.scratch.join("err"));
        command.stdout(fs::File::create(&out).expect("file")).stderr(fs::File::create(&err).expect("file"));
        let mut child = command.spawn().expect("starts");
        let status = wait(&mut child, &command);
        let read = |path| fs::read(path).expect("file");
        Ended { status, stdout: read(out), stderr: read(err) }
    }

    fn kill(&self, signal: &str) {
        run(Command::new("kill").args([signal, &self.read("pid")])).good();
    }

    fn wait_for_end(&self) {
        wait_until("the end", Duration::from_secs(10), || !self.record().join("pid").exists());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.record().join("pid").exists() {
            let _ = Command::new("kill").args(["-KILL", &self.read("pid")]).status();
        }
        let _ = fs::remove_dir_all(self.record());
    }
}

#[test]
fn husk_returns_as_soon_as_the_container_runs() {
    let place = Place::new();
    let since = Instant::now();
    assert_eq!(place.start(&[], "sleep 20").good(), place.id);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    let pid: u32 = place.read("pid").parse().expect("a pid");
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).expect("its supervisor");
    assert_eq!(name.trim(), "husk");
    assert!(!place.record().join("exit").exists());
    place.kill("-TERM");
    place.wait_for_end();
    assert_eq!(place.read("exit"), "143");
}

#[test]
fn the_exit_code_is_on_record_afterwards() {
    let place = Place::new();
    place.start(&[], "exit 42").good();
    place.wait_for_end();
    assert_eq!(place.read("exit"), "42");
    let names: Vec<_> = fs::read_dir(place.record()).expect("record").flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn with_rm_nothing_is_on_record_afterwards() {
    let place = Place::new();
    place.start(&["--rm"], "sleep 0.2; exit 42").good();
    wait_until("the end", Duration::from_secs(10), || !place.record().exists());
}

#[test]
fn an_id_is_taken_while_its_container_runs_and_free_afterwards() {
    let place = Place::new();
    place.start(&[], "sleep 20").good();
    let second = place.start(&[], "exit 1");
    assert_eq!((second.code(), second.out().as_str()), (125, ""));
    let err = second.err();
    assert!(err.starts_with("husk: ") && err.contains(&place.id) && err.lines().count() == 1, "{err}");
    place.kill("-TERM");
    place.wait_for_end();
    place.start(&[], "exit 7").good();
    place.wait_for_end();
    assert_eq!(place.read("exit"), "7");
}

#[test]
fn a_supervisor_that_was_killed_takes_its_container_with_it_and_frees_the_id() {
    let place = Place::new();
    place.start(&[], "sleep 20").good();
    place.kill("-KILL");
    let supervisor = place.read("pid");
    wait_until("the end", Duration::from_secs(5), || !Path::new("/proc").join(&supervisor).exists());
    place.start(&[], "exit 3").good();
    place.wait_for_end();
    assert_eq!(place.read("exit"), "3");
}

#[test]
fn what_goes_wrong_at_the_start_is_said_to_the_caller() {
    let place = Place::new();
    let mut command = husk_run(&["-d", "--id", &place.id], &place.root, &["/nowhere"]);
    let ended = run(&mut command);
    assert_eq!((ended.code(), ended.out().as_str()), (127, ""));
    assert_eq!(ended.err(), "husk: \"/nowhere\": command not found in the container\n");
    assert!(!place.record().exists(), "a record was left");
}

#[test]
fn without_an_id_eight_hexadecimal_digits_are_printed() {
    let place = Place::new();
    let id = run(&mut husk_run(&["-d", "--rm"], &place.root, &["/bin/true"])).good();
    assert_eq!(id.len(), 8, "{id}");
    assert!(id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    let record = Path::new("/run/husk/run").join(&id);
    wait_until("the end", Duration::from_secs(10), || !record.exists());
}

#[test]
fn a_container_in_the_background_holds_nothing_of_the_callers() {
    let place = Place::new();
    let script = "a=$(for fd in 0 1 2; do readlink /proc/$$/fd/$fd; done); echo \"$a\" > /tmp/fds";
    place.start(&[], script).good();
    place.wait_for_end();
    let links = fs::read_to_string(place.root.join("tmp/fds")).expect("written");
    assert_eq!(links, "/dev/null\n/dev/null\n/dev/null\n");
}
