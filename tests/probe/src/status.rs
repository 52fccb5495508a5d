//! /proc/PID/status: ids, capabilities, signals, seccomp.
use serde_json::{Value, json};
use sys::privilege::Capabilities;

/// Signals that Rust's start-up ignores (SIGPIPE) before this program can look.
const IGNORED_BY_START: u64 = 1 << (13 - 1);
/// Signals that Rust's start-up catches (SIGBUS, SIGSEGV). No program begins with signals caught.
const CAUGHT_BY_START: u64 = 1 << (7 - 1) | 1 << (11 - 1);

/// The text of a status file.
pub struct Status<'a>(pub &'a str);

impl<'a> Status<'a> {
    /// What stands behind `key:`.
    fn field(&self, key: &str) -> Option<&'a str> {
        self.0.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
    }

    fn numbers(&self, key: &str) -> Vec<u64> {
        self.field(key).unwrap_or("").split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
    }

    fn hex(&self, key: &str) -> Option<u64> {
        u64::from_str_radix(self.field(key)?, 16).ok()
    }

    /// Real, effective, saved and file system ids, and the supplementary groups.
    pub fn ids(&self) -> Value {
        let (users, groups) = (self.numbers("Uid"), self.numbers("Gid"));
        json!({
            "ruid": users.first(), "euid": users.get(1), "suid": users.get(2), "fsuid": users.get(3),
            "rgid": groups.first(), "egid": groups.get(1), "sgid": groups.get(2), "fsgid": groups.get(3),
            "groups": self.numbers("Groups"),
        })
    }

    /// The five sets, each as the kernel prints it and by names.
    pub fn capabilities(&self) -> Value {
        let set = |key: &str| {
            let names = |bits| Capabilities(bits).names().collect::<Vec<_>>();
            json!({ "hex": self.field(key), "names": self.hex(key).map(names) })
        };
        json!({
            "inheritable": set("CapInh"), "permitted": set("CapPrm"), "effective": set("CapEff"),
            "bounding": set("CapBnd"), "ambient": set("CapAmb"),
        })
    }

    /// Whether execve can give no new privileges any more.
    pub fn no_new_privs(&self) -> Option<bool> {
        self.field("NoNewPrivs").map(|word| word == "1")
    }

    /// The mode in words, and the number of filters (Linux 5.9).
    pub fn seccomp(&self) -> Value {
        let mode = self.field("Seccomp").map(|mode| match mode {
            "0" => "disabled",
            "1" => "strict",
            "2" => "filter",
            other => other,
        });
        json!({ "mode": mode, "filters": self.numbers("Seccomp_filters").first() })
    }

    /// The numbers of the signals that are blocked, ignored and caught, without what Rust's start-up did: an
    /// ignored SIGPIPE that was inherited cannot be told from that.
    pub fn signals(&self) -> Value {
        let set = |key: &str, without: u64| self.hex(key).map(|bits| signals(bits & !without));
        json!({
            "blocked": set("SigBlk", 0),
            "ignored": set("SigIgn", IGNORED_BY_START),
            "caught": set("SigCgt", CAUGHT_BY_START),
        })
    }

    /// The mask for new files, in octal.
    pub fn umask(&self) -> Option<&'a str> {
        self.field("Umask")
    }
}

/// The numbers of the signals in a mask.
fn signals(mask: u64) -> Vec<u32> {
    (1..=64).filter(|number| mask >> (number - 1) & 1 == 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name:\tx\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n\
        SigBlk:\t0000000000000001\nSigIgn:\t0000000000001002\nSigCgt:\t0000000000000440\n\
        CapInh:\t0000000000000000\nCapPrm:\t0000000000000021\nCapAmb:\t0000000000000000\n\
        NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";

    #[test]
    fn four_ids_of_each_kind_and_the_groups_are_read() {
        let ids = Status(TEXT).ids();
        assert_eq!(
            (&ids["ruid"], &ids["euid"], &ids["suid"], &ids["fsuid"]),
            (&json!(1), &json!(2), &json!(3), &json!(4))
        );
        assert_eq!((&ids["rgid"], &ids["fsgid"], &ids["groups"]), (&json!(5), &json!(8), &json!([9, 10])));
    }

    #[test]
    fn capabilities_have_names() {
        let sets = Status(TEXT).capabilities();
        assert_eq!(sets["permitted"]["names"], json!(["CAP_CHOWN", "CAP_KILL"]));
        assert_eq!(sets["permitted"]["hex"], "0000000000000021");
        assert_eq!(sets["inheritable"]["names"], json!([]));
        assert_eq!(sets["bounding"]["names"], Value::Null, "not there is not empty");
    }

    #[test]
    fn signals_are_numbers_without_those_of_start_up() {
        let signals = Status(TEXT).signals();
        assert_eq!(signals["blocked"], json!([1]));
        assert_eq!(signals["ignored"], json!([2]));
        assert_eq!(signals["caught"], json!([]));
    }

    #[test]
    fn restrictions_are_read() {
        let status = Status(TEXT);
        assert_eq!(status.no_new_privs(), Some(true));
        assert_eq!(status.seccomp(), json!({ "mode": "filter", "filters": 3 }));
        assert_eq!(status.umask(), Some("0022"));
        assert_eq!(Status("").no_new_privs(), None);
    }
}
