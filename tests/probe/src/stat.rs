//! /proc/PID/stat (proc_pid_stat(5)): family, terminal, scheduling.
use serde_json::{Value, json};

/// The fields from the third on; the second, the command, may hold anything.
pub struct Stat(Vec<i64>, i64);

impl Stat {
    /// Reads the line.
    pub fn parse(text: &str) -> Option<Stat> {
        let pid = text.split_once(' ')?.0.parse().ok()?;
        let rest = text.rsplit_once(") ")?.1;
        // The state is a letter, and some fields are larger than 63 bits: none of them is asked for.
        Some(Stat(rest.split_ascii_whitespace().map(|word| word.parse().unwrap_or(0)).collect(), pid))
    }

    /// Field of a number as the manual page counts.
    fn field(&self, number: usize) -> Option<i64> {
        self.0.get(number - 3).copied()
    }

    /// Process, parent, process group and session. 0 is one outside of the pid namespace.
    pub fn process(&self) -> Value {
        json!({ "pid": self.1, "ppid": self.field(4), "pgid": self.field(5), "sid": self.field(6) })
    }

    /// The controlling terminal as `major:minor`.
    pub fn terminal(&self) -> Option<String> {
        let number = self.field(7).filter(|number| *number != 0)?;
        let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xf_ff00));
        Some(format!("{major}:{minor}"))
    }

    /// Policy, nice value and real-time priority.
    pub fn scheduler(&self) -> Value {
        let policy = self.field(41).map(|policy| match policy {
            0 => "SCHED_OTHER",
            1 => "SCHED_FIFO",
            2 => "SCHED_RR",
            3 => "SCHED_BATCH",
            5 => "SCHED_IDLE",
            6 => "SCHED_DEADLINE",
            7 => "SCHED_EXT",
            _ => "unknown",
        });
        json!({ "policy": policy, "nice": self.field(19), "priority": self.field(40) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "10 (a) b) R 1 2 3 34817 2 0 0 0 0 0 0 0 0 0 20 -5 1 0 99 0 0 18446744073709551615 \
                        0 0 0 0 0 0 0 0 0 0 0 0 17 0 7 1 0 0 0";

    #[test]
    fn fields_are_counted_behind_the_command() {
        let stat = Stat::parse(LINE).expect("a stat");
        assert_eq!(stat.process(), json!({ "pid": 10, "ppid": 1, "pgid": 2, "sid": 3 }));
        assert_eq!(stat.terminal().as_deref(), Some("136:1"));
        assert_eq!(stat.scheduler(), json!({ "policy": "SCHED_FIFO", "nice": -5, "priority": 7 }));
    }

    #[test]
    fn no_terminal_is_none() {
        assert_eq!(Stat::parse(&LINE.replace("34817", "0")).expect("a stat").terminal(), None);
        assert!(Stat::parse("10 (a").is_none());
    }
}
