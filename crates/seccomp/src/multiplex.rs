//! The two calls of 32-bit x86 that stand for many: `socketcall(2)` and `ipc(2)`. What a profile says of
//! `socket` has to hold for `socketcall(SYS_SOCKET, …)` too, or denying the one would open the other.

use crate::verdicts::{Mention, Verdict, Verdicts};
use crate::{Action, Condition, Op, Profile, Syscall};

/// A call that stands for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Multiplexer {
    Socketcall,
    Ipc,
}

/// Both of them.
pub(crate) const MULTIPLEXERS: [Multiplexer; 2] = [Multiplexer::Socketcall, Multiplexer::Ipc];

/// `linux/net.h`
static SOCKETCALL: [(Syscall, u32); 20] = [
    (known("socket"), 1),
    (known("bind"), 2),
    (known("connect"), 3),
    (known("listen"), 4),
    (known("accept"), 5),
    (known("getsockname"), 6),
    (known("getpeername"), 7),
    (known("socketpair"), 8),
    (known("send"), 9),
    (known("recv"), 10),
    (known("sendto"), 11),
    (known("recvfrom"), 12),
    (known("shutdown"), 13),
    (known("setsockopt"), 14),
    (known("getsockopt"), 15),
    (known("sendmsg"), 16),
    (known("recvmsg"), 17),
    (known("accept4"), 18),
    (known("recvmmsg"), 19),
    (known("sendmmsg"), 20),
];

/// `linux/ipc.h`
static IPC: [(Syscall, u32); 12] = [
    (known("semop"), 1),
    (known("semget"), 2),
    (known("semctl"), 3),
    (known("semtimedop"), 4),
    (known("msgsnd"), 11),
    (known("msgrcv"), 12),
    (known("msgget"), 13),
    (known("msgctl"), 14),
    (known("shmat"), 21),
    (known("shmdt"), 22),
    (known("shmget"), 23),
    (known("shmctl"), 24),
];

/// Compilation stops if the table has no such name.
const fn known(name: &str) -> Syscall {
    Syscall::named(name).expect("a name of the table")
}

impl Multiplexer {
    /// The call itself.
    pub(crate) const fn syscall(self) -> Syscall {
        match self {
            Self::Socketcall => const { known("socketcall") },
            Self::Ipc => const { known("ipc") },
        }
    }

    /// What it stands for, with the value that chooses it.
    const fn choices(self) -> &'static [(Syscall, u32)] {
        match self {
            Self::Socketcall => &SOCKETCALL,
            Self::Ipc => &IPC,
        }
    }

    /// The choices whose fate differs from the default, with the value that chooses them.
    ///
    /// Conditions cannot be checked here, since the arguments lie in memory: a conditional rule that
    /// refuses does so for every argument, one that allows does not count.
    pub(crate) fn decided<'a>(
        self,
        profile: &'a Profile<'_>,
        verdicts: &'a Verdicts,
    ) -> impl Iterator<Item = (u32, u32)> + 'a {
        self.choices().iter().filter_map(|(syscall, choice)| match verdicts.get(*syscall) {
            Mention::Decided(Verdict::Return(verdict)) => Some((*choice, verdict)),
            Mention::Decided(Verdict::Chain(last, _)) => {
                verdicts.refusal(profile, last).map(Action::return_value).map(|verdict| (*choice, verdict))
            }
            _ => None,
        })
    }

    /// The condition that chooses `choice`.
    pub(crate) const fn chosen(self, choice: u32) -> Condition {
        let mask = match self {
            Self::Socketcall => 0xffff_ffff,
            // The kernel keeps a version in the upper half and takes the choice from the lower one.
            Self::Ipc => 0xffff,
        };
        Condition::on(0, Op::MaskedEq, mask, choice as u64)
    }

    /// Whether the profile leaves the call itself open, so that its choices decide.
    pub(crate) fn is_open(self, verdicts: &Verdicts) -> bool {
        !matches!(verdicts.get(self.syscall()), Mention::Decided(Verdict::Return(_)))
    }
}
