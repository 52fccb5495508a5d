//! Histories of instances: random commands and events, performed on a model of the machine, with a daemon that is
//! killed between any two effects.

use instance::message::IfRunning;
use instance::state::{Circumstances, Command, Effect, Exit, Found, Freezer, Phase, Shim, State, apply};
use instance::{InstanceName, Restart};

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// What there is of an instance outside of the daemon.
struct Machine {
    name: InstanceName,
    restart: Restart,
    now_ms: u64,
    /// The record on disk; `None` once the files are removed.
    disk: Option<State>,
    shim: Option<Shim>,
    frozen: bool,
    asked: bool,
    /// exit.json, until it is swept.
    left: Option<Exit>,
    /// The daemon's own: gone when it is killed.
    timer: Option<u64>,
    started: u64,
    /// How the last shim ended, if it said so: what the record has to say once it is settled.
    truth: Option<Exit>,
    told: Vec<&'static str>,
}

enum Performed {
    Whole,
    Killed,
}

impl Machine {
    fn new(restart: Restart) -> Self {
        Self {
            name: InstanceName::new("web").unwrap(),
            restart,
            now_ms: 1_000_000,
            disk: Some(State::new(1_000_000)),
            shim: None,
            frozen: false,
            asked: false,
            left: None,
            timer: None,
            started: 0,
            truth: None,
            told: Vec::new(),
        }
    }

    /// Applies a command and performs its effects, but for those after `killed_after`.
    fn perform(&mut self, command: &Command, killed_after: Option<u64>) -> Performed {
        let Some(state) = self.disk.clone() else { return Performed::Whole };
        let with =
            Circumstances { name: &self.name, restart: self.restart, grace_ms: 10_000, now_ms: self.now_ms };
        let (next, effects) = match apply(&state, &with, command) {
            Ok(decision) => decision,
            Err(refusal) => {
                assert!(refusal.data.starts_with("instance web: "), "{refusal:?}");
                return Performed::Whole;
            }
        };
        if next != state && !matches!(command, Command::Rename) {
            assert!(
                effects.contains(&Effect::Keep),
                "{command:?} changes {state:?} and does not keep {next:?}"
            );
        }
        let mut follows = None;
        for (number, effect) in effects.iter().enumerate() {
            if killed_after == Some(number as u64) {
                return Performed::Killed;
            }
            if let Some(command) = self.effect(effect, &next) {
                follows = Some(command);
            }
        }
        match (follows, killed_after) {
            (Some(_), Some(after)) if after == effects.len() as u64 => Performed::Killed,
            (Some(command), _) => self.perform(&command, None),
            (None, _) => Performed::Whole,
        }
    }

    fn effect(&mut self, effect: &Effect, next: &State) -> Option<Command> {
        match effect {
            Effect::Keep => self.disk = Some(next.clone()),
            Effect::StartShim => {
                assert_eq!(self.shim, None, "a second shim");
                assert_eq!(self.left, None, "a shim is started over the end of the last run");
                self.started += 1;
                // Every fifth start fails.
                if self.started.is_multiple_of(5) {
                    return Some(Command::ShimFailed { code: 127, reason: "no such program".into() });
                }
                let shim = Shim { pid: 100, start: self.started };
                self.shim = Some(shim);
                return Some(Command::ShimReady { shim, pid: 101, address: None });
            }
            Effect::Freeze => self.frozen = self.shim.is_some(),
            Effect::Thaw => self.frozen = false,
            Effect::AskToStop { .. } => {
                assert!(!self.frozen, "who is frozen cannot stop");
                self.asked = true;
            }
            Effect::Sweep => {
                assert_eq!(self.shim, None, "what runs is swept away");
                self.left = None;
            }
            Effect::RemoveFiles => {
                assert_eq!(self.shim, None, "files are removed from under a process");
                self.disk = None;
            }
            Effect::SetTimer { due_ms } => self.timer = Some(*due_ms),
            Effect::Tell(word) => self.told.push(word),
            Effect::Work | Effect::Rename => {}
        }
        None
    }

    /// The shim ends, with or without a word.
    fn end_shim(&mut self, exit: Option<Exit>) {
        self.shim = None;
        (self.frozen, self.asked) = (false, false);
        self.truth.clone_from(&exit);
        self.left = exit;
    }

    fn recover(&mut self, killed_after: Option<u64>) -> Performed {
        self.timer = None;
        let found = match (self.shim, self.left.clone()) {
            (Some(shim), _) => {
                let freezer = if self.frozen { Freezer::Frozen } else { Freezer::Thawed };
                Found::Alive { shim, pid: 101, freezer, address: None }
            }
            (None, Some(exit)) => Found::Ended(exit),
            (None, None) => Found::Nothing,
        };
        self.perform(&Command::Recover(found), killed_after)
    }

    /// What holds whenever a daemon waits for what comes next.
    fn check(&self) {
        let Some(state) = &self.disk else {
            assert_eq!(self.shim, None, "a shim of an instance that is not there");
            return;
        };
        if let (Some(truth), Some(exit)) = (&self.truth, state.exit()) {
            // A start by policy that fails is an end too.
            assert!(exit == truth || exit.code == 127, "{exit:?} in place of {truth:?}");
        }
        match &state.phase {
            Phase::Running { shim, .. } => {
                assert_eq!(self.shim, Some(*shim));
                assert!(!self.frozen, "frozen, and nobody knows");
            }
            Phase::Paused { shim, .. } => {
                assert_eq!(self.shim, Some(*shim));
                assert!(self.frozen, "paused, and runs");
            }
            Phase::Stopping { shim, .. } => {
                assert_eq!(self.shim, Some(*shim));
                assert!(self.asked && !self.frozen, "would never stop");
            }
            Phase::Restarting { due_ms, .. } => {
                assert_eq!((self.shim, self.timer), (None, Some(*due_ms)), "would never be started again");
            }
            Phase::Created | Phase::Exited { .. } => {
                assert_eq!((self.shim, &self.left), (None, &None));
            }
            Phase::Starting { .. } | Phase::Removing => panic!("left in {state:?}"),
        }
    }
}

fn command(random: &mut Random) -> Command {
    match random.below(9) {
        0 | 1 => Command::Run,
        2 => Command::Stop { grace_ms: None },
        3 => Command::Pause,
        4 => Command::Resume,
        5 => Command::Rm(if random.below(4) == 0 { IfRunning::Stop } else { IfRunning::Refuse }),
        6 => Command::Read,
        7 => Command::Set,
        _ => Command::Rename,
    }
}

/// The shim ends; the daemon sees it, or is killed before it does.
fn end(machine: &mut Machine, random: &mut Random) -> Performed {
    // By itself, or by reboot(2).
    let (code, signal) = [(0, None), (3, None), (129, Some(1)), (130, Some(2))][random.below(4) as usize];
    let exit = Exit { code, signal, oom: false, at_ms: machine.now_ms, reason: None };
    let exit = (random.below(4) != 0).then_some(exit);
    machine.end_shim(exit.clone());
    match random.below(3) {
        0 => Performed::Killed,
        1 => machine.perform(&exit.map_or(Command::Lost, Command::Ended), Some(random.below(6))),
        _ => machine.perform(&exit.map_or(Command::Lost, Command::Ended), None),
    }
}

fn history(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let policies = [Restart::No, Restart::OnFailure(2), Restart::Always, Restart::UnlessStopped];
    let mut machine = Machine::new(policies[random.below(4) as usize]);
    for _ in 0..60 {
        machine.now_ms += random.below(15_000);
        let killed_after = (random.below(3) == 0).then(|| random.below(6));
        let timer = machine.timer.filter(|due| *due <= machine.now_ms);
        let mut performed = match random.below(4) {
            0 if machine.shim.is_some() => end(&mut machine, &mut random),
            1 if timer.is_some() => {
                let due_ms = machine.timer.take().unwrap();
                machine.perform(&Command::RestartDue { due_ms }, killed_after)
            }
            _ => machine.perform(&command(&mut random), killed_after),
        };
        // The next daemon may be killed while it recovers, too; in the end one is not.
        while let Performed::Killed = performed {
            let again = (random.below(3) == 0).then(|| random.below(5));
            performed = machine.recover(again);
        }
        machine.check();
        if machine.disk.is_none() {
            break;
        }
    }
}

#[test]
fn no_history_has_two_shims_or_ends_between_two_states() {
    for seed in 0..30_000 {
        history(seed);
    }
}

#[test]
fn a_recovery_of_a_settled_instance_changes_nothing() {
    let mut machine = Machine::new(Restart::No);
    machine.perform(&Command::Run, None);
    for command in [Command::Set, Command::Pause, Command::Resume] {
        machine.perform(&command, None);
        let before = machine.disk.clone();
        machine.recover(None);
        assert_eq!(machine.disk, before, "after {command:?}");
    }
}

#[test]
fn who_was_stopped_is_started_with_the_daemon_only_where_the_policy_says_always() {
    for (policy, is_started) in [
        (Restart::No, false),
        (Restart::OnFailure(0), false),
        (Restart::UnlessStopped, false),
        (Restart::Always, true),
    ] {
        let mut machine = Machine::new(policy);
        machine.perform(&Command::Run, None);
        machine.perform(&Command::Stop { grace_ms: None }, None);
        let exit = Exit { code: 143, signal: Some(15), oom: false, at_ms: machine.now_ms, reason: None };
        machine.end_shim(Some(exit.clone()));
        machine.perform(&Command::Ended(exit), None);
        machine.recover(None);
        assert_eq!(machine.timer.is_some(), is_started, "{policy:?}");
    }
}

#[test]
fn who_has_powered_itself_off_is_as_if_it_were_stopped() {
    for (policy, is_started) in [(Restart::UnlessStopped, false), (Restart::Always, true)] {
        let mut machine = Machine::new(policy);
        machine.perform(&Command::Run, None);
        let exit = Exit { code: 130, signal: Some(2), oom: false, at_ms: machine.now_ms, reason: None };
        machine.end_shim(Some(exit.clone()));
        machine.perform(&Command::Ended(exit), None);
        assert_eq!(machine.timer, None, "{policy:?}");
        // The next daemon.
        machine.recover(None);
        assert_eq!(machine.timer.is_some(), is_started, "{policy:?}");
    }
}

#[test]
fn a_start_that_came_to_nothing_leaves_how_the_last_run_ended() {
    let mut machine = Machine::new(Restart::No);
    machine.perform(&Command::Run, None);
    let exit = Exit { code: 3, signal: None, oom: false, at_ms: machine.now_ms, reason: None };
    machine.end_shim(Some(exit.clone()));
    machine.perform(&Command::Ended(exit.clone()), None);
    machine.started = 4;
    machine.perform(&Command::Run, None);
    assert_eq!(machine.disk.unwrap().phase, Phase::Exited { exit });
}

#[test]
fn a_lost_shim_is_said_and_comes_to_137() {
    let mut machine = Machine::new(Restart::No);
    machine.perform(&Command::Run, None);
    machine.end_shim(None);
    machine.perform(&Command::Lost, None);
    let state = machine.disk.unwrap();
    let exit = state.exit().unwrap();
    assert_eq!((exit.code, exit.reason.as_deref()), (137, Some("its shim was lost")));
    assert!(machine.told.contains(&"shim_lost"));
}
