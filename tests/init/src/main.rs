//! The first process of the guest: makes a machine out of a bare kernel, runs each suite, and says on the
//! second serial line what happened. The other end of the conversation is `xtask/src/qemu.rs`.

mod machine;
mod remains;
mod report;
mod suite;

use std::fs;
use std::process::ExitCode;

use report::Report;
use suite::Suite;

/// What went wrong, as one line.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("guest-init: it is the first process of a guest and of no use elsewhere");
        return ExitCode::FAILURE;
    }
    // Without the report there is nobody to tell; the console is what remains.
    let why =
        match machine::leave_initramfs().and_then(|()| machine::mount_all()).and_then(|()| Report::open()) {
            Ok(report) => {
                run(&report);
                report.drain();
                machine::power_off()
            }
            Err(why) => why,
        };
    // When the first process ends the kernel panics, and QEMU ends with it.
    eprintln!("guest-init: {why}");
    ExitCode::FAILURE
}

fn run(report: &Report) {
    report.say("up");
    match machine::prepare().and_then(|()| suites()) {
        Ok(suites) => {
            report.say("ready");
            for suite in suites {
                if let Err(why) = suite.run(report) {
                    report.say(&format!("trouble {}: {why}", suite.name));
                }
            }
        }
        Err(why) => report.say(&format!("trouble {why}")),
    }
    report.say("done");
}

/// The suites that the archive lists, or the one shell command that stands in for them.
fn suites() -> Result<Vec<Suite>> {
    let environment = read("/bed/environment")?;
    let environment: Vec<(String, String)> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if let Ok(command) = fs::read_to_string("/bed/shell") {
        let arguments = ["/bin/sh".to_owned(), "-c".to_owned(), command];
        return Ok(vec![Suite { name: "shell".to_owned(), arguments: arguments.to_vec(), environment }]);
    }
    let list = read("/bed/suites")?;
    let suite = |(name, program): (&str, &str)| Suite {
        name: name.to_owned(),
        // One thread: the guest has one processor, and what a test leaves behind is not another's.
        arguments: [program, "--test-threads=1", "--show-output"].map(str::to_owned).to_vec(),
        environment: environment.clone(),
    };
    Ok(list.lines().filter_map(|line| line.split_once('\t')).map(suite).collect())
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(|why| format!("read {path}: {why}"))
}
