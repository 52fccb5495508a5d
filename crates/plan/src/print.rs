//! Steps in words, for `--plan`, golden tests and failures.

use core::ffi::CStr;
use core::fmt::{Display, Formatter, Result};

use sys::clone::Namespaces;
use sys::exec::Argument;
use sys::mounts::{Attributes, Depth};
use sys::privilege::Capabilities;

use crate::{Bind, Execute, FileSystem, Layers, Limit, Mount, Overlay, Pause, Plan, Step};
#[cfg(feature = "containers")]
use crate::{Console, Kind};

impl Display for Plan<'_> {
    /// One numbered line a step, from 1.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:>3}  {step}", number + 1)?;
        }
        Ok(())
    }
}

impl Display for Step<'_> {
    /// The words for steps of containers are as large as all others together.
    #[cfg(not(feature = "containers"))]
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.fmt_identity(f)
    }

    #[cfg(feature = "containers")]
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match *self {
            Self::Pause(reason) => write!(f, "pause: {}", reason.words()),
            Self::BecomeRoot => f.write_str("become user 0 and group 0 of the user namespace"),
            Self::Propagate(kind) => write!(f, "make every mount {}", kind.word()),
            Self::Root { path, set } => write!(f, "bind {} as the root{}", Text(path), Options(set, c"")),
            Self::Scratch => f.write_str("mount tmpfs for changes, out of sight"),
            Self::OverlayRoot { lower, options, set } => {
                write!(f, "mount overlay of {} as the root{}", Text(lower), Options(set, options))
            }
            Self::Join { namespaces, .. } => write!(f, "join namespaces{}", Kinds(namespaces)),
            Self::Layers(ref layers) => layers.fmt(f),
            Self::EmptyRoot { set } => write!(f, "make an empty root{}", Options(set, c"")),
            Self::Overlay(ref layer) => layer.fmt(f),
            Self::Mount(ref mount) => mount.fmt_at(f, "/"),
            Self::MountInPlace(ref mount) => mount.fmt_at(f, ""),
            Self::Bind(ref bind) => bind.fmt(f),
            Self::Enter { target, expect } => write!(f, "enter /{}, a {}", Text(target), expect.word()),
            Self::Device { name, source, .. } => {
                write!(f, "bind device {} on {}", Text(source), Text(name))
            }
            Self::Directory { name, mode } => write!(f, "make directory {} ({mode:04o})", Text(name)),
            Self::Symlink { name, to } => write!(f, "link {} to {}", Text(name), Text(to)),
            Self::Mask { name, guess } => {
                write!(f, "mask {}{}", Text(name), if guess == Kind::Directory { "/" } else { "" })
            }
            Self::MaskBelow { path } => write!(f, "mask /{}", Text(path)),
            Self::Split { name } => write!(f, "bind {} on itself", Text(name)),
            Self::Seal => f.write_str("make what is mounted here read-only"),
            Self::Protect { name } => write!(f, "make {} read-only", Text(name)),
            Self::ProtectBelow { path } => write!(f, "make /{} read-only", Text(path)),
            Self::SetRoot { set } => write!(f, "set the root{}", Options(set, c"")),
            Self::Pivot => f.write_str("pivot to the root, detach the old one"),
            Self::PropagateRoot(kind) => write!(f, "make / {}", kind.word()),
            Self::Hostname(name) => write!(f, "set hostname {}", Text(name)),
            Self::Domainname(name) => write!(f, "set domainname {}", Text(name)),
            Self::Loopback => f.write_str("bring interface lo up"),
            _ => self.fmt_identity(f),
        }
    }
}

impl Step<'_> {
    /// The second half of the language: what concerns the process rather than its files.
    fn fmt_identity(&self, f: &mut Formatter<'_>) -> Result {
        match *self {
            #[cfg(feature = "containers")]
            Self::Terminal { replace, console, .. } => {
                f.write_str("open a terminal for descriptors")?;
                for number in (0..3).filter(|number| replace.contains(*number)) {
                    write!(f, " {number}")?;
                }
                f.write_str(if console == Console::Bound { ", bind it on /dev/console" } else { "" })
            }
            Self::WriteProc { path, value } => write!(f, "write {} to /proc/{}", Text(value), Text(path)),
            Self::NewSession => f.write_str("start a new session"),
            Self::Chdir { path } => write!(f, "change directory to {}", Text(path)),
            Self::Limit(ref limit) => limit.fmt(f),
            Self::Umask(mask) => write!(f, "set umask {mask:03o}"),
            Self::BoundingSet(keep) => write!(f, "limit the bounding set to {}", Names(keep)),
            Self::KeepCapabilities => f.write_str("keep capabilities over the change of user"),
            Self::Groups([]) => f.write_str("leave all supplementary groups"),
            Self::Groups(groups) => {
                f.write_str("take supplementary groups")?;
                groups.iter().try_for_each(|group| write!(f, " {}", group.as_raw()))
            }
            Self::User { uid, gid } => write!(f, "become user {uid}, group {gid}"),
            Self::SetCapabilities { effective, permitted, inheritable } => write!(
                f,
                "set capabilities: effective {}; permitted {}; inheritable {}",
                Names(effective),
                Names(permitted),
                Names(inheritable)
            ),
            Self::Ambient(set) => write!(f, "raise ambient {}", Names(set)),
            Self::NewKeyring => f.write_str("join a new session keyring"),
            Self::NoNewPrivileges => f.write_str("set no_new_privs"),
            Self::Undumpable => f.write_str("make the process undumpable"),
            #[cfg(feature = "containers")]
            Self::Seccomp { filter, flags } => {
                write!(f, "load seccomp filter ({} instructions, flags {flags:#x})", filter.len())
            }
            Self::DieWithCaller(signal) => write!(f, "die of signal {signal} when the caller ends"),
            Self::Signals { reset } => {
                f.write_str("unblock signals")?;
                let mut numbers = reset.numbers().peekable();
                if numbers.peek().is_some() {
                    f.write_str(", reset")?;
                }
                numbers.try_for_each(|number| write!(f, " {number}"))
            }
            Self::SignalMask(set) => {
                f.write_str("block signals")?;
                set.numbers().try_for_each(|number| write!(f, " {number}"))
            }
            Self::NewGroup => f.write_str("start a new process group"),
            Self::Foreground => f.write_str("take the terminal's foreground"),
            Self::TakeTerminal => f.write_str("take descriptor 0 as the controlling terminal"),
            Self::Nice(value) => write!(f, "set nice value {value}"),
            Self::OpenProgram { path } => write!(f, "open program {}, read-only", Text(path)),
            Self::Pass(descriptors) => write!(f, "pass {} descriptors from 3", descriptors.len()),
            Self::CloseOthers => f.write_str("close descriptors from 3"),
            #[cfg(feature = "containers")]
            Self::Cross => f.write_str("go over into the pid namespace, as nothing but a table of calls"),
            Self::Execute(ref program) => program.fmt(f),
            // Without containers no plan has them.
            _ => f.write_str("a step of a container"),
        }
    }
}

impl Mount<'_> {
    fn fmt_at(&self, f: &mut Formatter<'_>, before: &str) -> Result {
        let options = Options(self.set, self.options);
        write!(f, "mount {} on {before}{}{options}", Text(self.kind), Text(self.target))
    }
}

impl Display for Bind<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let depth = if self.depth == Depth::Tree { " with what is mounted below it" } else { "" };
        write!(f, "bind {}{depth} on /{}", Text(self.source), Text(self.target))?;
        Options(self.set, c"").fmt(f)?;
        if !self.clear.is_empty() {
            f.write_str(" without")?;
            self.clear.words().try_for_each(|word| write!(f, " {word}"))?;
        }
        self.propagation.map_or(Ok(()), |kind| write!(f, " {}", kind.word()))
    }
}

impl Display for Overlay<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let options = Options(self.set, self.options);
        write!(f, "mount overlay of {} on /{}{options}", Text(self.lower), Text(self.target))
    }
}

impl Display for Layers<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("mount overlay of")?;
        for (number, layer) in self.lower.iter().enumerate() {
            write!(f, "{}{}", if number == 0 { " " } else { ", " }, Text(layer))?;
        }
        let options = Options(self.set, self.options);
        write!(f, " as the root, with changes in {} and {}{options}", Text(self.upper), Text(self.work))
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "limit {:?} to", self.resource)?;
        for (bound, after) in [(self.soft, ":"), (self.hard, "")] {
            match bound {
                Some(value) => write!(f, " {value}{after}")?,
                None => write!(f, " unlimited{after}")?,
            }
        }
        Ok(())
    }
}

impl Display for Execute<'_> {
    /// The environment is left out: it may hold secrets.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "execute {}", Text(self.file))?;
        self.argv.iter().skip(1).map_while(|entry| Argument::text(*entry)).try_for_each(|argument| {
            f.write_str(" ")?;
            Text(argument).fmt(f)
        })
    }
}

impl Pause {
    /// What is waited for.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::IdMaps => "uid and gid maps of the user namespace",
            Self::Namespaces => "the namespaces exist",
            Self::Start => "ready to start",
        }
    }
}

impl FileSystem {
    const fn word(self) -> &'static str {
        match self {
            Self::Proc => "procfs",
            Self::Sysfs => "sysfs",
            Self::Tmpfs => "tmpfs",
        }
    }
}

/// Text as a shell would need it: quoted where it holds anything unusual, and never more than one line.
struct Text<'a>(&'a CStr);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let bytes = self.0.to_bytes();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:,=@%~".contains(byte);
        if !bytes.is_empty() && bytes.iter().all(plain) {
            return bytes.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)));
        }
        write!(f, "\"{}\"", bytes.escape_ascii())
    }
}

/// ` (nosuid,size=64k)`, or nothing.
struct Options<'a>(Attributes, &'a CStr);

impl Display for Options<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut before = " (";
        for word in self.0.words() {
            write!(f, "{before}{word}")?;
            before = ",";
        }
        for option in self.1.to_bytes().split(|byte| *byte == b',').filter(|option| !option.is_empty()) {
            write!(f, "{before}{}", option.escape_ascii())?;
            before = ",";
        }
        f.write_str(if before == "," { ")" } else { "" })
    }
}

/// Namespaces by their names.
struct Kinds(Namespaces);

impl Display for Kinds {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut kinds = Namespaces::NAMES.iter().filter(|(kind, _)| self.0.contains(*kind));
        kinds.try_for_each(|(_, name)| write!(f, " {name}"))
    }
}

/// Capabilities by their names.
struct Names(Capabilities);

impl Display for Names {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.0 == Capabilities::NONE {
            return f.write_str("none");
        }
        if self.0.contains(Capabilities::ALL) {
            return f.write_str("all");
        }
        let mut before = "";
        self.0.names().try_for_each(|name| {
            write!(f, "{before}{}", name.get(4..).unwrap_or(name))?;
            before = " ";
            Ok(())
        })
    }
}
