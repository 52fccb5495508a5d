//! Mount options as mount(8) and the specification have them.

use sys::mounts::{Attributes, Depth, Propagation};

/// What a list of options comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Attributes of the mount to set.
    pub set: Attributes,
    /// Attributes of the mount to clear.
    pub clear: Attributes,
    /// A bind, and how deep.
    pub bind: Option<Depth>,
    /// Propagation.
    pub propagation: Option<Propagation>,
    /// What only the file system understands.
    pub data: Vec<u8>,
}

/// What one option does.
enum Effect {
    Set(Attributes),
    Clear(Attributes),
    Atime(Attributes),
    Bind(Depth),
    Propagate(Propagation),
    Nothing,
    Unsupported,
}

fn effect(option: &str) -> Option<Effect> {
    use Effect::{Atime, Bind, Clear, Nothing, Propagate, Set, Unsupported};
    Some(match option {
        "defaults" | "async" => Nothing,
        "ro" => Set(Attributes::READ_ONLY),
        "rw" => Clear(Attributes::READ_ONLY),
        "nosuid" => Set(Attributes::NO_SET_ID),
        "suid" => Clear(Attributes::NO_SET_ID),
        "nodev" => Set(Attributes::NO_DEVICES),
        "dev" => Clear(Attributes::NO_DEVICES),
        "noexec" => Set(Attributes::NO_EXEC),
        "exec" => Clear(Attributes::NO_EXEC),
        "noatime" => Atime(Attributes::NO_ATIME),
        "strictatime" => Atime(Attributes::STRICT_ATIME),
        // The kernel's default, which has no bit.
        "relatime" | "atime" | "nostrictatime" => Atime(Attributes::NONE),
        "norelatime" => Nothing,
        "nodiratime" => Set(Attributes::NO_DIRECTORY_ATIME),
        "diratime" => Clear(Attributes::NO_DIRECTORY_ATIME),
        "nosymfollow" => Set(Attributes::NO_SYMLINKS),
        "symfollow" => Clear(Attributes::NO_SYMLINKS),
        "bind" => Bind(Depth::One),
        "rbind" => Bind(Depth::Tree),
        "private" | "rprivate" => Propagate(Propagation::Private),
        "slave" | "rslave" => Propagate(Propagation::Slave),
        "shared" | "rshared" => Propagate(Propagation::Shared),
        "unbindable" | "runbindable" => Propagate(Propagation::Unbindable),
        "rro" | "rrw" | "rnosuid" | "rsuid" | "rnodev" | "rdev" | "rnoexec" | "rexec" | "rnoatime"
        | "ratime" | "rrelatime" | "rnorelatime" | "rstrictatime" | "rnostrictatime" | "rnodiratime"
        | "rdiratime" | "rnosymfollow" | "rsymfollow" | "idmap" | "ridmap" | "tmpcopyup" | "copy"
        | "sync" | "dirsync" | "remount" | "mand" | "nomand" | "iversion" | "noiversion" | "silent"
        | "loud" | "lazytime" | "nolazytime" | "move" => Unsupported,
        _ => return None,
    })
}

/// Sorts a list of options into what each of them is about; a later one wins over an earlier one.
///
/// # Errors
/// The option that is valid and not supported.
pub fn parse<'o>(options: impl IntoIterator<Item = &'o str>) -> Result<Options, &'o str> {
    let mut all = Options::default();
    for option in options.into_iter().filter(|option| !option.is_empty()) {
        match effect(option) {
            Some(Effect::Set(bits)) => all.apply(bits, Attributes::NONE),
            Some(Effect::Clear(bits)) => all.apply(Attributes::NONE, bits),
            Some(Effect::Atime(bits)) => {
                all.set = all.set.without(Attributes::ATIME).with(bits);
                // The mode is a field, not a bit: all of it is cleared before another is set.
                all.clear = all.clear.with(Attributes::ATIME);
            }
            Some(Effect::Bind(depth)) => all.bind = Some(depth),
            Some(Effect::Propagate(kind)) => all.propagation = Some(kind),
            Some(Effect::Nothing) => {}
            Some(Effect::Unsupported) => return Err(option),
            None => {
                if !all.data.is_empty() {
                    all.data.push(b',');
                }
                all.data.extend_from_slice(option.as_bytes());
            }
        }
    }
    Ok(all)
}

impl Options {
    fn apply(&mut self, set: Attributes, clear: Attributes) {
        self.set = self.set.without(clear).with(set);
        self.clear = self.clear.without(set).with(clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_option_wins() {
        let options = parse(["ro", "nosuid", "rw", "size=1k", "mode=755"]).unwrap();
        assert_eq!(options.set, Attributes::NO_SET_ID);
        assert_eq!(options.clear, Attributes::READ_ONLY);
        assert_eq!(options.data, b"size=1k,mode=755");
    }

    #[test]
    fn one_access_time_mode_replaces_another() {
        let options = parse(["strictatime", "noatime"]).unwrap();
        assert_eq!(options.set, Attributes::NO_ATIME);
        assert!(options.clear.contains(Attributes::ATIME));
        assert_eq!(parse(["noatime", "relatime"]).unwrap().set, Attributes::NONE);
    }

    #[test]
    fn what_is_not_performed_is_named() {
        assert_eq!(parse(["bind", "idmap"]), Err("idmap"));
    }
}
