//! The Debian packages that the tests need: named here and nowhere else.

use std::process::Command;

use crate::{Result, run};

/// A package and why the tests need it.
struct Package {
    name: &'static str,
    reason: &'static str,
}

/// Every package, with its reason. `cargo xtask test` installs what is missing.
const PACKAGES: &[Package] = &[
    Package { name: "qemu-system-x86", reason: "boots the guest" },
    Package { name: "busybox-static", reason: "the guest's commands, and a root file system for tests" },
    Package { name: "binutils", reason: "strips the test programs that go into the guest" },
    Package { name: "g++", reason: "compiles libFuzzer" },
    Package { name: "strace", reason: "counts system calls, and makes each of them fail once" },
    Package { name: "lz4", reason: "unpacks kernel 6.1" },
    Package { name: "xz-utils", reason: "unpacks the modules of kernel 6.12" },
    Package { name: "zstd", reason: "unpacks kernels that are packed with it" },
    Package { name: "kmod", reason: "depmod, for the modules of machines that are booted" },
    Package { name: "e2fsprogs", reason: "makes and checks the disks of machines that are booted" },
    Package { name: "mmdebstrap", reason: "makes the Debian that runs as an instance" },
    Package { name: "tini", reason: "tini-static, beside which the start of minit is measured" },
    Package { name: "procps", reason: "ps, for tests of minit" },
    Package { name: "zsh", reason: "reads the completion script that is for it" },
    Package { name: "fish", reason: "the same" },
    Package { name: "iproute2", reason: "ip, for tests of network" },
    Package { name: "nftables", reason: "nft, by which tests of network read what was made" },
    Package { name: "python3", reason: "a client of another user, for tests of serve; the client in Python" },
    Package { name: "python3-venv", reason: "builds the Python package, with setuptools from PyPI" },
];

/// Installs what is missing and says what that is. Needs root only when something is missing.
pub fn install() -> Result<()> {
    let missing: Vec<&Package> = PACKAGES.iter().filter(|package| !is_installed(package.name)).collect();
    if missing.is_empty() {
        println!("Debian packages: all {} are installed", PACKAGES.len());
        return Ok(());
    }
    println!("Debian packages to install:");
    for package in &missing {
        println!("  {:<18} {}", package.name, package.reason);
    }
    let apt = || {
        let mut command = run::command("apt-get", ["install", "--yes", "--no-install-recommends"]);
        command.args(missing.iter().map(|package| package.name)).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // The lists of a fresh machine are empty or old; fetching them is slow, so only when needed.
    if run::output(apt()).is_ok() {
        return Ok(());
    }
    update_lists()?;
    run::output(apt()).map(drop)
}

/// Fetches the lists of packages.
pub fn update_lists() -> Result<()> {
    run::output(run::command("apt-get", ["update", "--quiet"])).map(drop)
}

/// The address of the Debian archive (or mirror) that this machine installs from.
pub fn archive() -> Result<String> {
    let format = "$(COMPONENT) $(REPO_URI)";
    let ask = ["indextargets", "--format", format, "Created-By: Packages", "Origin: Debian", "Label: Debian"];
    let targets = run::text(run::command("apt-get", ask))?;
    let main = targets.lines().find_map(|line| line.strip_prefix("main "));
    main.map(str::to_owned).ok_or_else(|| "apt has no Debian archive in its sources".to_owned())
}

fn is_installed(name: &str) -> bool {
    let mut query: Command = run::command("dpkg-query", ["--show", "--showformat=${db:Status-Status}"]);
    query.arg(name);
    run::text(query).is_ok_and(|status| status == "installed")
}
