//! Each package of others has its reason, and each program a known set of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use tidy::packages::{built_from, licences, packages};
use tidy::{demand_none, document, root};

const TABLE: &str = "DEPENDENCIES.md";

/// The rows of the table: the name, then used by, reason, licence, alternative.
fn rows() -> BTreeMap<String, Vec<String>> {
    let text = document(TABLE).unwrap_or_default();
    let cells = |line: &str| -> Vec<String> {
        let inside = line.trim().trim_start_matches('|').trim_end_matches('|');
        inside.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let rows = text.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|mut cells| (cells.remove(0), cells)).collect()
}

/// Each direct dependency on others' packages, with the packages of ours that have it.
fn direct() -> BTreeMap<String, BTreeSet<String>> {
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        for name in package.foreign {
            users.entry(name).or_default().insert(package.name.clone());
        }
    }
    users
}

#[test]
fn every_direct_dependency_has_a_row_with_its_users_and_reason() {
    let rows = rows();
    let mut wrong = Vec::new();
    for (name, users) in direct() {
        let users: Vec<String> = users.into_iter().collect();
        let Some(cells) = rows.get(&name) else {
            wrong.push(format!("{name}: used by {}, and has no row", users.join(", ")));
            continue;
        };
        if cells.len() != 4 || cells.iter().any(String::is_empty) {
            wrong.push(format!("{name}: its row has {} cells, or an empty one", cells.len() + 1));
        } else if cells[0] != users.join(", ") {
            wrong.push(format!("{name}: used by {}, and its row says {}", users.join(", "), cells[0]));
        }
    }
    demand_none(
        &wrong,
        "write the row in DEPENDENCIES.md: | `name` | used by | reason | licence | alternative |",
    );
}

#[test]
fn every_row_is_a_direct_dependency() {
    let direct = direct();
    let rows = rows();
    let stale: Vec<String> = rows.keys().filter(|name| !direct.contains_key(*name)).cloned().collect();
    demand_none(&stale, "nothing depends on these directly any more: remove their rows from DEPENDENCIES.md");
}

#[test]
fn licences_are_those_the_packages_name() {
    let licences = licences();
    let mut wrong = Vec::new();
    for (name, cells) in rows() {
        if let (Some(said), Some(named)) = (cells.get(2), licences.get(&name))
            && said != named
        {
            wrong.push(format!("{name}: {named}, and its row says {said}"));
        }
    }
    demand_none(&wrong, "correct the licence in DEPENDENCIES.md, and see that it goes with ours");
}

#[test]
fn programs_are_built_from_the_packages_on_record() {
    let is_update = std::env::var_os("TIDY_UPDATE").is_some();
    let mut changed = Vec::new();
    for program in packages().iter().filter(|package| package.folder.starts_with("programs")) {
        let path = root().join("tests/tidy/golden").join(format!("{}.txt", program.name));
        let now = built_from(&program.name);
        if is_update {
            let lines: String = now.iter().map(|package| format!("{package}\n")).collect();
            fs::write(&path, lines).unwrap();
            continue;
        }
        let Ok(then) = fs::read_to_string(&path) else {
            changed.push(format!("{}: has no record", program.name));
            continue;
        };
        let then: BTreeSet<String> = then.lines().map(str::to_owned).collect();
        let list = |sign, packages: Vec<&String>| -> Vec<String> {
            packages.iter().map(|package| format!("{}: {sign}{package}", program.name)).collect()
        };
        changed.extend(list('+', now.difference(&then).collect()));
        changed.extend(list('-', then.difference(&now).collect()));
    }
    demand_none(
        &changed,
        "if it is meant, run `TIDY_UPDATE=1 cargo test -p tidy` and commit tests/tidy/golden; each package \
         that a program gains is code that runs as root",
    );
}
