//! The table: what was measured beside what was promised, in Markdown, so that it can be put into LIMITS.md.

use std::process::ExitCode;

/// The lines so far.
#[derive(Debug, Default)]
pub struct Table {
    lines: Vec<Line>,
    failures: Vec<String>,
}

#[derive(Debug, PartialEq)]
struct Line {
    what: String,
    peer: String,
    measured: String,
    goal: String,
    is_met: bool,
}

/// What a figure is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// It may be this much.
    AtMost(f64),
    /// It must be this much.
    AtLeast(f64),
}

impl Table {
    /// A figure with its unit, and the peer's in the same run.
    pub fn add(&mut self, what: &str, peer: &str, figure: f64, unit: &str, goal: Goal) {
        let (sign, bound, is_met) = match goal {
            Goal::AtMost(bound) => ("≤", bound, figure <= bound),
            Goal::AtLeast(bound) => ("≥", bound, figure >= bound),
        };
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        self.lines.push(Line {
            what: what.to_owned(),
            peer: peer.to_owned(),
            measured: format!("{}{unit}", short(figure)),
            goal: format!("{sign} {}{unit}", short(bound)),
            is_met,
        });
    }

    /// Something could not be measured.
    pub fn note_failure(&mut self, why: String) {
        self.failures.push(why);
    }

    /// Prints it, and what could not be measured; the exit code is success if every goal was met.
    pub fn conclude(&self) -> ExitCode {
        println!("\n| what | peer, same run | measured | goal | |\n|---|---|---|---|---|");
        for Line { what, peer, measured, goal, is_met } in &self.lines {
            let verdict = if *is_met { "met" } else { "**fell short**" };
            println!("| {what} | {peer} | {measured} | {goal} | {verdict} |");
        }
        for failure in &self.failures {
            println!("not measured: {failure}");
        }
        if self.failures.is_empty() && self.lines.iter().all(|line| line.is_met) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// With as many decimals as say something.
pub fn short(figure: f64) -> String {
    if figure == 0.0 || figure.abs() >= 100.0 {
        format!("{figure:.0}")
    } else if figure.abs() >= 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_at_its_bound_and_not_beyond() {
        let mut table = Table::default();
        for (figure, goal) in [
            (20.0, Goal::AtMost(20.0)),
            (20.1, Goal::AtMost(20.0)),
            (3000.0, Goal::AtLeast(3000.0)),
            (2999.0, Goal::AtLeast(3000.0)),
        ] {
            table.add("x", "", figure, "ms", goal);
        }
        assert_eq!(
            table.lines.iter().map(|line| line.is_met).collect::<Vec<_>>(),
            [true, false, true, false]
        );
        assert_eq!(
            (table.lines[1].measured.as_str(), table.lines[1].goal.as_str()),
            ("20.1 ms", "≤ 20.0 ms")
        );
    }
}
