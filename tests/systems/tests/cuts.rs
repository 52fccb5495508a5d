//! The power is cut while verbs are at work, at any write to the disk: what is on it afterwards is the state before the
//! verb or the one after it, whole, and it can be worked with.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use boot::parts::{BUSYBOX, Folder};
use stress::Random;
use systems::record::{Cut, Record, SECTOR};
use systems::survivor::Survivor;
use systems::verbs::{self, State, Verbs};

/// The disk: a partition with the file system, and one in which the machine sets its marks.
const START: u64 = 1 << 20;
const SYSTEM: u64 = 224 << 20;
const MARKS: u64 = 4 << 20;
/// Room for all that is written; a file with holes.
const RECORD: u64 = 4 << 30;
/// Archives with the payloads 1 to this.
const ARCHIVES: u32 = 4;

/// A container's root cannot be put in the place of the first root of a machine (pivot_root(2)): one over it can.
const MOVE: &str = "mkdir -p /var/lib/husk && mount -t ext4 /dev/vda1 /var/lib/husk && \
                    mount -o rbind / /tmp && cd /tmp && mount -o move . / && exec chroot . /bin/sh /in/verbs || say not moved";

/// A number that may be given: of cuts, of verbs, or the seed.
fn given(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().map_or(usual, |text| text.parse().expect("a number"))
}

#[test]
fn a_power_cut_leaves_the_old_or_the_new_state() {
    let seed = given("HUSK_SEED", 7);
    let mut random = Random::new(seed as u64);
    let (folder, tree) = (Folder::new(), Folder::new());
    let archives = archives(&tree);
    let disk = disk(&folder);
    copy(&disk, &folder.file("base"));
    let verbs = Verbs::random(given("HUSK_VERBS", 40), ARCHIVES, &mut random);
    let record = run(&folder, &verbs, &archives);
    let (entries, flushes, marks) = record.size();
    println!("seed {seed}: {entries} entries, {flushes} flushes, {marks} verbs");
    assert_eq!(marks, verbs.states.len(), "a mark at the start and one after each verb");
    let base = File::options().write(true).open(folder.file("base")).expect("the copy");
    let mut settled = 0;
    for (number, cut) in record.cuts(given("HUSK_CUTS", 50), &mut random).into_iter().enumerate() {
        settled = record.settle(&base, settled, cut);
        copy(&folder.file("base"), &folder.file("cut"));
        let torn = File::options().write(true).open(folder.file("cut")).expect("the copy");
        record.tear(&torn, settled, cut, &mut random);
        println!("cut {number}: {cut:?}");
        check(&folder, cut, &verbs, &archives[0]);
    }
}

/// A disk of two partitions, the first with a file system.
fn disk(folder: &Folder) -> PathBuf {
    let disk = folder.file("disk");
    let mut table = vec![0; 512];
    for (place, (start, size)) in [(START, SYSTEM), (START + SYSTEM, MARKS)].into_iter().enumerate() {
        // An entry of an MBR: type 0x83, first sector, how many; the addresses by cylinders are not looked at.
        let entry = &mut table[446 + 16 * place..][..16];
        entry[4] = 0x83;
        entry[8..12].copy_from_slice(&((start / SECTOR) as u32).to_le_bytes());
        entry[12..].copy_from_slice(&((size / SECTOR) as u32).to_le_bytes());
    }
    table[510..].copy_from_slice(&[0x55, 0xaa]);
    fs::write(&disk, table).expect("a partition table");
    File::options()
        .write(true)
        .open(&disk)
        .and_then(|file| file.set_len(START + SYSTEM + MARKS))
        .expect("a disk");
    let mut make = Command::new("mke2fs");
    let options = format!("offset={START},lazy_itable_init=0,lazy_journal_init=0");
    make.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-E", &options])
        .arg(&disk)
        .arg(format!("{}k", SYSTEM >> 10));
    assert!(make.status().expect("mke2fs starts").success());
    disk
}

/// Copies a disk; what is empty of it takes no place.
fn copy(disk: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    copy.arg("--sparse=always").arg(disk).arg(to);
    assert!(copy.status().expect("cp starts").success());
}

/// The verbs in a machine, on the disk in the folder, and what it wrote.
fn run(folder: &Folder, verbs: &Verbs, archives: &[PathBuf]) -> Record {
    let record = folder.file("record");
    File::create(&record).and_then(|file| file.set_len(RECORD)).expect("a record");
    let script = folder.file("verbs");
    let text = format!(
        "say() {{ echo \"T $*\"; }}
mark() {{ blkdiscard -o $(($1 * 4096)) -l 4096 /dev/vda2 || say no mark; }}
mkdir -p /seed/bin; cp /bin/busybox /seed/bin
export HUSK_NO_DAEMON=1
huskd --no-console 2> /tmp/huskd.log & daemon=$!
until husk ls > /dev/null 2>&1; do sleep 0.1; done
mark 0
{}kill $daemon; wait $daemon; sync; umount /var/lib/husk; say done",
        verbs.script
    );
    fs::write(&script, text).expect("a script");
    let drive = format!(
        "driver=blklogwrites,node-name=disk,discard=unmap,log-sector-size=512,file.discard=unmap,file.driver=file,file.filename={},\
         log.driver=file,log.filename={}",
        folder.file("disk").display(),
        record.display()
    );
    let devices = ["-blockdev", &drive, "-device", "virtio-blk-pci,drive=disk"];
    let files = [&[script], archives].concat();
    let said = systems::run_with(MOVE, &devices, &files);
    assert_eq!(said, ["done"]);
    Record::read(&record, START + SYSTEM)
}

/// An archive for each payload, with busybox.
fn archives(folder: &Folder) -> Vec<PathBuf> {
    let archive = |tag: u32| {
        let tree = folder.file(&format!("tree-{tag}"));
        let payload = tree.join(format!("data/{tag}"));
        fs::create_dir_all(&payload).and_then(|()| fs::create_dir(tree.join("bin"))).expect("folders");
        fs::copy(BUSYBOX, tree.join("bin/busybox")).expect("busybox");
        for (name, length) in verbs::files(tag) {
            fs::write(payload.join(name), verbs::content(tag, length)).expect("a file");
        }
        let to = folder.file(&format!("{tag}.tar"));
        let mut pack = Command::new("tar");
        pack.arg("-cf").arg(&to).arg("-C").arg(&tree).arg(".");
        assert!(pack.status().expect("tar starts").success());
        to
    };
    (1..=ARCHIVES).map(archive).collect()
}

fn check(folder: &Folder, cut: Cut, verbs: &Verbs, archive: &Path) {
    let disk = folder.file("cut");
    let survivor = Survivor::start(folder, &disk, START);
    let names = survivor.names();
    // The mark before the verbs is the first.
    let done = cut.marks - 1;
    let allowed = &verbs.states[done..verbs.states.len().min(done + 2)];
    let is_this = |state: &&State| {
        let keys = |names: &std::collections::BTreeMap<String, _>| names.keys().cloned().collect();
        names == [keys(&state.images), keys(&state.instances)]
    };
    let state = allowed.iter().find(is_this).unwrap_or_else(|| panic!("{names:?}, not one of {allowed:#?}"));
    survivor.demand(state);
    survivor.use_it(state, archive);
    drop(survivor);
    let mut fsck = Command::new("e2fsck");
    fsck.args(["-f", "-n"]).arg(format!("{}?offset={START}", disk.display()));
    wait_until_detached(&disk);
    let done = fsck.output().expect("e2fsck starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

/// The loop device goes when the last process of its namespace has.
fn wait_until_detached(disk: &Path) {
    for _ in 0..2000 {
        let mut list = Command::new("losetup");
        list.arg("--associated").arg(disk);
        if list.output().expect("losetup starts").stdout.is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{}: still mounted", disk.display());
}
