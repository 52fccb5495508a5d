//! Values of options: one parser for each, strict, with errors that show what would be right.

use oci::spec::{Mount, Rlimit};

use crate::Failure;

/// `SRC:DST[:OPTS]`
pub fn bind(text: &str) -> Result<Mount, Failure> {
    let wrong = |why: &str| Failure::usage(format!("--bind {text:?}: {why}; as in /data:/data:ro,nosuid"));
    let mut parts = text.splitn(3, ':');
    let (source, destination) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    if !source.starts_with(['/', '.']) {
        return Err(wrong("the source is a path that starts with / or ."));
    }
    if !destination.starts_with('/') {
        return Err(wrong("the destination is an absolute path"));
    }
    let mut options = vec![String::from("rbind")];
    for option in parts.next().unwrap_or("").split(',').filter(|option| !option.is_empty()) {
        let known =
            ["ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "bind", "rbind", "noatime"];
        let propagation = ["private", "rprivate", "slave", "rslave", "shared", "rshared"];
        if !known.contains(&option) && !propagation.contains(&option) {
            return Err(wrong(&format!("no option {option:?}")));
        }
        options.push(option.into());
    }
    // A device of the host is shown by --device alone.
    if !options.iter().any(|option| option == "dev") {
        options.push(String::from("nodev"));
    }
    // The child's working directory is another one.
    let source =
        std::path::absolute(source).map_err(|error| Failure::io(format!("--bind {text:?}"), &error))?;
    let source = source.into_os_string().into_string().map_err(|_| wrong("not UTF-8"))?;
    let destination = destination.into();
    Ok(Mount { destination, kind: String::from("bind"), source, options, ..Mount::default() })
}

/// `DST[:OPTS]`
pub fn tmpfs(text: &str) -> Result<Mount, Failure> {
    let (destination, options) = text.split_once(':').unwrap_or((text, ""));
    if !destination.starts_with('/') {
        let why = "the destination is an absolute path; as in /tmp:size=64m,mode=1777";
        return Err(Failure::usage(format!("--tmpfs {text:?}: {why}")));
    }
    for (option, value) in options.split(',').filter_map(|option| option.split_once('=')) {
        if let Some(what) = tmpfs_needs(option, value) {
            let why = format!("{option}={value}: {what}; as in /tmp:size=64m,mode=1777");
            return Err(Failure::usage(format!("--tmpfs {text:?}: {why}")));
        }
    }
    let mut all = vec![String::from("nosuid"), String::from("nodev")];
    all.extend(options.split(',').filter(|option| !option.is_empty()).map(String::from));
    let kind = String::from("tmpfs");
    Ok(Mount {
        destination: destination.into(),
        source: kind.clone(),
        kind,
        options: all,
        ..Mount::default()
    })
}

/// What an option of tmpfs(5) has to be that is not; of those that are not known here the kernel decides.
fn tmpfs_needs(option: &str, value: &str) -> Option<&'static str> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let has_unit = |text: &str, units: &[char]| is_number(text.strip_suffix(units).unwrap_or(text));
    let units = ['k', 'K', 'm', 'M', 'g', 'G', 't', 'T', 'p', 'P', 'e', 'E'];
    match option {
        "size" if !has_unit(value, &units) && !has_unit(value, &['%']) => {
            Some("a size is a number of bytes, or one with k, m, g or %")
        }
        "nr_blocks" | "nr_inodes" if !has_unit(value, &units) => {
            Some("it is a number, or one with k, m or g")
        }
        "uid" | "gid" if !is_number(value) || value.parse::<u32>().is_err() => {
            Some("it is the number of an id")
        }
        "mode"
            if value.is_empty()
                || value.len() > 5
                || !value.bytes().all(|byte| matches!(byte, b'0'..=b'7')) =>
        {
            Some("a mode is an octal number")
        }
        _ => None,
    }
}

/// `NAME=SOFT[:HARD]`; a name without `RLIMIT_`, in any case; `unlimited` or a number.
pub fn rlimit(text: &str) -> Result<Rlimit, Failure> {
    let wrong = |why: &str| Failure::usage(format!("--rlimit {text:?}: {why}; as in nofile=1024:4096"));
    let (name, bounds) = text.split_once('=').ok_or_else(|| wrong("no = in it"))?;
    let (soft, hard) = bounds.split_once(':').unwrap_or((bounds, bounds));
    let bound = |text: &str| match text {
        "unlimited" | "-1" => Ok(u64::MAX),
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            number.parse().map_err(|_| wrong(&format!("{number:?} is not a number of this size")))
        }
        other => Err(wrong(&format!("{other:?} is no number"))),
    };
    let short = name.to_ascii_uppercase();
    let short = short.strip_prefix("RLIMIT_").unwrap_or(&short);
    let limit = Rlimit { kind: format!("RLIMIT_{short}"), soft: bound(soft)?, hard: bound(hard)? };
    if !oci::is_resource(&limit.kind) {
        return Err(wrong(&format!("{short} is no resource limit of getrlimit(2)")));
    }
    if limit.soft > limit.hard {
        return Err(wrong(&format!("the soft limit {soft} is above the hard limit {hard}")));
    }
    Ok(limit)
}

/// `SRC[:DST]`
pub fn device(text: &str) -> Result<(String, String), Failure> {
    let mut parts = text.split(':');
    let source = parts.next().unwrap_or("");
    let target = parts.next().unwrap_or(source);
    let wrong = |why: &str| Err(Failure::usage(format!("--device {text:?}: {why}; as in /dev/fuse")));
    match parts.next() {
        Some("rwm" | "rw") | None => {}
        Some(_) => return wrong("a device is given whole, access cannot be limited"),
    }
    if !source.starts_with("/dev/") || !target.starts_with("/dev/") {
        return wrong("a device is a path below /dev");
    }
    Ok((source.into(), target.into()))
}

/// A host name (hostname(7)): at most 64 bytes of letters, digits, `-` and `.`, as a resolver takes them.
pub fn hostname(text: &str) -> Result<String, Failure> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) || text.starts_with(['-', '.']) {
        let why = "1 to 64 letters, digits, - . _, not beginning with - or .";
        return Err(Failure::usage(format!("--hostname {text:?}: {why}")));
    }
    Ok(text.into())
}

/// A container's id.
pub fn id(text: &str) -> Result<String, Failure> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+.-".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) || text.starts_with(['.', '-']) {
        let why = "1 to 64 letters, digits, _ + . -, not beginning with . or -";
        return Err(Failure::usage(format!("--id {text:?}: {why}")));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_tmpfs_are_what_the_kernel_takes() {
        for text in
            ["/x", "/x:size=64m,mode=1777", "/x:size=50%,nr_inodes=1k,uid=0,gid=4,ro", "/x:huge=never"]
        {
            assert!(tmpfs(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_bind_has_no_devices_unless_asked_for() {
        assert_eq!(bind("/a:/b:ro").unwrap().options, ["rbind", "ro", "nodev"]);
        assert_eq!(bind("./a:/b:dev").unwrap().options, ["rbind", "dev"]);
    }

    #[test]
    fn what_is_wrong_with_a_value_is_said() {
        for (result, part) in [
            (bind("a:/b").map(drop), "starts with / or ."),
            (bind("/a").map(drop), "absolute"),
            (bind("/a:/b:nope").map(drop), "\"nope\""),
            (tmpfs("tmp").map(drop), "absolute"),
            (tmpfs("/x:size=huge").map(drop), "size=huge: a size is a number of bytes"),
            (tmpfs("/x:size=").map(drop), "a size is"),
            (tmpfs("/x:mode=9").map(drop), "octal"),
            (tmpfs("/x:nr_inodes=%").map(drop), "it is a number"),
            (tmpfs("/x:uid=root").map(drop), "number of an id"),
            (rlimit("bogus=1").map(drop), "BOGUS is no resource limit"),
            (rlimit("nofile=10:5").map(drop), "the soft limit 10 is above the hard limit 5"),
            (rlimit("nofile=unlimited:5").map(drop), "the soft limit unlimited is above"),
            (rlimit("nofile").map(drop), "no ="),
            (rlimit("nofile=x").map(drop), "\"x\" is no number"),
            (rlimit("nofile=99999999999999999999").map(drop), "of this size"),
            (device("/etc/passwd").map(drop), "below /dev"),
            (device("/dev/null:/dev/null:r").map(drop), "whole"),
            (hostname("-x").map(drop), "not beginning"),
            (id("../x").map(drop), "not beginning"),
            (id(&"x".repeat(65)).map(drop), "1 to 64"),
        ] {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(part), "{error} does not say {part}");
        }
    }
}
