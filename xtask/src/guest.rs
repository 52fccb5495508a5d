//! The guest suites: building them, running them, counting.
//!
//! A guest suite is an integration test with `required-features = ["guest"]` in its package's Cargo.toml;
//! `cargo test` leaves it out and this module finds it.

use std::time::Duration;

use crate::Result;
use crate::build::{self, Artifact};
use crate::image::{self, Content, Program, Suite};
use crate::kernel::{KERNELS, Kernel};
use crate::qemu::{Event, Guest};
use crate::tally::{Reader, Tally};
use crate::workspace::{Package, Workspace};

/// Packages whose unit tests run in the guest as well as on the host: on the host they see this machine's
/// kernel, in the guest a Debian one with all of cgroup v2.
const UNIT_TESTS_TOO: &[&str] = &["sys", "plan", "spawn", "session", "cgroup"];

/// Programs of the tests, beside those in `programs/`.
const TEST_PROGRAMS: &[&str] = &["probe", "server"];

/// From QEMU's start to init's first line. The bed's promise; later is a failure.
const BOOT_DEADLINE: Duration = Duration::from_secs(60);
const BOOT_PROMISE: Duration = Duration::from_secs(10);

/// The longest silence of a suite: the guest is killed then.
const SILENCE: Duration = Duration::from_secs(300);

/// The longest life of a guest, for suites that never fall silent.
const LIFE: Duration = Duration::from_secs(20 * 60);

/// What `cargo xtask guest` was asked for.
pub struct Request {
    /// Only suites whose name contains this.
    pub filter: String,
    /// The kernel to boot.
    pub kernel: &'static Kernel,
    /// A shell command instead of the suites.
    pub shell: Option<String>,
    /// Print the console at the end.
    pub show_console: bool,
}

impl Default for Request {
    fn default() -> Request {
        Request { filter: String::new(), kernel: &KERNELS[0], shell: None, show_console: false }
    }
}

impl Request {
    /// Reads the arguments of `cargo xtask guest`.
    pub fn parse(words: &[String]) -> Result<Request> {
        let mut request = Request::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--console" => request.show_console = true,
                "--kernel" => {
                    let series = words.next().ok_or("--kernel: needs a series, such as 6.1")?;
                    request.kernel = Kernel::of_series(series)?;
                }
                "--shell" => {
                    let command: Vec<&str> = words.by_ref().map(String::as_str).collect();
                    let command = command.strip_prefix(&["--"]).unwrap_or(&command).join(" ");
                    if command.is_empty() {
                        return Err("--shell: needs a command: --shell -- CMD".to_owned());
                    }
                    request.shell = Some(command);
                }
                option if option.starts_with('-') => return Err(format!("{option}: no such option")),
                filter => filter.clone_into(&mut request.filter),
            }
        }
        Ok(request)
    }
}

/// Builds the suites, boots the guest once, runs them all, and counts.
pub fn test(workspace: &Workspace, request: &Request) -> Result<Tally> {
    let _held = workspace.hold_testbed()?;
    let content = build(workspace, request)?;
    if content.suites.is_empty() {
        return Err(format!("{}: no guest suite has that in its name", request.filter));
    }
    let names: Vec<&str> = content.suites.iter().map(|suite| suite.name.as_str()).collect();
    let guest = boot(workspace, request, &content)?;
    let mut results =
        Results { not_run: names.iter().map(|name| (*name).to_owned()).collect(), ..Results::default() };
    let ended = results.follow(&guest);
    if request.show_console || ended.is_err() {
        println!("---- console of the guest ----\n{}\n----", guest.console());
    }
    if let Err(why) = ended {
        println!("guest: killed: {why}");
        results.tally.failed += 1;
    }
    for name in &results.not_run {
        println!("suite {name} ... not run, a failure");
        results.tally.failed += 1;
    }
    println!("\nguest: {} in {:.1} s, kernel and boot included", results.tally, guest.age().as_secs_f64());
    Ok(results.tally)
}

/// Boots the guest, runs one shell command in it, shows its output, and returns its exit code.
pub fn shell(workspace: &Workspace, request: &Request, command: &str) -> Result<u8> {
    let _held = workspace.hold_testbed()?;
    let content =
        Content { suites: Vec::new(), shell: Some(command.to_owned()), ..build(workspace, request)? };
    let guest = boot(workspace, request, &content)?;
    let mut code = None;
    loop {
        match guest.next(SILENCE) {
            Ok(Some(Event::Output(line))) => println!("{line}"),
            Ok(Some(Event::Ended(how))) => {
                code = how.strip_prefix("exit ").and_then(|code| code.parse().ok()).or(Some(255));
            }
            Ok(Some(Event::Trouble(what))) => eprintln!("init: {what}"),
            Ok(Some(Event::Left(what))) => eprintln!("left behind: {what}"),
            Ok(Some(Event::Done) | None) => break,
            Ok(Some(Event::Up | Event::Ready | Event::Suite(_))) => {}
            Err(why) => {
                println!("{}", guest.console());
                return Err(why);
            }
        }
    }
    if request.show_console || code.is_none() {
        println!("---- console of the guest ----\n{}\n----", guest.console());
    }
    code.ok_or_else(|| "the guest ended before the command did".to_owned())
}

fn boot(workspace: &Workspace, request: &Request, content: &Content) -> Result<Guest> {
    let files = request.kernel.files(workspace)?;
    let testbed = workspace.testbed();
    let archive = testbed.join("root.cpio");
    let size = image::write(workspace, &files, content, &archive)?;
    println!("guest: {}, {} suites, archive of {} MiB", files.version, content.suites.len(), size >> 20);
    Guest::boot(request.kernel, &files, &archive, &testbed.join("console.log"))
}

/// Builds init, the programs and the suites.
fn build(workspace: &Workspace, request: &Request) -> Result<Content> {
    let mut built = Vec::new();
    for package in program_packages(workspace) {
        built.extend(build::artifacts(workspace.program_build(package))?);
    }
    let (init, programs): (Vec<Artifact>, _) =
        built.into_iter().filter(|built| built.kind == "bin").partition(|built| built.target == "guest-init");
    let init = init.into_iter().next().ok_or("cargo built no guest-init")?;
    let programs = programs.into_iter().map(|built| Program { name: built.target, path: built.executable });
    Ok(Content {
        init: init.executable,
        programs: programs.collect(),
        suites: suites(workspace, request)?,
        shell: None,
    })
}

/// The packages whose programs the suites use.
fn program_packages(workspace: &Workspace) -> impl Iterator<Item = &Package> {
    let tests = TEST_PROGRAMS.iter().chain(&["guest-init"]).filter_map(|name| workspace.package(name));
    workspace.programs().chain(tests)
}

/// Builds the suites that the request names, in the order of the packages.
fn suites(workspace: &Workspace, request: &Request) -> Result<Vec<Suite>> {
    if request.shell.is_some() {
        return Ok(Vec::new());
    }
    let mut cargo = workspace.cargo(["test", "--no-run"]);
    // (package id, target, kind) of what is wanted, with the name it gets.
    let mut wanted = Vec::new();
    for package in &workspace.packages {
        let mut names = Vec::new();
        if UNIT_TESTS_TOO.contains(&package.name.as_str()) {
            names.push((package.name.clone(), package.name.as_str(), "lib"));
        }
        names.extend(
            package.guest_suites().map(|suite| (format!("{}::{suite}", package.name), suite, "test")),
        );
        names.retain(|(name, ..)| name.contains(&request.filter));
        if !names.is_empty() {
            cargo.args(["--package", &package.name]);
        }
        if names.iter().any(|(.., kind)| *kind == "test") {
            cargo.arg("--features").arg(format!("{}/guest", package.name));
        }
        wanted
            .extend(names.into_iter().map(|(name, target, kind)| (name, package.id.as_str(), target, kind)));
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let built = build::artifacts(cargo)?;
    let find = |(name, package, target, kind): &(String, &str, &str, &str)| {
        let suite = built.iter().find(|built| {
            built.is_test && built.package == *package && built.target == *target && built.kind == *kind
        });
        // A library target may be named otherwise than its package, with _ for -.
        let suite = suite.ok_or_else(|| format!("cargo built no test program for {name}"))?;
        Ok(Suite { name: name.clone(), path: suite.executable.clone() })
    };
    wanted.iter().map(find).collect()
}

/// The results as they come in.
#[derive(Default)]
struct Results {
    tally: Tally,
    not_run: Vec<String>,
    suite: String,
    reader: Reader,
}

impl Results {
    /// Follows the guest to its end. An error: it hung, or ended before its suites did.
    fn follow(&mut self, guest: &Guest) -> Result<()> {
        let mut patience = BOOT_DEADLINE;
        loop {
            let within = patience.min(LIFE.saturating_sub(guest.age()));
            let event = guest.next(within).map_err(|why| format!("{why}, in {}", self.place()))?;
            patience = SILENCE;
            match event {
                Some(Event::Up) => self.note_boot(guest.age()),
                Some(Event::Ready) => println!("guest: ready after {:.1} s", guest.age().as_secs_f64()),
                Some(Event::Suite(name)) => self.begin(name),
                Some(Event::Output(line)) => {
                    if let Some(shown) = self.reader.line(&line) {
                        println!("{shown}");
                    }
                }
                Some(Event::Left(what)) => self.fail(&format!("leaves nothing behind ... FAILED: {what}")),
                Some(Event::Ended(how)) => self.end(&how),
                Some(Event::Trouble(what)) => self.fail(&format!("init ... FAILED: {what}")),
                Some(Event::Done) => return Ok(()),
                None => return Err(format!("the guest ended in {}", self.place())),
            }
        }
    }

    fn place(&self) -> &str {
        if self.suite.is_empty() { "its boot" } else { &self.suite }
    }

    fn note_boot(&mut self, age: Duration) {
        println!("guest: init runs after {:.1} s", age.as_secs_f64());
        if age > BOOT_PROMISE {
            println!("guest: that is later than {} s", BOOT_PROMISE.as_secs());
        }
    }

    fn begin(&mut self, name: String) {
        println!("\n     Running {name} in the guest");
        self.not_run.retain(|other| *other != name);
        self.suite = name;
        self.reader = Reader::default();
    }

    /// A suite must exit as its results say: 101 for failed tests and 0 otherwise.
    fn end(&mut self, how: &str) {
        self.tally.add(self.reader.tally);
        let explained = if self.reader.tally.failed > 0 { how == "exit 101" } else { how == "exit 0" };
        if !explained || !self.reader.is_concluded {
            self.fail(&format!("ends as its tests say ... FAILED: {how}"));
        }
    }

    fn fail(&mut self, what: &str) {
        println!("test {} {what}", self.place());
        self.tally.failed += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn shell_command_is_the_rest_of_the_line() {
        let request = Request::parse(&words("--kernel 6.12 --shell -- ls -l /")).unwrap();
        assert_eq!(request.shell.as_deref(), Some("ls -l /"));
        assert_eq!(request.kernel.series, "6.12");
    }

    #[test]
    fn unknown_option_is_refused() {
        assert_eq!(Request::parse(&words("--fast")).err().as_deref(), Some("--fast: no such option"));
    }

    #[test]
    fn suite_that_dies_without_a_result_is_a_failure() {
        let mut results = Results::default();
        results.begin("a::b".to_owned());
        results.end("signal 11");
        assert_eq!(results.tally, Tally { passed: 0, failed: 1, skipped: 0 });
    }
}
