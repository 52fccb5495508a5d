//! docs/microvm.md: what it says about QEMU is done as it stands there.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use boot::parts::{BUSYBOX, Folder, part};

const GUIDE: &str = include_str!("../../../../docs/microvm.md");

/// The code blocks of a kind in the part about QEMU.
fn blocks(kind: &str) -> Vec<&'static str> {
    let (_, qemu) = GUIDE.split_once("\n## QEMU\n").expect("the part about QEMU");
    let opening = format!("\n```{kind}\n");
    let blocks = qemu.split(&opening).skip(1);
    blocks.map(|rest| rest.split("\n```").next().unwrap_or_default()).collect()
}

#[test]
fn commands_of_the_guide_do_what_it_says() {
    let folder = Folder::new();
    let (scripts, expected) = (blocks("sh"), blocks("text"));
    assert_eq!((scripts.len(), expected.len()), (3, 1), "the guide is written in another way now");
    symlink(part("MINIT"), folder.file("minit")).expect("a link");
    symlink(BUSYBOX, folder.file("busybox")).expect("a link");
    symlink(part("KERNEL"), folder.file("vmlinux")).expect("a link");
    symlink(part("MODULES"), folder.file("modules")).expect("a link");
    let tools = part("VSOCK").parent().expect("a folder").display();
    let path = format!("{tools}:{}", std::env::var("PATH").unwrap_or_default());
    let script = format!("trap 'kill $(jobs -p) 2> /dev/null' EXIT\n{}", scripts.join("\n"));
    let mut shell = Command::new("timeout");
    // Whatever it has started goes with it.
    shell.args(["120", "bash", "-euc", &script]).env("PATH", path).current_dir(folder.file("."));
    let done = shell.stdin(Stdio::null()).process_group(0).output().expect("bash starts");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let console = std::fs::read_to_string(folder.file("console")).unwrap_or_default();
    assert!(done.status.success(), "{}: {out}\n{err}\n{console}", done.status);
    assert_eq!(out.trim_end(), expected[0], "{err}");
}
