//! The first process alone: one command from its start to its end, by itself, by a signal, by force.

use std::time::{Duration, Instant};

use crate::choice::{alone, faults, name, try_all};
use crate::traced::{Fault, First, Folder, Lasting, PATIENCE, Reach, SIGTERM, SIGUSR1, Tracer};

/// A life of the first process.
struct Scenario {
    what: &'static str,
    /// What the program is called.
    name: &'static str,
    arguments: &'static [&'static str],
    /// What is done once the command has said that it runs.
    then: fn(&First),
    /// What it ends with; where it is a matter of moments, one of these.
    codes: &'static [i32],
}

const TERM: fn(&First) = |first| first.signal(SIGTERM);

const SCENARIOS: [Scenario; 8] = [
    Scenario {
        what: "a command that ends",
        name: "minit",
        arguments: &["--no-api", "--grace=300ms", "sh", "-c", "echo runs; exit 7"],
        then: |_| {},
        codes: &[7],
    },
    Scenario {
        what: "a signal, orphans, and an end by SIGTERM",
        name: "minit",
        arguments: &["--no-api", "--grace=1500ms", "sh", "-c", SIGNALLED],
        then: |first| {
            first.signal(SIGUSR1);
            // Where passing it on is what fails, it does not arrive.
            first.line(MOMENT);
            first.signal(SIGTERM);
        },
        codes: &[9],
    },
    Scenario {
        what: "a straggler that has to be killed",
        name: "minit",
        arguments: &["--no-api", "--grace=200ms", "sh", "-c", STRAGGLER],
        then: TERM,
        codes: &[143],
    },
    Scenario {
        what: "a command that is started again",
        name: "minit",
        arguments: &["--no-api", "--on-exit=respawn", "--grace=300ms", "sh", "-c", "echo runs; exit 5"],
        then: |first| {
            // A second after the first run.
            first.line(3 * MOMENT);
            first.signal(SIGTERM);
        },
        // It ends by itself, by the signal, or cannot be started again.
        codes: &[5, 143, 125],
    },
    Scenario {
        what: "a first process that reaps by itself",
        name: "minit",
        arguments: &["--no-api", "--on-exit=stay", "--grace=300ms", "sh", "-c", "echo runs; exit 4"],
        then: |first| {
            // It has ended by then.
            std::thread::sleep(MOMENT / 5);
            first.signal(SIGTERM);
        },
        codes: &[4],
    },
    Scenario {
        what: "a first process that is called tini",
        name: "tini",
        arguments: &["sh", "-c", SIGNALLED],
        then: TERM,
        codes: &[9],
    },
    Scenario {
        what: "the api beside a command",
        name: "minit",
        arguments: &["--socket=SOCKET", "--on-exit=exit", "--grace=1500ms", "sh", "-c", SIGNALLED],
        then: |first| {
            first.signal(SIGUSR1);
            first.line(MOMENT);
            first.signal(SIGTERM);
        },
        codes: &[9],
    },
    Scenario {
        what: "a command with options",
        name: "minit",
        arguments: &[
            "--no-api",
            "--grace=300ms",
            "--user=root",
            "--groups=1,2",
            "--rlimit=core=0",
            "--umask=022",
            "--env=A=1",
            "sh",
            "-c",
            "echo runs; exit 3",
        ],
        then: |_| {},
        codes: &[3],
    },
];

const SIGNALLED: &str = "trap 'echo usr1' USR1; trap 'exit 9' TERM; (true &); echo runs; \
    while :; do sleep 30 & wait; done";
const STRAGGLER: &str = "setsid sh -c 'trap \"\" TERM; echo runs; sleep 30' & wait";

/// Longer than what arrives at all takes.
const MOMENT: Duration = Duration::from_millis(700);

/// How one life went.
struct Life {
    took: Duration,
    /// Whether the command got to run.
    ran: bool,
    code: Option<i32>,
    said: String,
    log: Vec<String>,
}

fn live(scenario: &Scenario, fault: Option<&Fault>) -> Life {
    let folder = Folder::new();
    let mut first = First::prepare(&folder, scenario.name, scenario.arguments);
    let tracer = Tracer::attach(first.pid, folder.join("log"), fault, Reach::Alone);
    first.go();
    let began = Instant::now();
    let ran = first.line(PATIENCE) == "runs";
    if ran {
        (scenario.then)(&first);
    }
    let code = first.end();
    let log = tracer.detach();
    Life { took: began.elapsed(), ran, code, said: first.said(), log }
}

/// More calls in a second than this, beyond those of a life without a fault, are a loop that does not wait.
const CALMEST_SPIN: usize = 600;

fn judge(scenario: &Scenario, fault: &Fault, life: &Life, usual: usize) -> Result<(), String> {
    let calls = life.log.iter().filter(|line| name(line).is_some()).count();
    let words = || format!("code {:?}, {calls} calls in {:?}, said {:?}", life.code, life.took, life.said);
    let Some(code) = life.code else { return Err(format!("hangs: {}", words())) };
    if calls > usual + 100 + CALMEST_SPIN * (1 + life.took.as_secs() as usize) {
        return Err(format!("spins: {}", words()));
    }
    if !life.said.lines().all(|line| line.starts_with("minit: ") || line.contains(" tini (")) {
        return Err(format!("somebody else complains: {}", words()));
    }
    match code {
        code if scenario.codes.contains(&code) => Ok(()),
        // Nothing had been started.
        125..=127 if !life.ran && life.said.lines().count() == 1 => Ok(()),
        // Who could not be told to end was killed after the grace, which was said; or by the kernel, with the namespace.
        137 if fault.call == "kill" => Ok(()),
        // The kernel has reaped the command and does not say how it ended.
        125 if fault.call == "ioctl"
            && fault.lasting == Lasting::FromThereOn
            && life.said.lines().count() == 1 =>
        {
            Ok(())
        }
        // tini's own code for what is wrong with itself.
        1 if scenario.name == "tini" && !life.ran && life.said.lines().count() == 1 => Ok(()),
        _ => Err(words()),
    }
}

#[test]
fn whatever_call_of_the_first_process_fails_it_neither_exits_nor_hangs() {
    let _alone = alone();
    let mut wrong = Vec::new();
    for scenario in &SCENARIOS {
        let life = live(scenario, None);
        let is_usual = life.code.is_some_and(|code| scenario.codes.contains(&code));
        assert!(life.ran && is_usual, "{}: {:?}, {}", scenario.what, life.code, life.said);
        let start = life.log.iter().position(|line| name(line) == Some("execve")).expect("minit is executed");
        // tini gives nobody a grace: who cannot be told to end lives on, and so does it.
        let is_spared = |line: &str| scenario.name == "tini" && name(line) == Some("kill");
        let faults = faults(&life.log, |index, line| index > start && !is_spared(line));
        let usual = life.log.len();
        wrong.extend(try_all(scenario.what, faults, MOST, |fault| {
            judge(scenario, fault, &live(scenario, Some(fault)), usual)
        }));
    }
    assert!(wrong.is_empty(), "{} faults\n{}", wrong.len(), wrong.join("\n"));
}

/// Of each scenario, unless all are asked for.
const MOST: usize = 150;
