//! The peers: Debian's packages of crun, runc, bubblewrap and strace with every library they need, unpacked
//! into a folder that becomes the arena's root. Nothing is installed on the machine, and a peer runs with
//! the C library it was built for, whatever the machine has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Result, debian, run};

/// Fetched with the libraries they need, in the newest version of all suites, which is sid's. The two
/// libraries are bubblewrap's; then comes what minit is measured beside, then what instances are.
const WITH_LIBRARIES: &[&str] = &[
    "crun",
    "runc",
    "strace",
    "libcap2",
    "libselinux1",
    "tini",
    "tini-static",
    "dumb-init",
    "catatonit",
    "podman",
    "conmon",
    "containerd",
    "coreutils",
    "tar",
    "gzip",
    "zstd",
];

/// What a folder of peers has in it that was fetched since there are those of instances.
const NEWEST: &str = "usr/bin/podman";

/// Fetched alone: of bubblewrap the version of Debian 12 is the one that others have measured, and asking
/// for it together with the others makes apt look for its libraries in Debian 12 too.
const BUBBLEWRAP: &str = "bubblewrap/bookworm";

/// The package that carries Docker's own seccomp profile as a file, and the suite that still does.
const DOCKER: &str = "golang-github-docker-docker-dev/trixie";
const PROFILE_SUFFIX: &str = "/profiles/seccomp/default.json";

const SUITES: &[&str] = &["bookworm", "trixie", "sid"];

/// Where the peers are.
pub struct Peers {
    /// The tree of the unpacked packages.
    pub root: PathBuf,
    /// Docker's default seccomp profile, as Docker writes it.
    pub profile: PathBuf,
}

/// Fetches and unpacks the peers below `folder`, unless that was done before. Deleting `folder` is the way
/// to newer ones.
pub fn fetch(folder: &Path) -> Result<Peers> {
    let peers = Peers { root: folder.join("root"), profile: folder.join("docker-seccomp.json") };
    // Written last, so that a fetch that was cut short begins again.
    if peers.profile.exists() && peers.root.join(NEWEST).exists() {
        return Ok(peers);
    }
    println!("fetching the peers: {}, {BUBBLEWRAP}", WITH_LIBRARIES.join(", "));
    if peers.root.exists() {
        fs::remove_dir_all(&peers.root).map_err(|why| format!("{}: {why}", peers.root.display()))?;
    }
    let apt = Apt::with_lists_in(folder)?;
    // An empty list of installed packages makes apt fetch the libraries too.
    let mut install = apt.command("apt-get", &["install", "--yes", "--download-only"]);
    install.arg("--no-install-recommends").args(WITH_LIBRARIES);
    run::output(install)?;
    let archives = folder.join("cache/archives");
    apt.download(BUBBLEWRAP, &archives)?;
    lay_out(&peers.root)?;
    for package in packages_in(&archives)? {
        unpack(&package, &peers.root)?;
    }
    run::output(run::command("ldconfig", ["-r", &peers.root.to_string_lossy()]))?;
    apt.fetch_profile(folder, &peers.profile)?;
    Ok(peers)
}

/// apt with lists, cache and state of its own.
struct Apt {
    configuration: PathBuf,
}

impl Apt {
    fn with_lists_in(folder: &Path) -> Result<Apt> {
        for part in ["lists/partial", "cache/archives/partial", "state"] {
            make_folder(&folder.join(part))?;
        }
        let archive = debian::archive()?;
        let sources: Vec<String> = SUITES
            .iter()
            .map(|suite| {
                format!(
                    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {archive} {suite} main\n"
                )
            })
            .collect();
        let place = folder.display();
        let configuration = format!(
            "Dir::State \"{place}/state\";\n\
             Dir::State::lists \"{place}/lists\";\n\
             Dir::State::status \"{place}/status\";\n\
             Dir::Cache \"{place}/cache\";\n\
             Dir::Etc::sourcelist \"{place}/sources.list\";\n\
             Dir::Etc::sourceparts \"-\";\n\
             Acquire::Languages \"none\";\n\
             APT::Keep-Downloaded-Packages \"true\";\n\
             Binary::apt-get::APT::Keep-Downloaded-Packages \"true\";\n\
             APT::Sandbox::User \"root\";\n"
        );
        write(&folder.join("status"), "")?;
        write(&folder.join("sources.list"), &sources.concat())?;
        write(&folder.join("apt.conf"), &configuration)?;
        let apt = Apt { configuration: folder.join("apt.conf") };
        run::output(apt.command("apt-get", &["update", "--quiet"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("APT_CONFIG", &self.configuration);
        command
    }

    /// Fetches one package, without what it depends on.
    fn download(&self, package: &str, place: &Path) -> Result<()> {
        let mut download = self.command("apt-get", &["download", package]);
        download.current_dir(place);
        run::output(download).map(drop)
    }

    /// Takes the profile out of its package; the rest of the package is not unpacked.
    fn fetch_profile(&self, folder: &Path, profile: &Path) -> Result<()> {
        let place = folder.join("profile");
        make_folder(&place)?;
        self.download(DOCKER, &place)?;
        let package = packages_in(&place)?.pop().ok_or("apt-get download: no package came")?;
        let names = run::text(run::command("dpkg-deb", ["--contents", &package.to_string_lossy()]))?;
        let member = names
            .lines()
            .filter_map(|line| line.split_whitespace().last())
            .find(|name| name.ends_with(PROFILE_SUFFIX))
            .ok_or_else(|| format!("{}: holds no {PROFILE_SUFFIX}", package.display()))?;
        let content = through_tar(&package, &["--extract", "--to-stdout", member])?;
        fs::write(profile, content).map_err(|why| format!("{}: {why}", profile.display()))
    }
}

/// The folders and links of a merged /usr, which packages expect to find.
fn lay_out(root: &Path) -> Result<()> {
    for name in ["bin", "sbin", "lib", "lib64"] {
        let target = Path::new("usr").join(name);
        make_folder(&root.join(&target))?;
        let link = root.join(name);
        std::os::unix::fs::symlink(&target, &link).map_err(|why| format!("{}: {why}", link.display()))?;
    }
    make_folder(&root.join("etc"))
}

/// dpkg-deb --extract would replace the links of `lay_out` by folders.
fn unpack(package: &Path, root: &Path) -> Result<()> {
    let root = root.to_string_lossy();
    through_tar(package, &["--extract", "--keep-directory-symlink", "--directory", &root]).map(drop)
}

/// Hands the content of a package to tar and returns what tar prints.
fn through_tar(package: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut source = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|why| format!("dpkg-deb: {why}"))?;
    let input = source.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let mut tar = Command::new("tar");
    tar.args(arguments);
    let printed = run::output_of(tar, input);
    let ended = source.wait().map_err(|why| format!("dpkg-deb: {why}"))?;
    if !ended.success() {
        return Err(format!("dpkg-deb --fsys-tarfile {}: {ended}", package.display()));
    }
    printed
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "deb")).collect())
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|why| format!("{}: {why}", path.display()))
}

fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).map_err(|why| format!("{}: {why}", path.display()))
}
