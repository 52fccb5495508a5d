//! /proc/PID/mountinfo (proc_pid_mountinfo(5)).
use serde_json::{Value, json};

/// One mount for each line, in the order of the file; a line of another form is passed over.
pub fn parse(text: &str) -> Vec<Value> {
    text.lines().filter_map(mount).collect()
}

/// Reads `36 35 98:0 /root /target rw,noatime shared:1 - ext3 /dev/root rw,errors=continue`.
fn mount(line: &str) -> Option<Value> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let [id, parent, device, root, target, options, propagation @ ..] = left.as_slice() else { return None };
    let mut right = right.splitn(3, ' ');
    let list = |text: &str| text.split(',').map(unescape).collect::<Vec<_>>();
    Some(json!({
        "id": id.parse::<u64>().ok()?,
        "parent": parent.parse::<u64>().ok()?,
        "device": device,
        "root": unescape(root),
        "target": unescape(target),
        "options": list(options),
        // Empty for a private mount.
        "propagation": propagation.iter().filter(|word| !word.is_empty()).collect::<Vec<_>>(),
        "kind": right.next()?,
        "source": unescape(right.next()?),
        "super_options": list(right.next().unwrap_or("")),
    }))
}

/// Undoes the octal escapes of space, tab, newline and backslash.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_a_mount() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue";
        assert_eq!(
            parse(line),
            [json!({
                "id": 36, "parent": 35, "device": "98:0", "root": "/mnt1", "target": "/mnt2",
                "options": ["rw", "noatime"], "propagation": ["master:1", "shared:2"], "kind": "ext3",
                "source": "/dev/root", "super_options": ["rw", "errors=continue"],
            })]
        );
    }

    #[test]
    fn a_private_mount_has_no_propagation_and_escapes_are_undone() {
        let mounts = parse("1 2 0:3 / /a\\040b\\134c ro - tmpfs none rw\nnonsense\n");
        assert_eq!(mounts.len(), 1);
        assert_eq!((&mounts[0]["target"], &mounts[0]["propagation"]), (&json!("/a b\\c"), &json!([])));
        assert_eq!(unescape("\\04"), "\\04");
    }
}
