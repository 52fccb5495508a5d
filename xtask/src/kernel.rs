//! The guest's kernels: Debian's, fetched with apt and unpacked, never installed.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::Workspace;
use crate::{Result, debian, run, vmlinux};

/// A kernel the guest suites can run on.
pub struct Kernel {
    /// The series: what `--kernel` takes.
    pub series: &'static str,
    /// The Debian suite it comes from; none is the machine's own.
    suite: Option<&'static str>,
    /// QEMU's processor. Kernel 6.12 died twice under the default one with several threads, and a plain
    /// one thread without cmpxchg16b does not.
    pub processor: &'static [&'static str],
}

/// The kernels; the first is the one of `cargo xtask test`.
pub const KERNELS: &[Kernel] = &[
    Kernel { series: "6.1", suite: None, processor: &["-accel", "tcg,thread=single", "-cpu", "qemu64"] },
    Kernel {
        series: "6.12",
        suite: Some("trixie"),
        processor: &["-accel", "tcg,thread=single", "-cpu", "max,-cx16"],
    },
];

/// The package whose dependency is the newest kernel of a suite, in its small flavour for virtual machines.
const LATEST: &str = "linux-image-cloud-amd64";

/// The modules the suites need; what these need is added.
const MODULES: &[&str] = &[
    "overlay",
    "vsock",
    "vsock_loopback",
    "evdev",
    // Private networks of instances.
    "bridge",
    "veth",
    "nf_conntrack_netlink",
    "nf_tables",
    "nft_chain_nat",
    "nft_ct",
    "nft_fib_ipv4",
    "nft_masq",
    "nft_nat",
    "tcp_diag",
    "udp_diag",
];

/// A kernel on disk, ready to boot.
pub struct Files {
    /// The uncompressed kernel.
    pub vmlinux: PathBuf,
    /// The modules in the order of loading: name and content.
    pub modules: Vec<(String, Vec<u8>)>,
    /// Debian's package and version.
    pub version: String,
    /// The package, unpacked.
    pub tree: PathBuf,
    /// What the kernel calls itself: uname(1) -r.
    pub release: String,
}

impl Kernel {
    /// The kernel of a series.
    pub fn of_series(series: &str) -> Result<&'static Kernel> {
        KERNELS.iter().find(|kernel| kernel.series == series).ok_or_else(|| {
            let known: Vec<&str> = KERNELS.iter().map(|kernel| kernel.series).collect();
            format!("--kernel {series}: not known; there are {}", known.join(", "))
        })
    }

    /// Fetches and unpacks the kernel, unless that was done before.
    pub fn files(&self, workspace: &Workspace) -> Result<Files> {
        let folder = workspace.testbed().join(format!("kernel-{}", self.series));
        make_folder(&folder)?;
        let apt = Apt::of(self, &folder)?;
        let version = match apt.latest() {
            Ok(version) => version,
            // Without an archive in reach the one from the last time does as well.
            Err(why) => newest_unpacked(&folder).ok_or(why)?,
        };
        let tree = folder.join(&version);
        if !tree.join("vmlinux").exists() {
            println!("fetching {} ({version})", self.series);
            unpack(&apt, &version, &folder, &tree)?;
        }
        let modules = modules_in(&tree, MODULES)?;
        let release = release_folder(&tree)?.file_name().unwrap_or_default().display().to_string();
        Ok(Files { vmlinux: tree.join("vmlinux"), modules, version, tree, release })
    }
}

/// apt, either the machine's or one with lists of its own, so that a newer suite does not touch the machine.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn of(kernel: &Kernel, folder: &Path) -> Result<Apt> {
        let Some(suite) = kernel.suite else { return Ok(Apt { options: Vec::new() }) };
        let private = folder.join("apt");
        make_folder(&private.join("lists/partial"))?;
        make_folder(&private.join("cache/archives/partial"))?;
        let sources = private.join("sources.list");
        let options = [
            format!("Dir::Etc::SourceList={}", sources.display()),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={}", private.join("lists").display()),
            format!("Dir::Cache={}", private.join("cache").display()),
        ];
        let apt = Apt { options: options.to_vec() };
        if !sources.exists() {
            let archive = debian::archive()?;
            let line = format!(
                "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {archive} {suite} main\n"
            );
            fs::write(&sources, line).map_err(|why| format!("write {}: {why}", sources.display()))?;
            run::output(apt.command("apt-get", ["update", "--quiet"]))?;
        }
        Ok(apt)
    }

    fn command<const N: usize>(&self, program: &str, arguments: [&str; N]) -> Command {
        let mut command = Command::new(program);
        command.args(self.options.iter().flat_map(|option| ["-o", option]));
        command.args(arguments);
        command
    }

    /// The name of the newest kernel's package and its version, joined by `=`, as apt takes them.
    fn latest(&self) -> Result<String> {
        let ask = || self.command("apt-cache", ["show", "--no-all-versions", LATEST]);
        let answer = match run::text(ask()) {
            Ok(answer) if !answer.is_empty() => answer,
            // A fresh machine has no lists yet.
            _ if self.options.is_empty() => debian::update_lists().and_then(|()| run::text(ask()))?,
            other => other?,
        };
        dependency(&answer).ok_or_else(|| format!("{LATEST}: apt names no kernel that it depends on"))
    }
}

/// `linux-image-6.1.0-56-cloud-amd64=6.1.192-2` from `Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)`.
fn dependency(shown: &str) -> Option<String> {
    let depends = shown.lines().find_map(|line| line.strip_prefix("Depends: "))?;
    let kernel = depends.split(", ").find(|name| name.starts_with("linux-image-"))?;
    let (name, version) = kernel.split_once(" (= ")?;
    Some(format!("{name}={}", version.trim_end_matches(')')))
}

fn newest_unpacked(folder: &Path) -> Option<String> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let trees = entries.filter(|entry| entry.path().join("vmlinux").exists());
    let newest = trees.max_by_key(|entry| entry.metadata().and_then(|about| about.modified()).ok())?;
    newest.file_name().into_string().ok()
}

/// Downloads a package into `folder`, unpacks it to `tree`, and takes the kernel out of its image. The
/// kernel comes last, under its final name only when it is whole: it marks the tree as complete.
fn unpack(apt: &Apt, version: &str, folder: &Path, tree: &Path) -> Result<()> {
    let download = folder.join("download");
    drop(fs::remove_dir_all(&download));
    make_folder(&download)?;
    run::output({
        let mut command = apt.command("apt-get", ["download", version]);
        command.current_dir(&download);
        command
    })?;
    let package = only_entry(&download, "")?;
    let mut dpkg = run::command("dpkg-deb", ["--extract"]);
    dpkg.arg(&package).arg(tree);
    run::output(dpkg)?;
    let fresh = tree.join("vmlinux.fresh");
    vmlinux::extract(&image(tree)?, &fresh)?;
    fs::rename(&fresh, tree.join("vmlinux")).map_err(|why| format!("rename {}: {why}", fresh.display()))?;
    fs::remove_dir_all(&download).map_err(|why| format!("remove {}: {why}", download.display()))
}

/// The kernel as the package has it: packed, with the code that asks the firmware about the screen.
pub fn image(tree: &Path) -> Result<PathBuf> {
    only_entry(&tree.join("boot"), "vmlinuz-")
}

/// The modules of these names and what they need, each after what it needs; built-in ones are left out.
pub fn modules_in(tree: &Path, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut paths = HashMap::new();
    collect_modules(&release_folder(tree)?.join("kernel"), &mut paths)?;
    let mut ordered = Vec::new();
    for name in names {
        add_module(name, &paths, &mut ordered)?;
    }
    Ok(ordered)
}

/// Where the package has the modules of its one kernel.
pub fn release_folder(tree: &Path) -> Result<PathBuf> {
    let places = [tree.join("lib/modules"), tree.join("usr/lib/modules")];
    let place = places.iter().find(|folder| folder.exists());
    only_entry(place.ok_or_else(|| format!("{}: no modules in it", tree.display()))?, "")
}

fn add_module(
    name: &str,
    paths: &HashMap<String, PathBuf>,
    ordered: &mut Vec<(String, Vec<u8>)>,
) -> Result<()> {
    // What is no file is built into the kernel.
    let Some(path) = paths.get(name) else { return Ok(()) };
    if ordered.iter().any(|(done, _)| done == name) {
        return Ok(());
    }
    let module = if path.extension().is_some_and(|end| end == "xz") {
        let mut xz = run::command("xz", ["-d", "-c"]);
        xz.arg(path);
        run::output(xz)?
    } else {
        fs::read(path).map_err(|why| format!("read {}: {why}", path.display()))?
    };
    for needed in vmlinux::needs_of(&module) {
        add_module(&needed, paths, ordered)?;
    }
    ordered.push((name.to_owned(), vmlinux::without_signature(&module).to_vec()));
    Ok(())
}

fn collect_modules(folder: &Path, paths: &mut HashMap<String, PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|why| format!("read {}: {why}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect_modules(&path, paths)?;
        } else if let Some((name, "ko" | "ko.xz")) =
            entry.file_name().to_str().and_then(|n| n.split_once('.'))
        {
            paths.insert(name.replace('-', "_"), path);
        }
    }
    Ok(())
}

/// The one entry of a folder whose name begins with `prefix`.
fn only_entry(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).map_err(|why| format!("read {}: {why}", folder.display()))?;
    let mut names = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let first = names.next().ok_or_else(|| format!("{}: nothing named {prefix}* in it", folder.display()))?;
    Ok(first.path())
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|why| format!("make {}: {why}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_package_is_read_from_what_apt_shows() {
        let shown = "Package: linux-image-cloud-amd64\n\
                     Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)\nSize: 1\n";
        assert_eq!(dependency(shown).as_deref(), Some("linux-image-6.1.0-56-cloud-amd64=6.1.192-2"));
        assert_eq!(dependency("Package: other\n"), None);
    }

    #[test]
    fn series_that_is_not_known_names_those_that_are() {
        assert!(Kernel::of_series("6.1").is_ok());
        let refused = Kernel::of_series("5.0").err();
        assert_eq!(refused.as_deref(), Some("--kernel 5.0: not known; there are 6.1, 6.12"));
    }
}
