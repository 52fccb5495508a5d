//! What minit may cost: counts, which are the same on every machine, of the release build. Where a goal is not reached
//! yet, what is held is where it stands.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use load::First;
use load::process::figure;
use stress::{Deadline, Served, alone, load, release, release_alone};

/// Page faults of `minit --no-api -- true` beyond those of `true`; the goal is 20.
const FAULTS: u64 = 16;
/// The program file, bytes; the goal is 128 KiB.
const SIZE: u64 = 362 << 10;
/// The program file without the api, the verbs and the configuration file, bytes; the goal is 32 KiB.
const SIZE_ALONE: u64 = 84 << 10;
/// Resident memory of both roles, kB, counting what they share twice; the goal is 160.
const RESIDENT: u64 = 720;
/// Private dirty memory of both roles, kB, which is the goal.
const DIRTY: u64 = 64;
/// Private dirty memory of the first process, kB.
const DIRTY_FIRST: u64 = 20;

/// A program of a few bytes that ends at once, without a C library, whose own start would be most of what is counted.
fn shortest() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = load().with_file_name("shortest");
        let source = program.with_extension("c");
        let text = "void _start(void) { __asm__ volatile(\"syscall\" : : \"a\"(60), \"D\"(0)); __builtin_unreachable(); }";
        std::fs::write(&source, text).expect("the source");
        let mut compile = Command::new("cc");
        compile.args(["-O2", "-static", "-nostdlib", "-o"]).arg(&program).arg(&source);
        assert!(compile.status().expect("cc").success(), "cc of {}", source.display());
        program
    })
}

/// Minor page faults of a command and of all that it started.
fn faults(command: &[&OsStr]) -> u64 {
    let count = Command::new(load()).arg("faults").args(command).output().expect("load");
    let text = String::from_utf8_lossy(&count.stdout).trim().to_owned();
    text.parse().unwrap_or_else(|_| panic!("load faults: {text:?}"))
}

#[test]
fn a_start_touches_few_pages() {
    let _alone = alone();
    let bare = [shortest().as_os_str()];
    let minit =
        [release("minit").as_os_str(), OsStr::new("--no-api"), OsStr::new("--"), shortest().as_os_str()];
    let least = |command: &[&OsStr]| (0..10).map(|_| faults(command)).min().expect("ten");
    let over = least(&minit) - least(&bare);
    println!("{over} page faults of {FAULTS}");
    assert!(over <= FAULTS, "{over} page faults, more than {FAULTS}");
}

#[test]
fn the_program_of_minit_is_small() {
    let size = std::fs::metadata(release("minit")).expect("minit").len();
    println!("{size} bytes of {SIZE} (goal 131072)");
    assert!(size <= SIZE, "{size} bytes, more than {SIZE}");
}

#[test]
fn the_first_process_alone_is_small() {
    let size = std::fs::metadata(release_alone()).expect("minit").len();
    println!("{size} bytes of {SIZE_ALONE} (goal 32768)");
    assert!(size <= SIZE_ALONE, "{size} bytes, more than {SIZE_ALONE}");
}

#[test]
fn idle_it_takes_little_memory_and_never_wakes_up() {
    let _alone = alone();
    let _deadline = Deadline::of("an idle minit", Duration::from_secs(60));
    // Pages of a file that was built just now and is not on the disk yet would count as dirty.
    let program = std::fs::File::open(release("minit")).expect("minit");
    program.sync_all().expect("fsync");
    let served = Served::new();
    let roles = [served.first.pid, served.first.api().expect("it serves")];
    // A new connection has five seconds for its first line; the last one said nothing.
    std::thread::sleep(Duration::from_secs(6));
    let sum = |file: &str, key: &str| -> u64 {
        roles.iter().map(|pid| figure(*pid, file, key).expect("it runs")).sum()
    };
    let wakes = || sum("status", "voluntary_ctxt_switches");
    let before = wakes();
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(wakes(), before, "neither role wakes up for nothing");
    let (resident, dirty) = (sum("smaps_rollup", "Rss"), sum("smaps_rollup", "Private_Dirty"));
    let first = figure(roles[0], "smaps_rollup", "Private_Dirty").expect("it runs");
    println!("RSS {resident} kB of {RESIDENT} (goal 160), private dirty {dirty} kB of {DIRTY} (the goal)");
    println!("private dirty of the first process {first} kB of {DIRTY_FIRST}");
    assert!(resident <= RESIDENT, "{resident} kB resident, more than {RESIDENT}");
    assert!(dirty <= DIRTY, "{dirty} kB private dirty, more than {DIRTY}");
    assert!(first <= DIRTY_FIRST, "{first} kB private dirty in the first process, more than {DIRTY_FIRST}");
}

#[test]
fn a_zombie_that_the_kernel_reaps_costs_process_1_nothing() {
    let _alone = alone();
    let _deadline = Deadline::of("zombies", Duration::from_secs(60));
    let command =
        [release("minit").as_os_str(), OsStr::new("--no-api"), OsStr::new("--"), load().as_os_str()];
    let command = [&command[..], &[OsStr::new("orphans"), OsStr::new("5000")]].concat();
    let mut first = First::start(load(), &command).expect("it starts");
    first.line().expect("it is ready");
    std::thread::sleep(Duration::from_millis(100));
    let wakes = |pid: u32| figure(pid, "status", "voluntary_ctxt_switches").expect("it runs");
    let before = wakes(first.pid);
    first.go().expect("it waits");
    first.line().expect("it is done");
    let woken = wakes(first.pid) - before;
    println!("5000 orphans: process 1 woke up {woken} times");
    assert_eq!(woken, 0);
}
