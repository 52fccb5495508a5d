//! The default profile: who may do what, and what the program costs.

mod machine;

use machine::{Call, check, run, verdict};
use seccomp::{Action, Arch, Program, Syscall, compile_for, default_profile};

const ALLOW: u32 = Action::Allow.return_value();
const EPERM: u32 = Action::Errno(1).return_value();
const ENOSYS: u32 = Action::Errno(38).return_value();
const KILL: u32 = Action::KillThread.return_value();

/// Docker's default bounding set: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP,
/// NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP.
const USUAL: u64 = 0xa804_25fb;
const ALL: u64 = (1 << 41) - 1;
const NEWUSER: u64 = 0x1000_0000;
const HIGH: u64 = 1 << 32;

fn program(capabilities: u64, native: Arch) -> Program {
    let program = compile_for(&default_profile(capabilities, native), native).unwrap();
    check(&program);
    program
}

fn expect(program: &Program, arch: Arch, expected: u32, calls: &[(&str, u64)]) {
    for (name, argument) in calls {
        let call = Call::named(arch, name, *argument);
        assert_eq!(verdict(program, &call), expected, "{name}({argument:#x}) on {arch:?}");
    }
}

fn names<'a>(names: &'a [&'a str]) -> Vec<(&'a str, u64)> {
    names.iter().map(|name| (*name, 0)).collect()
}

#[test]
fn everyday_calls_are_allowed_on_every_architecture() {
    let everyday =
        names(&["read", "openat", "execve", "clock_gettime", "futex", "exit_group", "ptrace", "seccomp"]);
    for (native, arches) in [
        (Arch::X86_64, &[Arch::X86_64, Arch::X86, Arch::X32][..]),
        (Arch::Aarch64, &[Arch::Aarch64, Arch::Arm]),
    ] {
        let program = program(USUAL, native);
        for arch in arches {
            expect(&program, *arch, ALLOW, &everyday);
            expect(
                &program,
                *arch,
                ALLOW,
                &names(&["mseal", "listmount", "map_shadow_stack", "removexattrat"]),
            );
        }
    }
}

#[test]
fn calls_of_one_architecture_are_allowed_there() {
    let x86 = program(USUAL, Arch::X86_64);
    expect(&x86, Arch::X86_64, ALLOW, &names(&["arch_prctl", "modify_ldt", "uretprobe", "newfstatat"]));
    expect(&x86, Arch::X86, ALLOW, &names(&["socketcall", "ipc", "_llseek", "fstatat64", "clock_gettime64"]));
    let arm = program(USUAL, Arch::Aarch64);
    expect(&arm, Arch::Arm, ALLOW, &names(&["cacheflush", "breakpoint", "set_tls", "arm_sync_file_range"]));
    expect(&arm, Arch::Arm, EPERM, &names(&["usr26"]));
    expect(&arm, Arch::Aarch64, ALLOW, &names(&["newfstatat"]));
}

#[test]
fn privileged_calls_are_refused_without_their_capability() {
    let refused = names(&[
        "mount",
        "umount2",
        "bpf",
        "unshare",
        "setns",
        "reboot",
        "kexec_load",
        "init_module",
        "keyctl",
        "add_key",
        "userfaultfd",
        "io_uring_setup",
        "open_by_handle_at",
        "acct",
        "swapon",
        "settimeofday",
        "kcmp",
        "mbind",
        "perf_event_open",
        "syslog",
        "quotactl",
        "pidfd_getfd",
        "pivot_root",
    ]);
    let program = program(USUAL, Arch::X86_64);
    expect(&program, Arch::X86_64, EPERM, &refused);
    expect(&program, Arch::X32, EPERM, &refused);
    expect(&program, Arch::X86, EPERM, &refused);
    expect(&program, Arch::X86_64, EPERM, &names(&["ioperm", "iopl", "create_module"]));
    expect(&program, Arch::X86, EPERM, &names(&["stime", "umount", "vm86"]));
}

#[test]
fn each_capability_opens_its_calls_and_no_others() {
    let opened: [(u32, &[&str]); 13] = [
        (2, &["open_by_handle_at"]),
        (16, &["delete_module", "finit_module", "init_module"]),
        (17, &["ioperm", "iopl"]),
        (18, &["chroot"]),
        (19, &["kcmp", "pidfd_getfd", "process_madvise"]),
        (20, &["acct"]),
        (22, &["reboot"]),
        (23, &["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"]),
        (25, &["clock_settime", "settimeofday"]),
        (26, &["vhangup"]),
        (34, &["syslog"]),
        (38, &["perf_event_open"]),
        (39, &["bpf"]),
    ];
    let none = program(0, Arch::X86_64);
    for (capability, names) in opened {
        let program = program(1 << capability, Arch::X86_64);
        let mut changed: Vec<_> = Syscall::all()
            .filter_map(|syscall| {
                let call = Call::new(Arch::X86_64, syscall.number(Arch::X86_64)?, [0; 6]);
                (verdict(&program, &call) != verdict(&none, &call)).then(|| syscall.name())
            })
            .collect();
        changed.sort_unstable();
        assert_eq!(changed, names, "capability {capability}");
    }
}

#[test]
fn administrator_may_make_namespaces_and_others_may_not() {
    let usual = program(USUAL, Arch::X86_64);
    let administrator = program(1 << 21, Arch::X86_64);
    for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
        expect(&usual, arch, ALLOW, &[("clone", 17), ("clone", 0x3d_0f00)]);
        expect(&usual, arch, EPERM, &[("clone", NEWUSER), ("clone", 0x0200_0011), ("clone", 0x7e02_0000)]);
        expect(&usual, arch, ENOSYS, &[("clone3", 0)]);
        expect(
            &administrator,
            arch,
            ALLOW,
            &[("clone", NEWUSER), ("clone3", 0), ("unshare", NEWUSER), ("mount", 0)],
        );
    }
}

#[test]
fn sockets_of_the_kernels_crypto_and_of_virtual_machines_are_refused() {
    let program = program(USUAL, Arch::X86_64);
    let allowed =
        [("socket", 0), ("socket", 1), ("socket", 37), ("socket", 39), ("socket", 41), ("socket", 0xffff)];
    for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
        expect(&program, arch, ALLOW, &allowed);
        expect(&program, arch, EPERM, &[("socket", 38), ("socket", 40)]);
    }
}

#[test]
fn upper_half_of_an_address_family_opens_nothing() {
    // The kernel takes an int: it would open AF_VSOCK and AF_ALG for these.
    for native in [Arch::X86_64, Arch::Aarch64] {
        expect(&program(USUAL, native), native, EPERM, &[("socket", 40 | HIGH), ("socket", 38 | HIGH << 31)]);
    }
}

#[test]
fn personality_may_be_asked_and_set_to_harmless_values() {
    let program = program(USUAL, Arch::X86_64);
    let allowed = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff].map(|value| ("personality", value));
    expect(&program, Arch::X86_64, ALLOW, &allowed);
    // ADDR_NO_RANDOMIZE, and its upper half, which the kernel does not see.
    expect(&program, Arch::X86_64, EPERM, &[("personality", 0x4_0000), ("personality", 0x4_0000 | HIGH)]);
}

#[test]
fn calls_newer_than_the_profile_do_not_exist() {
    let newer = names(&["open_tree_attr", "file_getattr", "file_setattr", "listns"]);
    for (native, other) in [(Arch::X86_64, Arch::X86), (Arch::Aarch64, Arch::Arm)] {
        let program = program(ALL, native);
        expect(&program, native, ENOSYS, &newer);
        expect(&program, other, ENOSYS, &newer);
    }
    // The numbers that only x32 has lie above all common ones.
    let x32 = program(ALL, Arch::X86_64);
    assert_eq!(verdict(&x32, &Call::new(Arch::X32, 0x4000_0000 + 600, [0; 6])), ENOSYS);
}

#[test]
fn foreign_architectures_are_killed() {
    let program = program(ALL, Arch::X86_64);
    assert_eq!(verdict(&program, &Call::named(Arch::Aarch64, "read", 0)), KILL);
    assert_eq!(verdict(&program, &Call { token: 0, number: 0, arguments: [0; 6] }), KILL);
}

#[test]
fn program_is_small_and_short_on_every_path() {
    for (native, capabilities) in [
        (Arch::X86_64, USUAL),
        (Arch::X86_64, ALL),
        (Arch::X86_64, 0),
        (Arch::Aarch64, USUAL),
        (Arch::Aarch64, ALL),
    ] {
        let program = program(capabilities, native);
        assert!(program.instructions().len() <= 300, "{} instructions", program.instructions().len());
        for syscall in Syscall::all() {
            let Some(number) = syscall.number(native) else { continue };
            let (_, steps) = run(&program, &Call::new(native, number, [0; 6]));
            assert!(steps <= 16, "{} takes {steps} instructions", syscall.name());
        }
    }
}

#[test]
fn same_profile_gives_the_same_program() {
    assert_eq!(program(USUAL, Arch::X86_64), program(USUAL, Arch::X86_64));
}
