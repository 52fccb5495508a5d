//! Running one suite: in a cgroup of its own, its output passed on, its remains reported.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sys::process::{self, WaitOptions, WaitStatus};

use crate::Result;
use crate::machine::{self, CGROUPS};
use crate::remains::Inventory;
use crate::report::Report;

/// How long what a suite left may take to go away by itself: killing is not instant.
const GRACE: Duration = Duration::from_secs(2);

/// A suite: a program to run.
pub struct Suite {
    /// What it is called in the report.
    pub name: String,
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: Vec<(String, String)>,
}

impl Suite {
    /// Runs it to its end and reports.
    pub fn run(&self, report: &Report) -> Result<()> {
        report.say(&format!("suite {}", self.name));
        let before = Inventory::take();
        let cgroup = format!("{CGROUPS}/suite");
        // The suite's own processes stay out of the cgroup that hands on controllers: cgroup v2 allows
        // processes at the leaves only.
        let leaf = format!("{cgroup}/main");
        fs::create_dir_all(&cgroup).map_err(|why| format!("make {cgroup}: {why}"))?;
        machine::enable_controllers(&cgroup)?;
        fs::create_dir_all(&leaf).map_err(|why| format!("make {leaf}: {why}"))?;

        let ended = thread::scope(|scope| {
            let (output, ours) = std::io::pipe().map_err(|why| format!("make a pipe: {why}"))?;
            scope.spawn(|| pass_on(output, report));
            let pid = self.start(&leaf, ours)?;
            let ended = wait_for(pid);
            // The thread above ends when the last holder of the pipe does: whoever is left in the cgroups
            // of this suite is reported and killed before that.
            report_remains(&before, &cgroup, &leaf, report);
            Ok::<String, String>(ended)
        })?;
        report.say(&format!("ended {ended}"));
        Ok(())
    }

    /// Starts the program in the cgroup; returns its process number.
    fn start(&self, cgroup: &str, output: std::io::PipeWriter) -> Result<u32> {
        let errors = output.try_clone().map_err(|why| format!("copy a pipe: {why}"))?;
        let mut command = Command::new(&self.arguments[0]);
        command
            .args(&self.arguments[1..])
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/tmp")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        // A child begins where its parent is.
        enter(cgroup)?;
        let child = command.spawn().map_err(|why| format!("start {}: {why}", self.arguments[0]));
        enter(CGROUPS)?;
        child.map(|child| child.id())
    }
}

/// Moves this process.
fn enter(cgroup: &str) -> Result<()> {
    let path = format!("{cgroup}/cgroup.procs");
    fs::write(&path, "0").map_err(|why| format!("write 0 to {path}: {why}"))
}

/// Reaps every child until the one with the number has ended; returns how it ended. Orphans of the suite
/// become children of the first process, so there are others.
fn wait_for(pid: u32) -> String {
    loop {
        match process::wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended.as_raw_pid().unsigned_abs() == pid => return in_words(status),
            Ok(_) | Err(sys::Errno::INTR) => {}
            Err(why) => return format!("unknown: wait: {why}"),
        }
    }
}

fn in_words(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => format!("unknown: {status:?}"),
    }
}

fn pass_on(output: PipeReader, report: &Report) {
    for line in BufReader::new(output).split(b'\n') {
        match line {
            Ok(line) => report.pass_on(&line),
            Err(why) => return report.say(&format!("trouble read a suite's output: {why}")),
        }
    }
}

/// Waits a little for what is going away, reports the rest, and removes it.
fn report_remains(before: &Inventory, cgroup: &str, leaf: &str, report: &Report) {
    let until = Instant::now() + GRACE;
    let (now, left) = loop {
        // Orphans that ended are processes until they are reaped.
        while let Ok(Some(_)) = process::wait(WaitOptions::NOHANG) {}
        let now = Inventory::take();
        let mut left = now.since(before);
        left.retain(|thing| *thing != format!("cgroup {cgroup}") && *thing != format!("cgroup {leaf}"));
        if left.is_empty() || Instant::now() > until {
            break (now, left);
        }
        thread::sleep(Duration::from_millis(20));
    };
    for thing in &left {
        report.say(&format!("left {thing}"));
    }
    // Kills the whole tree below, also what was forked after the look around.
    fs::write(Path::new(cgroup).join("cgroup.kill"), "1").ok();
    now.clear_since(before);
    while let Ok(Some(_)) = process::wait(WaitOptions::empty()) {}
    Inventory::take().clear_since(before);
}
