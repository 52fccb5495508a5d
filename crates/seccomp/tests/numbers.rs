//! The table of system calls, against numbers of the kernel's own tables.

use seccomp::{Arch, Syscall};

const ARCHES: [Arch; 5] = [Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64, Arch::Arm];
const X32: u32 = 0x4000_0000;

fn numbers(name: &str) -> [Option<u32>; 5] {
    ARCHES.map(|arch| Syscall::named(name).and_then(|syscall| syscall.number(arch)))
}

#[test]
fn recent_calls_have_one_number_everywhere() {
    let recent = [
        ("clone3", 435),
        ("mount_setattr", 442),
        ("cachestat", 451),
        ("map_shadow_stack", 453),
        ("futex_wait", 455),
        ("statmount", 457),
        ("listmount", 458),
        ("mseal", 462),
        ("setxattrat", 463),
        ("open_tree_attr", 467),
        ("file_getattr", 468),
        ("file_setattr", 469),
        ("listns", 470),
        ("rseq_slice_yield", 471),
    ];
    for (name, number) in recent {
        assert_eq!(numbers(name), [number, number, X32 + number, number, number].map(Some), "{name}");
    }
}

#[test]
fn old_calls_have_a_number_for_each_architecture() {
    assert_eq!(numbers("read"), [0, 3, X32, 63, 3].map(Some));
    assert_eq!(numbers("socket"), [41, 359, X32 + 41, 198, 281].map(Some));
    assert_eq!(numbers("execve"), [59, 11, X32 + 520, 221, 11].map(Some));
    assert_eq!(numbers("pwritev2"), [328, 379, X32 + 547, 287, 393].map(Some));
    assert_eq!(numbers("newfstatat"), [Some(262), None, Some(X32 + 262), Some(79), None]);
    assert_eq!(numbers("break"), [None, Some(17), None, None, None]);
    assert_eq!(numbers("set_thread_area"), [Some(205), Some(243), None, None, None]);
    assert_eq!(numbers("clock_gettime64"), [None, Some(403), None, None, Some(403)]);
    assert_eq!(numbers("set_tls"), [None, None, None, None, Some(0xf_0005)]);
    assert_eq!(numbers("uretprobe"), [Some(335), None, Some(X32 + 335), None, None]);
}

#[test]
fn names_are_found_and_others_are_not() {
    for syscall in Syscall::all() {
        assert_eq!(Syscall::named(syscall.name()), Some(syscall));
        assert!(ARCHES.iter().any(|arch| syscall.number(*arch).is_some()), "{syscall:?}");
    }
    assert!(Syscall::all().count() > 480);
    for name in ["", "rea", "readd", "Read", "fstatat", "riscv_hwprobe", "r#break"] {
        assert_eq!(Syscall::named(name), None, "{name}");
    }
}

#[test]
fn no_number_has_two_names() {
    for arch in ARCHES {
        let mut numbers: Vec<u32> = Syscall::all().filter_map(|syscall| syscall.number(arch)).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all, "{arch:?}");
    }
}
