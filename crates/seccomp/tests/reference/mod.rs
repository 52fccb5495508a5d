//! What a profile means, call by call, as plainly as it can be said: searches the rules from the start for
//! every call and knows nothing of programs.

use seccomp::{Action, Arch, Condition, Op, Profile, Rule, Syscall};

use crate::machine::Call;

const X32_BIT: u32 = 0x4000_0000;
const KILL_THREAD: u32 = 0;
const ENOSYS: u32 = 0x0005_0000 | 38;

/// The names behind `socketcall(1, …)` and on.
const SOCKETCALL: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// The parameters of 32 bits, from the definitions of the calls in the kernel.
#[rustfmt::skip]
const INTS: [(&str, &[u32]); 38] = [
    ("socket", &[0, 1, 2]),
    ("socketpair", &[0, 1, 2]),
    ("setsockopt", &[0, 1, 2, 4]),
    ("getsockopt", &[0, 1, 2]),
    ("accept4", &[0, 3]),
    ("ioctl", &[0, 1]),
    ("fcntl", &[0, 1]),
    ("prctl", &[0]),
    ("arch_prctl", &[0]),
    ("modify_ldt", &[0]),
    ("personality", &[0]),
    ("keyctl", &[0]),
    ("bpf", &[0, 2]),
    ("seccomp", &[0, 1]),
    ("setns", &[0, 1]),
    ("umount2", &[1]),
    ("open", &[1]),
    ("openat", &[0, 2]),
    ("unlinkat", &[0, 2]),
    ("madvise", &[2]),
    ("futex", &[1, 2, 5]),
    ("membarrier", &[0, 1, 2]),
    ("kill", &[0, 1]),
    ("tkill", &[0, 1]),
    ("tgkill", &[0, 1, 2]),
    ("pidfd_open", &[0, 1]),
    ("sched_setscheduler", &[0, 1]),
    ("setrlimit", &[0]),
    ("prlimit64", &[0, 1]),
    ("memfd_create", &[1]),
    ("userfaultfd", &[0]),
    ("fanotify_init", &[0, 1]),
    ("finit_module", &[0, 2]),
    ("quotactl", &[0]),
    ("syslog", &[0, 2]),
    ("reboot", &[0, 1, 2]),
    ("io_uring_enter", &[0, 1, 2, 3]),
    ("io_uring_register", &[0, 1, 3]),
];

/// The name behind `ipc(choice, …)`.
fn ipc(choice: u64) -> Option<&'static str> {
    Some(match choice & 0xffff {
        1 => "semop",
        2 => "semget",
        3 => "semctl",
        4 => "semtimedop",
        11 => "msgsnd",
        12 => "msgrcv",
        13 => "msgget",
        14 => "msgctl",
        21 => "shmat",
        22 => "shmdt",
        23 => "shmget",
        24 => "shmctl",
        _ => return None,
    })
}

/// The verdict on a call.
pub fn evaluate(profile: &Profile<'_>, native: Arch, call: &Call) -> u32 {
    let listed = |arch: Arch| arch == native || profile.arches.contains(&arch);
    let arch = match call.token {
        token if token == Arch::X86.token() => Arch::X86,
        token if token == Arch::Arm.token() => Arch::Arm,
        token if token == Arch::Aarch64.token() => Arch::Aarch64,
        token if token != Arch::X86_64.token() => return KILL_THREAD,
        _ if call.number == u32::MAX => Arch::X86_64,
        _ if call.number >= X32_BIT => Arch::X32,
        _ => Arch::X86_64,
    };
    if !listed(arch) {
        return KILL_THREAD;
    }
    let named = || profile.rules.iter().flat_map(|rule| rule.syscalls.iter());
    match named().find(|syscall| syscall.number(arch) == Some(call.number)) {
        Some(syscall) if arch != Arch::X86 => decide(profile, *syscall, arch, call),
        _ if arch == Arch::X86 && ["socketcall", "ipc"].iter().any(|name| is(call, name)) => {
            multiplexed(profile, call)
        }
        Some(syscall) => decide(profile, *syscall, arch, call),
        None => unnamed(profile, arch, call),
    }
}

fn is(call: &Call, name: &str) -> bool {
    Syscall::named(name).and_then(|syscall| syscall.number(Arch::X86)) == Some(call.number)
}

/// A call that no rule names.
fn unnamed(profile: &Profile<'_>, arch: Arch, call: &Call) -> u32 {
    let private = 0xf_0000..0xf_0008;
    let numbers = profile.rules.iter().flat_map(|rule| rule.syscalls.iter());
    let mut largest = numbers.clone().filter_map(|s| s.number(arch)).filter(|n| !private.contains(n)).max();
    if arch == Arch::X86 {
        // The two are known to a profile that decides what they stand for.
        for (name, stands_for) in
            [("socketcall", SOCKETCALL.to_vec()), ("ipc", (0..32).filter_map(ipc).collect())]
        {
            if stands_for.iter().any(|name| refusal_or_always(profile, name).is_some()) {
                largest = largest.max(Syscall::named(name).unwrap().number(arch));
            }
        }
    }
    let default = profile.default.return_value();
    let refuses = !matches!(profile.default, Action::Allow | Action::Log | Action::Trace(_));
    let mut numbers = numbers.filter_map(|syscall| syscall.number(arch));
    let known_private = private.contains(&call.number) && numbers.any(|number| private.contains(&number));
    match largest {
        Some(largest) if refuses && call.number > largest && !known_private => ENOSYS,
        _ => default,
    }
}

fn applicable<'p, 'd>(profile: &'p Profile<'d>, syscall: Syscall) -> impl Iterator<Item = &'p Rule<'d>> {
    profile
        .rules
        .iter()
        .filter(move |rule| rule.action != profile.default && rule.syscalls.contains(&syscall))
}

fn decide(profile: &Profile<'_>, syscall: Syscall, arch: Arch, call: &Call) -> u32 {
    let always = applicable(profile, syscall).find(|rule| rule.conditions.is_empty());
    let matching = || applicable(profile, syscall).find(|rule| matches(rule, arch, call));
    always.or_else(matching).map_or(profile.default, |rule| rule.action).return_value()
}

fn multiplexed(profile: &Profile<'_>, call: &Call) -> u32 {
    let own = Syscall::named(if is(call, "ipc") { "ipc" } else { "socketcall" }).unwrap();
    if let Some(rule) = applicable(profile, own).find(|rule| rule.conditions.is_empty()) {
        return rule.action.return_value();
    }
    if let Some(rule) = applicable(profile, own).find(|rule| matches(rule, Arch::X86, call)) {
        return rule.action.return_value();
    }
    let choice = call.arguments[0] & 0xffff_ffff;
    let name = match is(call, "ipc") {
        true => ipc(choice),
        false => SOCKETCALL.get((choice as usize).wrapping_sub(1)).copied(),
    };
    let decided = name.and_then(|name| refusal_or_always(profile, name));
    // Nothing is said of the call, nor of any that it stands for: then it may be newer than the profile.
    let spoken_of = profile.rules.iter().any(|rule| rule.syscalls.contains(&own));
    match decided {
        Some(action) => action.return_value(),
        None if spoken_of => profile.default.return_value(),
        None => unnamed(profile, Arch::X86, call),
    }
}

fn refusal_or_always(profile: &Profile<'_>, name: &str) -> Option<Action> {
    let syscall = Syscall::named(name).unwrap();
    let always = applicable(profile, syscall).find(|rule| rule.conditions.is_empty());
    let refusal = || {
        applicable(profile, syscall)
            .find(|rule| !matches!(rule.action, Action::Allow | Action::Log | Action::Trace(_)))
    };
    always.or_else(refusal).map(|rule| rule.action)
}

fn matches(rule: &Rule<'_>, arch: Arch, call: &Call) -> bool {
    let mut holding = rule.conditions.iter().map(|condition| holds(condition, arch, call));
    let mut seen = 0u8;
    let repeats = rule.conditions.iter().any(|condition| {
        let repeated = seen >> condition.index() & 1 == 1;
        seen |= 1 << condition.index();
        repeated
    });
    if repeats { holding.any(|holds| holds) } else { holding.all(|holds| holds) }
}

fn holds(condition: &Condition, arch: Arch, call: &Call) -> bool {
    let number = |name| Syscall::named(name).and_then(|syscall| syscall.number(arch));
    let int = |name, ints: &[u32]| number(name) == Some(call.number) && ints.contains(&condition.index());
    let narrow =
        matches!(arch, Arch::X86 | Arch::X32 | Arch::Arm) || INTS.iter().any(|(name, ints)| int(name, ints));
    let kept = if narrow { 0xffff_ffff } else { u64::MAX };
    let argument = call.arguments[condition.index() as usize] & kept;
    let (value, two) = (condition.value() & kept, condition.value_two() & kept);
    match condition.op() {
        Op::Ne => argument != value,
        Op::Lt => argument < value,
        Op::Le => argument <= value,
        Op::Eq => argument == value,
        Op::Ge => argument >= value,
        Op::Gt => argument > value,
        Op::MaskedEq => argument & value == two & value,
    }
}
