//! What LIMITS.md promises of `husk run`, held against what was measured.

use std::process::ExitCode;

use super::crowd::Crowds;
use super::figures::Ratio;
use super::rounds::{Calls, Runs};

/// Ours, the peer, and how much of the peer's median wall time ours may take. Without and with Docker's
/// seccomp profile, and the default, which has it, against the peers' runs without.
const WALL: &[(&str, &str, f64)] = &[
    ("husk-unconfined", "floor", 1.5),
    ("husk-unconfined", "crun", 0.5),
    ("husk-unconfined", "runc", 0.12),
    ("husk", "floor", 1.5),
    ("husk", "crun", 0.5),
    ("husk", "crun-seccomp", 0.4),
    ("husk", "runc-seccomp", 0.12),
];

/// The same for a crowd.
const CROWD: &[(&str, &str, f64)] = &[("husk-unconfined", "crun", 0.5), ("husk", "crun-seccomp", 0.5)];

/// Ours: whom the goals without a peer are about.
const OURS: &[&str] = &["husk-unconfined", "husk"];

/// The largest resident set of any process, in KiB.
const PEAK_KIB: u64 = 2048;

/// System calls of parent and child together.
const CALLS: u64 = 160;

/// The goals judged so far.
#[derive(Debug, Default)]
pub struct Goals(Vec<Goal>);

#[derive(Debug, PartialEq, Eq)]
struct Goal {
    what: String,
    measured: String,
    limit: String,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Met,
    NotMet,
    NotMeasured,
}

impl Goals {
    /// Wall time and memory of a run.
    pub fn judge_runs(&mut self, measured: &[Runs]) {
        let walls = |name: &str| -> Option<Vec<u64>> {
            let runs = measured.iter().find(|runs| runs.name == name)?;
            Some(runs.costs.iter().map(|cost| cost.wall_ns).collect())
        };
        for (ours, peer, limit) in WALL {
            if let (Some(our_walls), Some(peer_walls)) = (walls(ours), walls(peer)) {
                self.judge_ratio(&format!("{ours} / {peer}"), Ratio::of(&our_walls, &peer_walls), *limit);
            }
        }
        for runs in measured.iter().filter(|runs| OURS.contains(&runs.name)) {
            let peak = runs.costs.iter().map(|cost| cost.peak_kib).max();
            self.judge_figure(&format!("{}: largest peak memory, KiB", runs.name), peak, PEAK_KIB);
        }
    }

    /// System calls.
    pub fn judge_calls(&mut self, counted: &[Calls]) {
        for calls in counted.iter().filter(|calls| OURS.contains(&calls.name)) {
            self.judge_figure(&format!("{}: system calls", calls.name), calls.count, CALLS);
        }
    }

    /// Time, failures and leftovers of crowds.
    pub fn judge_crowds(&mut self, measured: &[Crowds]) {
        let find = |name: &str| measured.iter().find(|crowds| crowds.name == name);
        for (ours, peer, limit) in CROWD {
            if let (Some(our), Some(their)) = (find(ours), find(peer)) {
                let ratio = Ratio::of(&our.walls_ns, &their.walls_ns);
                self.judge_ratio(&format!("100 side by side, {ours} / {peer}"), ratio, *limit);
            }
        }
        for crowds in measured.iter().filter(|crowds| OURS.contains(&crowds.name)) {
            let count = |things: &[String]| (!crowds.walls_ns.is_empty()).then_some(things.len() as u64);
            let name = crowds.name;
            self.judge_figure(&format!("100 side by side, {name}: failed"), count(&crowds.failures), 0);
            self.judge_figure(&format!("100 side by side, {name}: left behind"), count(&crowds.left), 0);
        }
    }

    /// Prints the verdicts; the exit code is success if every goal was met.
    pub fn conclude(&self) -> ExitCode {
        if self.0.is_empty() {
            return ExitCode::SUCCESS;
        }
        println!("\n| goal | measured | limit | |\n|---|---|---|---|");
        for goal in &self.0 {
            let verdict = match goal.verdict {
                Verdict::Met => "met",
                Verdict::NotMet => "**not met**",
                Verdict::NotMeasured => "not measured",
            };
            println!("| {} | {} | ≤ {} | {verdict} |", goal.what, goal.measured, goal.limit);
        }
        println!("\na ratio is that of the medians; in brackets the median of the ratios of each round");
        let all_met = self.0.iter().all(|goal| goal.verdict == Verdict::Met);
        if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn judge_ratio(&mut self, what: &str, ratio: Option<Ratio>, limit: f64) {
        let measured = ratio.map(|ratio| format!("{:.3} ({:.3})", ratio.of_medians, ratio.of_pairs));
        let verdict = ratio.map(|ratio| ratio.of_medians <= limit);
        self.add(what, measured, limit.to_string(), verdict);
    }

    fn judge_figure(&mut self, what: &str, figure: Option<u64>, limit: u64) {
        let verdict = figure.map(|figure| figure <= limit);
        self.add(what, figure.map(|figure| figure.to_string()), limit.to_string(), verdict);
    }

    fn add(&mut self, what: &str, measured: Option<String>, limit: String, met: Option<bool>) {
        let verdict = match met {
            Some(true) => Verdict::Met,
            Some(false) => Verdict::NotMet,
            None => Verdict::NotMeasured,
        };
        let measured = measured.unwrap_or_else(|| "–".to_owned());
        self.0.push(Goal { what: what.to_owned(), measured, limit, verdict });
    }
}

#[cfg(test)]
mod tests {
    use super::super::contestants;
    use super::super::rounds::Cost;
    use super::*;

    fn runs(name: &'static str, milliseconds: &[u64]) -> Runs {
        let cost = |wall: &u64| Cost { wall_ns: wall * 1_000_000, cpu_us: 1, peak_kib: 1500, faults: 1 };
        Runs { name, costs: milliseconds.iter().map(cost).collect(), failure: None }
    }

    fn verdicts(goals: &Goals) -> Vec<(&str, Verdict)> {
        goals.0.iter().map(|goal| (goal.what.as_str(), goal.verdict)).collect()
    }

    #[test]
    fn every_goal_is_about_contestants_that_exist() {
        let known = |name: &str| contestants::ALL.iter().any(|contestant| contestant.name == name);
        assert!(WALL.iter().chain(CROWD).all(|(ours, peer, _)| known(ours) && known(peer)));
        assert!(OURS.iter().all(|name| known(name)));
    }

    #[test]
    fn a_goal_is_met_at_its_limit_and_not_above() {
        let mut goals = Goals::default();
        goals.judge_runs(&[runs("floor", &[4, 4, 4]), runs("crun", &[11, 12, 13]), runs("husk", &[6, 7, 6])]);
        assert_eq!(
            verdicts(&goals),
            [
                ("husk / floor", Verdict::Met),
                ("husk / crun", Verdict::Met),
                ("husk: largest peak memory, KiB", Verdict::Met)
            ]
        );
        let mut goals = Goals::default();
        goals.judge_runs(&[runs("floor", &[4, 4, 4]), runs("husk", &[7, 7, 7])]);
        assert_eq!(verdicts(&goals)[0], ("husk / floor", Verdict::NotMet));
    }

    #[test]
    fn what_did_not_run_is_not_measured_rather_than_met() {
        let mut goals = Goals::default();
        goals.judge_runs(&[runs("floor", &[4]), runs("husk", &[])]);
        goals.judge_calls(&[Calls { name: "husk", count: None }]);
        assert!(verdicts(&goals).iter().all(|(_, verdict)| *verdict == Verdict::NotMeasured));
        assert_eq!(goals.0.len(), 3);
    }

    #[test]
    fn one_thing_left_behind_is_one_too_many() {
        let crowd = |left: &[&str]| Crowds {
            name: "husk",
            walls_ns: vec![1],
            failures: Vec::new(),
            left: left.iter().map(|line| (*line).to_owned()).collect(),
        };
        let mut goals = Goals::default();
        goals.judge_crowds(&[crowd(&["file /run/x"])]);
        assert_eq!(goals.0[1].verdict, Verdict::NotMet);
        let mut goals = Goals::default();
        goals.judge_crowds(&[crowd(&[])]);
        assert_eq!(goals.0[1].verdict, Verdict::Met);
    }
}
