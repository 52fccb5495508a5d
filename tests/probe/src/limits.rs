//! /proc/PID/limits (proc_pid_limits(5)).
use serde_json::{Map, Value, json};

/// The file's own words and the names of getrlimit(2).
const NAMES: [(&str, &str); 16] = [
    ("Max cpu time", "RLIMIT_CPU"),
    ("Max file size", "RLIMIT_FSIZE"),
    ("Max data size", "RLIMIT_DATA"),
    ("Max stack size", "RLIMIT_STACK"),
    ("Max core file size", "RLIMIT_CORE"),
    ("Max resident set", "RLIMIT_RSS"),
    ("Max processes", "RLIMIT_NPROC"),
    ("Max open files", "RLIMIT_NOFILE"),
    ("Max locked memory", "RLIMIT_MEMLOCK"),
    ("Max address space", "RLIMIT_AS"),
    ("Max file locks", "RLIMIT_LOCKS"),
    ("Max pending signals", "RLIMIT_SIGPENDING"),
    ("Max msgqueue size", "RLIMIT_MSGQUEUE"),
    ("Max nice priority", "RLIMIT_NICE"),
    ("Max realtime priority", "RLIMIT_RTPRIO"),
    ("Max realtime timeout", "RLIMIT_RTTIME"),
];

/// Soft and hard limit by name; `null` is unlimited.
pub fn parse(text: &str) -> Value {
    let limit = |(words, name): &(&str, &str)| {
        let line = text.lines().find_map(|line| line.strip_prefix(words)?.strip_prefix(' '))?;
        let mut values = line.split_ascii_whitespace().map(|word| word.parse::<u64>().ok());
        Some((name.to_string(), json!({ "soft": values.next()?, "hard": values.next()? })))
    };
    Value::Object(NAMES.iter().filter_map(limit).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_their_names_and_null_is_unlimited() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 1048576              files     \n\
                    Max cpu time              unlimited            unlimited            seconds   \n";
        assert_eq!(
            parse(text),
            json!({
                "RLIMIT_NOFILE": { "soft": 1024, "hard": 1_048_576 },
                "RLIMIT_CPU": { "soft": null, "hard": null },
            })
        );
    }

    #[test]
    fn the_kernel_has_all_sixteen() {
        let text = std::fs::read_to_string("/proc/self/limits").expect("/proc");
        assert_eq!(parse(&text).as_object().map(Map::len), Some(16));
    }
}
