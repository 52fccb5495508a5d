//! `cargo xtask fuzz`: the targets of `tests/fuzz` under libFuzzer, which finds inputs by the code they reach.
//!
//! The program is built apart from everything else, with flags of its own: the instrumentation of stable rustc's
//! LLVM, which is what libFuzzer's counters are, and all checks of a debug build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{Result, build, debian};

/// The targets, and how many inputs each gets where no other number is asked for: some seconds each.
const TARGETS: [(&str, u64); 14] = [
    ("line", 200_000),
    ("frame", 200_000),
    ("output", 15_000),
    ("options", 200_000),
    ("accounts", 60_000),
    ("proc", 150_000),
    ("json-write", 30_000),
    ("config", 80_000),
    ("records", 60_000),
    ("modules", 100_000),
    ("answers", 40_000),
    ("tar", 30_000),
    ("layer", 4_000),
    ("documents", 4_000),
];

/// The instrumentation: a counter and a place in a table for every edge, and the operands of comparisons, so that
/// constants of the code are found.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Longer inputs show nothing that shorter ones do not: the limits of the protocol are reached by repetition, and
/// a journal with three slots has 1,536 bytes.
const LONGEST: &str = "-max_len=1600";

/// No input takes this many seconds; one that does is a failure.
const SLOWEST: &str = "-timeout=10";

const HELP: &str = "\
cargo xtask fuzz [TARGET…]   every target unless some are named

  --runs N      so many inputs each, from the committed corpus and a fixed seed: the same in every run
  --seconds S   for so long each, from what was found before too, and another seed
  --merge       adds to the committed corpus what was found so and reaches something new
  --input FILE  runs the one target on this file alone, with what it prints
";

/// What was asked for.
#[derive(Default)]
struct Request {
    targets: Vec<String>,
    runs: Option<u64>,
    seconds: Option<u64>,
    merges: bool,
    input: Option<PathBuf>,
}

impl Request {
    fn parse(words: &[String]) -> Result<Request> {
        let mut request = Request::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let value = words.next().and_then(|value| value.parse().ok());
                value.ok_or_else(|| format!("{word}: needs a number"))
            };
            match word.as_str() {
                "--runs" => request.runs = Some(number()?),
                "--seconds" => request.seconds = Some(number()?),
                "--merge" => request.merges = true,
                "--input" => request.input = Some(words.next().ok_or("--input: needs a file")?.into()),
                name if TARGETS.iter().any(|(known, _)| *known == name) => {
                    request.targets.push(name.to_owned())
                }
                other => {
                    let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
                    return Err(format!(
                        "fuzz {other}: no such option or target; targets: {}",
                        known.join(", ")
                    ));
                }
            }
        }
        Ok(request)
    }
}

/// Does what `cargo xtask fuzz` was asked for.
pub fn run(words: &[String]) -> Result<ExitCode> {
    if words.first().is_some_and(|word| word.ends_with("help") || word == "-h") {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let request = Request::parse(words)?;
    debian::install()?;
    let engine = Engine::build(&Workspace::read()?)?;
    if let Some(input) = &request.input {
        let [target] = request.targets.as_slice() else { return Err("--input: for one target".to_owned()) };
        let status = engine.command(target).arg(input).status();
        let is_fine = status.map_err(|why| format!("{}: {why}", engine.program.display()))?.success();
        return Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let mut failed = false;
    for (name, usual) in TARGETS
        .iter()
        .filter(|(name, _)| request.targets.is_empty() || request.targets.iter().any(|target| target == name))
    {
        let length = match (request.seconds, request.merges) {
            (Some(seconds), _) => Some(Length::Seconds(seconds)),
            (None, true) => None,
            (None, false) => Some(Length::Runs(request.runs.unwrap_or(*usual))),
        };
        if let Some(length) = length {
            failed |= !engine.fuzz(name, length)?;
        }
        if request.merges {
            engine.merge(name)?;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Every target for its usual number of inputs; each counts as a test.
pub fn test(workspace: &Workspace) -> Result<Tally> {
    let engine = Engine::build(workspace)?;
    let mut tally = Tally::default();
    for (name, runs) in TARGETS {
        let passed = engine.fuzz(name, Length::Runs(runs))?;
        *if passed { &mut tally.passed } else { &mut tally.failed } += 1;
    }
    Ok(tally)
}

/// How long a target is run.
#[derive(Clone, Copy)]
enum Length {
    /// So many inputs, beginning with nothing but the committed corpus.
    Runs(u64),
    /// For so long, beginning with what was found before too.
    Seconds(u64),
}

/// The built program and its places.
struct Engine {
    program: PathBuf,
    /// `tests/fuzz/corpus`
    corpus: PathBuf,
    /// `target/fuzz`
    kept: PathBuf,
}

impl Engine {
    fn build(workspace: &Workspace) -> Result<Engine> {
        let kept = workspace.target.join("fuzz");
        let mut cargo =
            workspace.cargo(["build", "--quiet", "--profile=fuzz", "--package=fuzz", "--features=engine"]);
        // In place of the flags of .cargo/config.toml: the C++ library is linked as usual. A directory of its own,
        // or every change between the two would build everything anew.
        cargo.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &kept);
        let made = build::artifacts(cargo)?;
        let program = made.into_iter().find(|artifact| artifact.kind == "bin");
        let program = program.ok_or("the fuzz targets: cargo built no program")?.executable;
        Ok(Engine { program, corpus: workspace.root.join("tests/fuzz/corpus"), kept })
    }

    fn command(&self, target: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.env("FUZZ_TARGET", target).args([LONGEST, SLOWEST]).stdin(Stdio::null());
        command
    }

    /// A directory below `kept`, made.
    fn directory(&self, what: &str, target: &str) -> Result<PathBuf> {
        let path = self.kept.join(what).join(target);
        fs::create_dir_all(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        Ok(path)
    }

    /// Runs a target; says how it went, and whether well.
    fn fuzz(&self, target: &str, length: Length) -> Result<bool> {
        let crashes = self.directory("crashes", target)?;
        let log = self.kept.join(format!("{target}.log"));
        let mut command = self.command(target);
        // What a target prints is not wanted here: a command line that is wrong is a line of complaint.
        command.arg("-close_fd_mask=3").arg(format!("-artifact_prefix={}/", crashes.display()));
        // What is found is written to the first directory: the corpus itself is never that.
        match length {
            Length::Runs(runs) => {
                let nothing = self.directory("nothing", target)?;
                fs::remove_dir_all(&nothing).map_err(|why| format!("{}: {why}", nothing.display()))?;
                command.arg("-seed=1").arg(format!("-runs={runs}")).arg(self.directory("nothing", target)?)
            }
            Length::Seconds(seconds) => command
                .arg(format!("-max_total_time={seconds}"))
                .arg("-reload=0")
                .arg(self.directory("found", target)?),
        };
        let file = fs::File::create(&log).map_err(|why| format!("{}: {why}", log.display()))?;
        let began = Instant::now();
        let status = command.arg(self.corpus.join(target)).stdout(Stdio::null()).stderr(file).status();
        let status = status.map_err(|why| format!("{}: {why}", self.program.display()))?;
        let text = fs::read(&log).map_err(|why| format!("{}: {why}", log.display()))?;
        let text = String::from_utf8_lossy(&text);
        if status.success() {
            println!("fuzz {target}: {}", summary(&text, began.elapsed()));
            return Ok(true);
        }
        println!("fuzz {target}: FAILED ({status}); see {}", log.display());
        if let Some((_, unit)) = text.rsplit_once("Test unit written to ") {
            self.explain(target, Path::new(unit.lines().next().unwrap_or_default().trim()));
        }
        Ok(false)
    }

    /// Runs the target once more on what it failed with, for its words.
    fn explain(&self, target: &str, unit: &Path) {
        if let Ok(again) = self.command(target).arg(unit).output() {
            let words = String::from_utf8_lossy(&again.stderr).into_owned();
            let panic = words.lines().skip_while(|line| !line.contains("panicked at")).take(8);
            panic.for_each(|line| println!("  {line}"));
        }
        println!("  again: cargo xtask fuzz {target} --input {}", unit.display());
        println!("  once it is mended: copy the file to {}", self.corpus.join(target).display());
    }

    /// Adds to the corpus what was found and reaches something that the corpus does not.
    fn merge(&self, target: &str) -> Result<()> {
        let found = self.directory("found", target)?;
        let mut command = self.command(target);
        // Edges alone count, not how often they are taken: the corpus is to stay small.
        command
            .args(["-set_cover_merge=1", "-use_counters=0", "-close_fd_mask=3"])
            .arg(self.corpus.join(target))
            .arg(found);
        let done = command.output().map_err(|why| format!("{}: {why}", self.program.display()))?;
        if done.status.success() { Ok(()) } else { Err(format!("merge of {target}: {}", done.status)) }
    }
}

/// The numbers of libFuzzer's last line: `#200000 DONE cov: 2110 ft: 6141 corp: 1402/98Kb …`
fn summary(log: &str, took: Duration) -> String {
    let last = log.lines().rfind(|line| line.starts_with('#') && line.contains("DONE")).unwrap_or_default();
    let words: Vec<&str> = last.split_whitespace().collect();
    let behind = |label: &str| {
        words.iter().position(|word| *word == label).and_then(|at| words.get(at + 1)).copied().unwrap_or("?")
    };
    let runs = words.first().map_or("?", |word| word.trim_start_matches('#'));
    format!("{runs} inputs, {} edges, {:.1} s", behind("cov:"), took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::summary;
    use std::time::Duration;

    #[test]
    fn the_last_line_of_a_run_is_told_in_short() {
        let log = "INFO: Seed: 1\n#2\tINITED cov: 5 ft: 6\n#200\tDONE   cov: 21 ft: 61 corp: 14/9b\n\
                   ###### Recommended dictionary. ######\nDone 200 runs\n";
        assert_eq!(summary(log, Duration::from_millis(1500)), "200 inputs, 21 edges, 1.5 s");
    }
}
