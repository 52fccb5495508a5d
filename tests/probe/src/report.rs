//! Everything that the probe sees, as one object.
use crate::attempt::name;
use crate::place::{self, shown, text};
use crate::stat::Stat;
use crate::status::Status;
use crate::{limits, mounts};
use serde_json::{Map, Value, json};

/// The whole report. What cannot be read is `null`, or `{"error": NAME}` where it is a file of its own.
pub fn whole() -> Value {
    let mut report = Map::new();
    // First of all, before any file of ours is open.
    report.insert("descriptors".to_owned(), place::descriptors());
    for part in [status(), process(), place_and_names(), arguments()] {
        if let Value::Object(part) = part {
            report.extend(part);
        }
    }
    Value::Object(report)
}

/// What /proc/self/status says.
fn status() -> Value {
    let text = text("/proc/self/status").unwrap_or_default();
    let status = Status(&text);
    json!({
        "ids": status.ids(),
        "capabilities": status.capabilities(),
        "no_new_privs": status.no_new_privs(),
        "seccomp": status.seccomp(),
        "signals": status.signals(),
        "umask": status.umask(),
    })
}

/// What is told of the process elsewhere in /proc.
fn process() -> Value {
    let stat = text("/proc/self/stat").ok().and_then(|text| Stat::parse(&text));
    let tty = std::fs::File::open("/dev/tty").map_or_else(|error| name(&error), |_| "ok");
    let map = |path: &str| text(path).ok().map(|text| place::rows(&text));
    json!({
        "process": stat.as_ref().map(Stat::process),
        "terminal": { "device": stat.as_ref().and_then(Stat::terminal), "open": tty },
        "scheduler": stat.as_ref().map(Stat::scheduler),
        "limits": text("/proc/self/limits").ok().map(|text| limits::parse(&text)),
        "mounts": text("/proc/self/mountinfo").ok().map(|text| mounts::parse(&text)),
        "oom_score_adj": text("/proc/self/oom_score_adj").ok().and_then(|text| text.parse::<i64>().ok()),
        "personality": shown(text("/proc/self/personality")),
        "uid_map": map("/proc/self/uid_map"),
        "gid_map": map("/proc/self/gid_map"),
        "timens_offsets": text("/proc/self/timens_offsets").ok().map(|text| place::pairs(&text)),
    })
}

/// Where it runs and what that place is called.
fn place_and_names() -> Value {
    let names = sys::system::uname();
    json!({
        "namespaces": place::namespaces(),
        "cgroup": place::cgroup(),
        "hostname": names.nodename().to_string_lossy(),
        "domainname": names.domainname().to_string_lossy(),
        "cwd": place::directory(),
        "devices": place::devices(),
    })
}

/// What execve brought.
fn arguments() -> Value {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let environment = std::env::vars_os().map(|(key, value)| (lossy(key), Value::from(lossy(value))));
    json!({
        "argv": std::env::args_os().map(lossy).collect::<Vec<_>>(),
        "environment": environment.collect::<Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_every_part() {
        let report = whole();
        for part in [
            "argv",
            "capabilities",
            "cgroup",
            "cwd",
            "descriptors",
            "devices",
            "domainname",
            "environment",
            "gid_map",
            "hostname",
            "ids",
            "limits",
            "mounts",
            "namespaces",
            "no_new_privs",
            "oom_score_adj",
            "personality",
            "process",
            "scheduler",
            "seccomp",
            "signals",
            "terminal",
            "timens_offsets",
            "uid_map",
            "umask",
        ] {
            assert!(!report[part].is_null(), "{part}");
        }
        assert_eq!(report["process"]["pid"], std::process::id());
        assert_eq!(report["cwd"]["reachable"], true);
        assert_eq!(report["ids"]["euid"], sys::process::geteuid().as_raw());
    }
}
