//! Where the program is: descriptors, namespaces, cgroup, devices, directory.
use crate::attempt::name;
use serde_json::{Map, Value, json};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use sys::fs::{major, minor};

/// The text of a file without its last newline; the name of the error where it cannot be read.
pub fn text(path: &str) -> Result<String, &'static str> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned()),
        Err(error) => Err(name(&error)),
    }
}

/// A text as JSON, or `{"error": "ENOENT"}`.
pub fn shown(text: Result<String, &'static str>) -> Value {
    text.map_or_else(|error| json!({ "error": error }), Value::from)
}

/// The open descriptors with what they lead to, without the one that lists them. Rust's start-up opens
/// /dev/null for each of the first three that was closed.
pub fn descriptors() -> Value {
    let path = "/proc/self/fd";
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return json!({ "error": name(&error) }),
    };
    let numbers: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    // The listing is closed by now, so that its own descriptor leads nowhere.
    let link = |number: String| {
        let target = fs::read_link(format!("{path}/{number}")).ok()?;
        Some((number, Value::from(target.to_string_lossy())))
    };
    Value::Object(numbers.into_iter().filter_map(link).collect::<Map<_, _>>())
}

/// The namespaces by name with their inode numbers.
pub fn namespaces() -> Value {
    let names = [
        "cgroup",
        "ipc",
        "mnt",
        "net",
        "pid",
        "pid_for_children",
        "time",
        "time_for_children",
        "user",
        "uts",
    ];
    let inode = |name: &&str| {
        let inode = fs::metadata(format!("/proc/self/ns/{name}")).ok()?.ino();
        Some((name.to_string(), Value::from(inode)))
    };
    Value::Object(names.iter().filter_map(inode).collect::<Map<_, _>>())
}

/// The cgroup v2 path, and the limits of that group as far as they can be seen below /sys/fs/cgroup.
pub fn cgroup() -> Value {
    let path = text("/proc/self/cgroup").ok().and_then(|text| cgroup_path(&text).map(str::to_owned));
    let mut seen = Map::from_iter([("path".to_owned(), json!(path))]);
    for file in ["memory.max", "cpu.max", "pids.max", "cpuset.cpus", "io.weight"] {
        let value = text(&format!("/sys/fs/cgroup{}/{file}", path.as_deref().unwrap_or_default()));
        seen.insert(file.to_owned(), json!(value.ok()));
    }
    Value::Object(seen)
}

/// The path in the line of version 2.
fn cgroup_path(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// What is in /dev, by name: kind, and the numbers of devices.
pub fn devices() -> Value {
    let entries = match fs::read_dir("/dev") {
        Ok(entries) => entries,
        Err(error) => return json!({ "error": name(&error) }),
    };
    let device = |entry: fs::DirEntry| {
        let found = entry.metadata().ok()?;
        let kind = found.file_type();
        let mode = format!("{:04o}", found.mode() & 0o7777);
        let mut line = json!({ "mode": mode, "uid": found.uid(), "gid": found.gid() });
        line["kind"] = json!(match () {
            () if kind.is_char_device() => "char",
            () if kind.is_block_device() => "block",
            () if kind.is_symlink() => "link",
            () if kind.is_dir() => "directory",
            () if kind.is_fifo() => "fifo",
            () if kind.is_socket() => "socket",
            () => "file",
        });
        if kind.is_char_device() || kind.is_block_device() {
            line["major"] = json!(major(found.rdev()));
            line["minor"] = json!(minor(found.rdev()));
        }
        if kind.is_symlink() {
            line["target"] = json!(fs::read_link(entry.path()).ok()?.to_string_lossy());
        }
        Some((entry.file_name().to_string_lossy().into_owned(), line))
    };
    Value::Object(entries.flatten().filter_map(device).collect::<Map<_, _>>())
}

/// The working directory. The kernel puts `(unreachable)` before one that is outside of the root
/// (CVE-2024-21626 began with such a one).
pub fn directory() -> Value {
    match sys::process::getcwd(Vec::new()) {
        Ok(path) => {
            let path = path.to_string_lossy().into_owned();
            json!({ "path": path, "reachable": path.starts_with('/') })
        }
        Err(errno) => json!({ "error": sys::strerror::name(errno), "reachable": false }),
    }
}

/// Rows of numbers, as uid_map and gid_map have them.
pub fn rows(text: &str) -> Vec<Vec<u64>> {
    text.lines()
        .map(|line| line.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect())
        .collect()
}

/// Pairs of a word and the rest of the line, as timens_offsets has them.
pub fn pairs(text: &str) -> Value {
    let pair = |line: &str| {
        let (key, rest) = line.split_once(char::is_whitespace)?;
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some((
            key.to_owned(),
            json!(words.iter().map(|word| word.parse().unwrap_or(0i64)).collect::<Vec<_>>()),
        ))
    };
    Value::Object(text.lines().filter_map(pair).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_and_offsets_are_read() {
        assert_eq!(
            rows("         0       1000          1\n 1 100000 65536\n"),
            [[0, 1000, 1], [1, 100_000, 65_536]]
        );
        assert_eq!(
            pairs("monotonic           0         0\nboottime          -5         7\n"),
            json!({ "monotonic": [0, 0], "boottime": [-5, 7] })
        );
    }

    #[test]
    fn the_path_of_version_2_is_picked() {
        assert_eq!(cgroup_path("4:memory:/a\n0::/b\n"), Some("/b"));
        assert_eq!(cgroup_path("4:memory:/a\n"), None);
    }

    #[test]
    fn the_listing_itself_is_no_descriptor() {
        let found = descriptors();
        let targets: Vec<_> = found.as_object().expect("descriptors").values().collect();
        assert!(targets.iter().all(|target| !target.as_str().expect("text").ends_with("/fd")), "{targets:?}");
        assert!(found.get("1").is_some());
    }

    #[test]
    fn devices_have_their_numbers() {
        let null = &devices()["null"];
        assert_eq!((&null["kind"], &null["major"], &null["minor"]), (&json!("char"), &json!(1), &json!(3)));
    }
}
