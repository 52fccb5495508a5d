//! The workspace's own commands: `cargo xtask help` lists them.
//!
//! `test` is the whole of it: the Debian packages the tests need, the tests of the host, and the guest
//! suites, which run on a Debian kernel in QEMU, because limits, freezing and vsock need a kernel of
//! their own.

mod bench;
mod boot;
mod build;
mod debian;
mod dist;
mod elf;
mod fuzz;
mod guest;
mod host;
mod image;
mod kernel;
mod qemu;
mod run;
mod suites;
mod tally;
mod vmlinux;
mod workspace;

use std::process::ExitCode;
use std::time::Instant;

use tally::Tally;
use workspace::Workspace;
use xtask::cpio;

const HELP: &str = "\
cargo xtask <command>

  test                      every test: installs the Debian packages they need, runs the host's
                            tests and the fuzz targets, boots the guest and runs its suites
  ci                        cargo fmt --check, clippy with warnings denied, then test
  guest [FILTER]            only the guest suites whose name contains FILTER
        [--kernel 6.1|6.12] on another Debian kernel
        [--shell -- CMD]    boots and runs one shell command instead of the suites
        [--console]         prints the guest's console at the end
  boot [systems]            what tests/boot boots machines from, or what tests/systems needs
                            besides, made and listed
  fuzz [TARGET…]            only the fuzz targets, for longer if asked: cargo xtask fuzz help
  bench [NAME…]             husk run beside its peers and the physical floor: cargo xtask bench help
  suites                    the test suites of dumb-init and tini, from checkouts of these, against
                            minit: cargo xtask suites help
  man                       writes what manual pages have of husk's table of verbs
  dist                      every program, static and stripped, into dist/bin/
  help                      this text

Environment: CI=true turns a skipped test into a failure.
";

/// What went wrong, as one line that says what, on what and why.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&words) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[String]) -> Result<ExitCode> {
    match words.first().map(String::as_str) {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Some("test") if words.len() == 1 => test(&Workspace::read()?),
        Some("ci") if words.len() == 1 => ci(&Workspace::read()?),
        Some("dist") if words.len() == 1 => dist::pack(&Workspace::read()?).map(|()| ExitCode::SUCCESS),
        Some("man") if words.len() == 1 => man(&Workspace::read()?),
        Some("boot") if words.len() == 1 => boot(&Workspace::read()?, boot::prepare),
        Some("boot") if words[1..] == ["systems"] => boot(&Workspace::read()?, boot::prepare_systems),
        Some("bench") => bench::run(&words[1..]),
        Some("suites") => suites::run(&Workspace::read()?, &words[1..]),
        Some("fuzz") => fuzz::run(&words[1..]),
        Some("guest") => guest(&Workspace::read()?, &guest::Request::parse(&words[1..])?),
        Some(_) => Err(format!("{}: no such command; see cargo xtask help", words.join(" "))),
    }
}

/// Formatting and lints first: they are quick, and what they find is cheaper to mend than a test.
fn ci(workspace: &Workspace) -> Result<ExitCode> {
    run::shown(workspace.cargo(["fmt", "--check"]))?;
    run::shown(workspace.cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    test(workspace)
}

fn test(workspace: &Workspace) -> Result<ExitCode> {
    let began = Instant::now();
    debian::install()?;
    let mut total = host::test(workspace)?;
    println!("\nhost: {total} in {:.0} s", began.elapsed().as_secs_f64());
    total.add(fuzz::test(workspace).unwrap_or_else(|why| {
        eprintln!("xtask: fuzz: {why}");
        Tally { failed: 1, ..Tally::default() }
    }));
    // A guest that cannot be made is one failure among the results, not the end of them.
    let in_guest = guest::test(workspace, &guest::Request::default()).unwrap_or_else(|why| {
        eprintln!("xtask: guest: {why}");
        Tally { failed: 1, ..Tally::default() }
    });
    total.add(in_guest);
    Ok(conclude(&total, began))
}

fn guest(workspace: &Workspace, request: &guest::Request) -> Result<ExitCode> {
    let began = Instant::now();
    debian::install()?;
    if let Some(command) = &request.shell {
        let code = guest::shell(workspace, request, command)?;
        return Ok(ExitCode::from(code));
    }
    Ok(conclude(&guest::test(workspace, request)?, began))
}

/// The table is in the program, and so is what writes the page from it: a test that writes when it is told to.
fn man(workspace: &Workspace) -> Result<ExitCode> {
    let mut cargo = workspace.cargo(["test", "--quiet", "--package", "husk", "pages::"]);
    cargo.env("MAN_UPDATE", "1");
    run::shown(cargo).map(|()| ExitCode::SUCCESS)
}

fn boot(workspace: &Workspace, prepare: fn(&Workspace) -> Result<()>) -> Result<ExitCode> {
    debian::install()?;
    prepare(workspace).map(|()| ExitCode::SUCCESS)
}

/// Prints the last line of a test run and turns it into an exit code.
fn conclude(total: &Tally, began: Instant) -> ExitCode {
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1");
    let skips_fail = in_ci && total.skipped > 0;
    println!("\nall of it took {:.0} s", began.elapsed().as_secs_f64());
    if skips_fail {
        println!("skipped tests are failures here, because CI is set");
    }
    println!("{total}");
    if total.failed > 0 || skips_fail { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
