//! Times importing archives against `tar xf` of the same files, in turns; both to the file system of DIRECTORY.
//!
//! `cargo run --release -p image --example import -- DIRECTORY ARCHIVE…` (root; DIRECTORY is made and removed)

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use image::{Go, Limits, Name, Phase, Source, Step, Store};

const ROUNDS: usize = 3;

/// How long one import took, and how long of that the disk was waited for.
struct Import {
    whole: Duration,
    syncing: Duration,
}

fn import(at: &Path, archive: &Path) -> Import {
    let store = Store::open(&at.join("store")).unwrap();
    let mut syncing = Vec::new();
    let mut watch = |step: &Step| {
        if step.phase == Phase::Syncing {
            syncing.push(Instant::now());
        }
        Go::On
    };
    let begin = Instant::now();
    let name = Name::parse("measured").unwrap();
    store.import(Source::open(archive).unwrap(), &name, &Limits::default(), &mut watch).unwrap();
    let whole = begin.elapsed();
    let syncing = syncing.last().unwrap().duration_since(syncing[0]);
    std::fs::remove_dir_all(at.join("store")).unwrap();
    Import { whole, syncing }
}

fn tar(at: &Path, archive: &Path) -> (Duration, Duration) {
    let tree = at.join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    let begin = Instant::now();
    let status = Command::new("tar").arg("xf").arg(archive).arg("-C").arg(&tree).status().unwrap();
    assert!(status.success());
    let unpacked = begin.elapsed();
    assert!(Command::new("sync").arg("-f").arg(&tree).status().unwrap().success());
    let synced = begin.elapsed();
    std::fs::remove_dir_all(&tree).unwrap();
    (unpacked, synced)
}

/// Ticks of the processor that this process and those that it waited for have used: of 10 ms each, and unlike
/// seconds hardly changed by what else runs.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(4);
    fields.map(|field| field.parse::<u64>().unwrap()).sum()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let at = arguments.next().expect("DIRECTORY ARCHIVE…");
    println!("ms (medians of {ROUNDS}): tar xf, with sync -f; import, of that syncfs");
    for archive in arguments {
        let (mut tars, mut synced, mut imports, mut syncing) = (vec![], vec![], vec![], vec![]);
        let (mut tar_ticks, mut import_ticks) = (0, 0);
        for _ in 0..ROUNDS {
            let begin = ticks();
            let (unpacked, with_sync) = tar(&at, &archive);
            let between = ticks();
            tars.push(unpacked);
            synced.push(with_sync);
            let import = import(&at, &archive);
            tar_ticks += between - begin;
            import_ticks += ticks() - between;
            imports.push(import.whole);
            syncing.push(import.syncing);
        }
        let (tar, synced, import, syncing) = (median(tars), median(synced), median(imports), median(syncing));
        println!(
            "{}: tar {tar:.0}, {synced:.0}; import {import:.0}, {syncing:.0}; ratio {:.2}, both synced {:.2}",
            archive.display(),
            import / tar,
            import / synced
        );
        let count = ROUNDS as u64;
        println!(
            "  processor: tar {}, import {} (removal of the trees included)",
            tar_ticks * 10 / count,
            import_ticks * 10 / count
        );
    }
    std::fs::remove_dir_all(&at).unwrap();
}
