//! Signals by name and number.

/// A signal that can be sent: 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignalNumber(u8);

/// Signals 1 to 31 without SIG, as signal(7) spells them.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The first real-time signal that programs may use: the C library keeps 32 and 33 to itself.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

impl SignalNumber {
    /// SIGHUP
    pub const HUP: Self = Self(1);
    /// SIGKILL
    pub const KILL: Self = Self(9);
    /// SIGTERM
    pub const TERM: Self = Self(15);

    /// A number, where it is one of a signal.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| (1..=RTMAX).contains(number)).map(Self)
    }

    /// `TERM`, `SIGTERM`, `RTMIN+3`, `RTMAX-1` or a number, in any letter case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 16 {
            return None;
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let offset = |digits: &str| match digits.as_bytes() {
            [] => Some(0),
            [b'+' | b'-', first, ..] if first.is_ascii_digit() => {
                digits.get(1..)?.parse::<u64>().ok()?.try_into().ok()
            }
            _ => None,
        };
        if let Some(up) = name.strip_prefix("RTMIN") {
            let number = RTMIN.checked_add(offset(up).filter(|_| !up.starts_with('-'))?)?;
            return Self::new(u64::from(number));
        }
        if let Some(down) = name.strip_prefix("RTMAX") {
            let number = RTMAX.checked_sub(offset(down).filter(|_| !down.starts_with('+'))?)?;
            return Self::new(u64::from(number)).filter(|signal| signal.0 >= RTMIN);
        }
        let named = NAMES.iter().position(|known| *known == name).map(|index| index as u64 + 1);
        let alias = match name {
            "POLL" => Some(29),
            "CLD" => Some(17),
            "IOT" => Some(6),
            _ => None,
        };
        let digits = (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse().ok())
            .flatten();
        named.or(alias).or(digits).and_then(Self::new)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0 as i32
    }

    /// The name of signals 1 to 31, without SIG.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES.get(usize::from(self.0) - 1).copied()
    }
}
