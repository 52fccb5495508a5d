//! `cargo xtask suites`: the test suites of other inits, against minit under their names.
//!
//! They are not part of this repository, and not of `test`: whoever runs them has checkouts of their projects.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{Result, build, run};

/// What the suites import. The first two are as old as dumb-init's suite, which pins the second.
const PACKAGES: [&str; 5] = ["pytest<7", "pytest-timeout<2", "psutil", "bitmap", "python-prctl"];
/// The same, as they are imported.
const MODULES: &str = "import pytest, pytest_timeout, psutil, bitmap, prctl";

/// One suite takes less than a minute; one that hangs is ended after so many seconds.
const PATIENCE: &str = "600";

const HELP: &str = "\
cargo xtask suites [--dumb-init FOLDER] [--tini FOLDER]

The test suites of dumb-init and of tini (test/run_inner_tests.py), from checkouts of these projects, against
minit as it is shipped. The checkouts are copied, not changed. What they need of Python is fetched from PyPI into
target/suites; python-prctl needs gcc, python3-dev and libcap-dev, tini's suite needs gcc.
";

/// Runs the suites that are named.
pub fn run(workspace: &Workspace, words: &[String]) -> Result<ExitCode> {
    let mut suites: Vec<(&'static str, Runner, &Path)> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (name, runner): (_, Runner) = match word.as_str() {
            "--dumb-init" => ("dumb-init", dumb_init),
            "--tini" => ("tini", tini),
            "help" | "--help" => return help(),
            other => return Err(format!("suites: {other}: see cargo xtask suites help")),
        };
        let folder = words.next().ok_or_else(|| format!("suites: {word}: needs the folder of a checkout"))?;
        suites.push((name, runner, Path::new(folder)));
    }
    if suites.is_empty() {
        return help();
    }
    let ground = Ground::make(workspace)?;
    let mut total = Tally::default();
    for (name, runner, checkout) in suites {
        let tally = runner(&ground, &ground.copy(name, checkout)?)?;
        println!("{name}: {tally}");
        total.add(tally);
    }
    Ok(if total.failed == 0 && total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn help() -> Result<ExitCode> {
    print!("{HELP}");
    Ok(ExitCode::SUCCESS)
}

/// Runs one suite in a copy of its checkout.
type Runner = fn(&Ground, &Path) -> Result<Tally>;

/// What all of them need.
struct Ground {
    home: PathBuf,
    minit: PathBuf,
    /// minit under the names of the others.
    bin: PathBuf,
    python: PathBuf,
}

impl Ground {
    fn make(workspace: &Workspace) -> Result<Self> {
        let home = workspace.target.join("suites");
        let package = workspace.package("minit").ok_or("suites: the workspace has no minit")?;
        let mut cargo = workspace.program_build(package);
        cargo.arg("--release");
        let built = build::artifacts(cargo)?.into_iter().find(|built| built.target == "minit");
        let minit = built.ok_or("suites: cargo has built no minit")?.executable;
        let bin = home.join("bin");
        fresh(&bin)?;
        // No links: a test looks for the real path of its program, whose name is what makes minit that program.
        for name in ["dumb-init", "tini"] {
            fs::copy(&minit, bin.join(name)).map_err(|why| format!("copy minit as {name}: {why}"))?;
        }
        let python = home.join("python/bin/python");
        let ground = Self { home, minit, bin, python };
        ground.fetch_packages()?;
        Ok(ground)
    }

    /// A Python with what the suites import, unless there is one.
    fn fetch_packages(&self) -> Result<()> {
        let has = Command::new(&self.python).args(["-c", MODULES]).stderr(Stdio::null()).status();
        if has.is_ok_and(|status| status.success()) {
            return Ok(());
        }
        let mut make = run::command("python3", ["-m", "venv", "--clear"]);
        make.arg(self.home.join("python"));
        run::output(make)?;
        let mut install = Command::new(&self.python);
        install.args(["-m", "pip", "install", "--quiet"]).args(PACKAGES);
        run::output(install).map(drop)
    }

    /// The suite's files, where they may be written to.
    fn copy(&self, name: &str, checkout: &Path) -> Result<PathBuf> {
        let to = self.home.join(name);
        fresh(&to)?;
        let mut copy = run::command("cp", ["--recursive", "--no-target-directory", "--"]);
        copy.arg(checkout).arg(&to);
        run::output(copy).map(|_| to)
    }

    /// The Python, which finds the programs under test first, behind another program.
    fn python(&self, mut python: Command, folder: &Path) -> Command {
        python.args(["timeout", "--signal=KILL", PATIENCE]);
        let folders = [&self.bin, &self.home.join("python/bin")].map(|path| path.display().to_string());
        let path = std::env::var("PATH").unwrap_or_default();
        python.arg(&self.python).current_dir(folder).stdin(Stdio::null());
        python.env("PATH", format!("{}:{path}", folders.join(":"))).env("PYTHONDONTWRITEBYTECODE", "1");
        python
    }
}

/// An empty folder.
fn fresh(folder: &Path) -> Result<()> {
    let words = |why| format!("make {}: {why}", folder.display());
    match fs::remove_dir_all(folder) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(words(why)),
        _ => {}
    }
    fs::create_dir_all(folder).map_err(words)
}

/// Runs it; whether it has ended well, and what it has said.
fn said_by(mut command: Command) -> Result<(bool, String)> {
    let done = command.output().map_err(|why| format!("{}: {why}", command.get_program().display()))?;
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if !done.status.success() {
        println!("{said}");
    }
    Ok((done.status.success(), said))
}

/// All of its suite, by pytest.
fn dumb_init(ground: &Ground, folder: &Path) -> Result<Tally> {
    // Orphans have to be reaped at once to count as gone: where process 1 of the machine takes its time, dumb-init
    // itself fails.
    let mut reaper = Command::new(&ground.minit);
    reaper.args(["--no-api", "--"]);
    let mut pytest = ground.python(reaper, folder);
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]);
    let (has_passed, said) = said_by(pytest)?;
    let mut tally = said.lines().rev().find_map(summary).unwrap_or_default();
    if !has_passed && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// pytest's last line: `3 failed, 179 passed, 1 skipped in 20.53s`.
fn summary(line: &str) -> Option<Tally> {
    let (counts, _) = line.rsplit_once(" in ")?;
    let mut tally = Tally::default();
    for part in counts.trim_matches(|letter| letter == '=' || letter == ' ').split(", ") {
        let (number, what) = part.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match what {
            "passed" => tally.passed += number,
            "failed" | "error" | "errors" => tally.failed += number,
            "skipped" | "xfailed" => tally.skipped += number,
            _ => {}
        }
    }
    Some(tally)
}

/// Its inner tests: a script that says what it begins, and ends at the first failure.
fn tini(ground: &Ground, folder: &Path) -> Result<Tally> {
    let mut cc = run::command("cc", ["-o"]);
    cc.arg(ground.bin.join("sigconf-test")).arg(folder.join("test/sigconf/sigconf-test.c"));
    run::output(cc)?;
    let mut script = ground.python(Command::new("env"), folder);
    script.arg("-u").arg(folder.join("test/run_inner_tests.py"));
    script.env("SOURCE_DIR", folder).env("BUILD_DIR", &ground.bin).env("FORCE_SUBREAPER", "1");
    let (has_passed, said) = said_by(script)?;
    let begun = said.lines().filter(|line| line.to_ascii_lowercase().starts_with("running ")).count() as u64;
    let is_complete = has_passed && said.contains("All done, tests as expected");
    let failed = u64::from(!is_complete);
    Ok(Tally { passed: begun.saturating_sub(failed), failed, skipped: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pytest_is_understood() {
        let counts = |passed, failed, skipped| Some(Tally { passed, failed, skipped });
        assert_eq!(summary("182 passed in 20.53s"), counts(182, 0, 0));
        assert_eq!(summary("== 3 failed, 178 passed, 1 skipped, 2 warnings in 9.1s =="), counts(178, 3, 1));
        assert_eq!(summary("1 passed, 2 errors in 0.1s"), counts(1, 2, 0));
        for line in ["", "no tests ran in 0.01s", "E assert 1 in 2"] {
            assert_eq!(summary(line), None, "{line}");
        }
    }
}
