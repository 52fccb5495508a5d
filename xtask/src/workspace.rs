//! What cargo knows about the workspace: its packages, their targets and where they are built.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{Result, run};

/// The workspace, from `cargo metadata`.
pub struct Workspace {
    /// The folder of the workspace's Cargo.toml.
    pub root: PathBuf,
    /// Where cargo builds; the kernels and images of the guest are kept in `testbed` below it.
    pub target: PathBuf,
    /// The packages, in cargo's order.
    pub packages: Vec<Package>,
}

/// A package of the workspace.
pub struct Package {
    /// Cargo's identifier, as it stands in build messages.
    pub id: String,
    /// The name, as `cargo -p` takes it.
    pub name: String,
    /// Whether its program is left out of builds of the whole workspace.
    pub has_program_feature: bool,
    /// The folder below the root: `programs/husk`.
    pub folder: PathBuf,
    /// Its targets.
    pub targets: Vec<Target>,
}

/// A target of a package: a library, a program, an integration test.
pub struct Target {
    /// The target's name.
    pub name: String,
    /// `lib`, `bin`, `test` …
    pub kind: String,
    /// An integration test that needs the feature `guest`, hence runs in the guest only.
    pub is_guest_suite: bool,
}

impl Workspace {
    /// Asks cargo.
    pub fn read() -> Result<Workspace> {
        let asked = run::command("cargo", ["metadata", "--format-version=1", "--no-deps"]);
        let answer: Value =
            serde_json::from_slice(&run::output(asked)?).map_err(|why| format!("cargo metadata: {why}"))?;
        let root = PathBuf::from(string(&answer, "workspace_root")?);
        let packages = array(&answer, "packages")?;
        let packages = packages.iter().map(|package| Package::from_json(package, &root));
        Ok(Workspace {
            packages: packages.collect::<Result<_>>()?,
            target: PathBuf::from(string(&answer, "target_directory")?),
            root,
        })
    }

    /// A cargo command that runs in the root.
    pub fn cargo<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = run::command("cargo", arguments);
        command.current_dir(&self.root);
        command
    }

    /// Where the guest's kernels and images are kept.
    pub fn testbed(&self) -> PathBuf {
        self.target.join("testbed")
    }

    /// Keeps the guest's files to this process until the answer is dropped: two runs would write the same
    /// archive and the same console.
    pub fn hold_testbed(&self) -> Result<File> {
        let folder = self.testbed();
        fs::create_dir_all(&folder).map_err(|why| format!("make {}: {why}", folder.display()))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(|why| format!("make {}: {why}", path.display()))?;
        if lock.try_lock().is_err() {
            println!("guest: waiting for another run to end");
            lock.lock().map_err(|why| format!("lock {}: {why}", path.display()))?;
        }
        Ok(lock)
    }

    /// The packages that make programs people run: those in `programs/` with a program in them.
    pub fn programs(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.folder.starts_with("programs") && package.programs().next().is_some())
    }

    /// A build of a package's programs: alone, so that it gets no features that others ask for, and with the feature
    /// `program` where it has that.
    pub fn program_build(&self, package: &Package) -> Command {
        let mut cargo = self.cargo(["build", "--bins", "--package", &package.name]);
        if package.has_program_feature {
            cargo.args(["--features", "program"]);
        }
        cargo
    }

    /// The package of that name.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}

impl Package {
    fn from_json(package: &Value, root: &Path) -> Result<Package> {
        let manifest = PathBuf::from(string(package, "manifest_path")?);
        let folder = manifest.parent().unwrap_or(&manifest);
        let targets = array(package, "targets")?.iter().map(Target::from_json);
        Ok(Package {
            id: string(package, "id")?.to_owned(),
            name: string(package, "name")?.to_owned(),
            folder: folder.strip_prefix(root).unwrap_or(folder).to_owned(),
            has_program_feature: package["features"].get("program").is_some(),
            targets: targets.collect::<Result<_>>()?,
        })
    }

    /// The names of its programs.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(|target| target.kind == "bin").map(|target| target.name.as_str())
    }

    /// The names of its guest suites.
    pub fn guest_suites(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(|target| target.is_guest_suite).map(|target| target.name.as_str())
    }
}

impl Target {
    fn from_json(target: &Value) -> Result<Target> {
        let kind = array(target, "kind")?.first().and_then(Value::as_str).unwrap_or_default();
        let features = target.get("required-features").and_then(Value::as_array);
        let needs_guest = features.is_some_and(|all| all.iter().any(|feature| feature == "guest"));
        Ok(Target {
            name: string(target, "name")?.to_owned(),
            kind: kind.to_owned(),
            is_guest_suite: kind == "test" && needs_guest,
        })
    }
}

/// A string in cargo's JSON.
pub fn string<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value.get(key).and_then(Value::as_str).ok_or_else(|| format!("cargo's answer has no string {key}"))
}

fn array<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value.get(key).and_then(Value::as_array).ok_or_else(|| format!("cargo's answer has no list {key}"))
}
