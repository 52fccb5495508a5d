//! The peers' bundle: what `husk run ROOTFS /bin/true` gives by default, said in OCI's words.

use serde_json::{Map, Value, json};

use crate::Result;

/// Docker's default capabilities.
const CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Docker's masked paths.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Docker's read-only paths.
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The config.json of the bundle that runs `program`. No network namespace, because `husk run` shares the host's network by
/// default; everything else as Docker has it.
pub fn config(program: &str, seccomp: Option<Value>) -> Value {
    let mut linux = json!({
        "namespaces": [
            { "type": "mount" }, { "type": "pid" }, { "type": "uts" }, { "type": "ipc" }, { "type": "cgroup" },
        ],
        "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
        "maskedPaths": MASKED,
        "readonlyPaths": READ_ONLY,
    });
    if let Some(seccomp) = seccomp {
        linux["seccomp"] = seccomp;
    }
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "args": [program],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {
                "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES,
            },
            "noNewPrivileges": true,
        },
        "root": { "path": "/bench/rootfs" },
        "hostname": "bench",
        "mounts": mounts(),
        "linux": linux,
    })
}

fn mounts() -> Value {
    json!([
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
        ),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ])
}

fn mount(destination: &str, kind: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": kind, "source": kind, "options": options })
}

/// Turns Docker's profile, whose rules depend on capabilities and architecture, into the fixed one of
/// runtime-spec ("seccomp" in config-linux.md) for x86-64 and the capabilities above.
///
/// A rule's `minKernel` always holds: every kernel in question is newer than 4.8, the only one asked for.
pub fn resolve_profile(profile: &str) -> Result<Value> {
    let profile: Value =
        serde_json::from_str(profile).map_err(|why| format!("Docker's seccomp profile: {why}"))?;
    let rules = profile["syscalls"].as_array().ok_or("Docker's seccomp profile: has no list syscalls")?;
    let rules: Vec<Value> = rules.iter().filter(|rule| applies(rule)).map(as_runtime_rule).collect();
    Ok(json!({
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    }))
}

fn applies(rule: &Value) -> bool {
    let strings = |condition: &str, key: &str| -> Vec<&str> {
        rule[condition][key]
            .as_array()
            .map(|all| all.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    };
    let included = strings("includes", "arches");
    (included.is_empty() || included.contains(&"amd64"))
        && strings("includes", "caps").iter().all(|name| CAPABILITIES.contains(name))
        && !strings("excludes", "arches").contains(&"amd64")
        && !strings("excludes", "caps").iter().any(|name| CAPABILITIES.contains(name))
}

fn as_runtime_rule(rule: &Value) -> Value {
    let mut kept = Map::new();
    for key in ["names", "action", "errnoRet", "args"] {
        if let Some(value) = rule.get(key) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(profile: Value) -> Vec<String> {
        let resolved = resolve_profile(&profile.to_string()).unwrap();
        let rules = resolved["syscalls"].as_array().unwrap();
        rules.iter().map(|rule| rule["names"][0].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_rule_for_a_capability_or_an_architecture_that_is_not_ours_goes() {
        let kept = names(json!({ "syscalls": [
            { "names": ["read"], "action": "SCMP_ACT_ALLOW" },
            { "names": ["arch_prctl"], "includes": { "arches": ["amd64", "x32"] } },
            { "names": ["breakpoint"], "includes": { "arches": ["arm", "arm64"] } },
            { "names": ["chroot"], "includes": { "caps": ["CAP_SYS_CHROOT"] } },
            { "names": ["mount"], "includes": { "caps": ["CAP_SYS_ADMIN"] } },
            { "names": ["clone3"], "excludes": { "caps": ["CAP_SYS_ADMIN"] } },
            { "names": ["kill"], "excludes": { "caps": ["CAP_KILL"] } },
        ] }));
        assert_eq!(kept, ["read", "arch_prctl", "chroot", "clone3"]);
    }

    #[test]
    fn a_rule_keeps_what_the_runtime_spec_knows_and_nothing_else() {
        let rule = json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "comment": "x" });
        assert_eq!(
            as_runtime_rule(&rule),
            json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 })
        );
    }

    #[test]
    fn only_the_bundle_that_asks_for_it_has_seccomp() {
        assert!(config("/bin/true", None)["linux"].get("seccomp").is_none());
        assert_eq!(config("/bin/true", Some(json!({ "a": 1 })))["linux"]["seccomp"], json!({ "a": 1 }));
    }
}
