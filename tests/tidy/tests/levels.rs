//! Who may know whom.

use tidy::demand_none;
use tidy::packages::{Package, packages};

/// The level of each library; programs stand above them all. ARCHITECTURE.md draws the same.
const LEVELS: &[&[&str]] = &[
    &["sys", "seccomp", "wire"],
    &["plan", "cgroup", "image", "husk-client"],
    &["spawn"],
    &["session", "network", "console"],
    &["serve", "oci", "instance"],
    &["container"],
];

/// Packages of others that only some of ours may use directly, and why.
const RESERVED: &[(&str, &[&str], &str)] = &[
    ("rustix", &["sys"], "only sys calls the kernel: use sys's modules"),
    (
        "syscalls",
        &["sys", "seccomp"],
        "sys makes the calls that rustix lacks, seccomp needs the tables of numbers",
    ),
    ("libc", &[], "only sys calls the kernel, and it does so without the C library"),
    ("nix", &[], "only sys calls the kernel, and it does so over rustix"),
    ("tokio", &["huskd"], "the other programs have one thread and one loop"),
    ("tonic", &["huskd"], "gRPC is spoken by huskd alone"),
    ("prost", &["huskd"], "gRPC is spoken by huskd alone"),
];

fn level(name: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&name))
}

fn is_program(package: &Package) -> bool {
    package.folder.starts_with("programs")
}

#[test]
fn every_library_has_a_level() {
    let packages = packages();
    let libraries = packages.iter().filter(|package| package.folder.starts_with("crates"));
    let without: Vec<String> = libraries
        .filter(|package| level(&package.name).is_none())
        .map(|package| format!("{}: has no level", package.folder.display()))
        .collect();
    demand_none(
        &without,
        "add it to LEVELS in tests/tidy/tests/levels.rs and to the picture in ARCHITECTURE.md",
    );
}

#[test]
fn libraries_depend_on_lower_levels_only() {
    let mut wrong = Vec::new();
    for package in packages() {
        let Some(own) = level(&package.name) else { continue };
        for dependency in &package.own {
            match level(dependency) {
                Some(below) if below < own => {}
                Some(other) => wrong
                    .push(format!("{} (level {own}) depends on {dependency} (level {other})", package.name)),
                None => wrong.push(format!("{} depends on {dependency}, which is no library", package.name)),
            }
        }
    }
    demand_none(
        &wrong,
        "arrows point down, and crates on one level do not know each other: pass the value in from above, \
         or move what both need to a lower crate",
    );
}

#[test]
fn programs_depend_on_libraries_only() {
    let mut wrong = Vec::new();
    for package in packages().iter().filter(|package| is_program(package)) {
        let others = package.own.iter().filter(|dependency| level(dependency).is_none());
        wrong.extend(others.map(|other| format!("{} depends on {other}", package.name)));
    }
    demand_none(&wrong, "move what the two share to a crate in crates/");
}

#[test]
fn tests_and_xtask_are_known_by_nobody() {
    let packages = packages();
    let outside = |name: &String| {
        let known = packages.iter().find(|package| package.name == *name);
        known.is_some_and(|package| !package.folder.starts_with("crates") && !is_program(package))
    };
    let mut wrong = Vec::new();
    for package in
        packages.iter().filter(|package| package.folder.starts_with("crates") || is_program(package))
    {
        let tests = package.own.iter().filter(|name| outside(name));
        wrong.extend(tests.map(|other| format!("{} depends on {other}", package.name)));
    }
    demand_none(&wrong, "what is shipped must not need what tests it: turn the dependency around");
}

#[test]
fn reserved_packages_are_used_where_they_belong() {
    let mut wrong = Vec::new();
    for package in packages() {
        for (name, users, why) in RESERVED {
            if package.foreign.contains(*name) && !users.contains(&package.name.as_str()) {
                wrong.push(format!("{} depends on {name}: {why}", package.folder.display()));
            }
        }
    }
    demand_none(
        &wrong,
        "use the crate that owns it, or change RESERVED in tests/tidy/tests/levels.rs with a reason",
    );
}
