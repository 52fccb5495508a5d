//! Reading what a Rust test program prints, and counting.

use std::fmt;

/// Counts of tests.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed, and programs that ended otherwise than their tests explain.
    pub failed: u64,
    /// Tests that were not run, or said that they cannot run here.
    pub skipped: u64,
}

impl Tally {
    /// Adds another tally to this one.
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        write!(to, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Follows the lines of test programs that were started with `--show-output`.
///
/// libtest has no way for a test to say at run time that it cannot run. Here it prints a line that begins
/// with `skipped: ` and the reason, and returns: it is then counted as skipped instead of passed.
#[derive(Default)]
pub struct Reader {
    /// The sums so far.
    pub tally: Tally,
    in_successes: bool,
    /// The test whose output is being shown.
    test: String,
    /// Tests of this program that said they cannot run.
    skipped: u64,
    /// Whether the current program has printed its result line.
    pub is_concluded: bool,
}

impl Reader {
    /// Takes a line; returns what to show of it. The output of tests that passed is not shown.
    pub fn line(&mut self, line: &str) -> Option<String> {
        if line.starts_with("running ") && line.trim_end().ends_with(['t', 's']) && line.contains(" test") {
            self.in_successes = false;
            self.is_concluded = false;
        } else if line == "successes:" {
            self.in_successes = true;
            return None;
        } else if line == "failures:" {
            self.in_successes = false;
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.conclude(result);
        }
        if !self.in_successes {
            return Some(line.to_owned());
        }
        if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            name.clone_into(&mut self.test);
        } else if let Some(reason) = line.strip_prefix("skipped: ") {
            // A test may say it twice; it is still one test.
            let test = std::mem::take(&mut self.test);
            if !test.is_empty() {
                self.skipped += 1;
                return Some(format!("test {test} ... skipped: {reason}"));
            }
        }
        None
    }

    /// `ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
    fn conclude(&mut self, result: &str) {
        let count = |what: &str| -> u64 {
            let mut words = result.split([' ', ';']).filter(|word| !word.is_empty()).peekable();
            while let Some(word) = words.next() {
                if words.peek() == Some(&what) {
                    return word.parse().unwrap_or(0);
                }
            }
            0
        };
        let skipped = std::mem::take(&mut self.skipped);
        self.tally.passed += count("passed").saturating_sub(skipped);
        self.tally.failed += count("failed");
        self.tally.skipped += count("ignored") + skipped;
        self.in_successes = false;
        self.is_concluded = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Tally, Vec<String>) {
        let mut reader = Reader::default();
        let shown = text.lines().filter_map(|line| reader.line(line)).collect();
        (reader.tally, shown)
    }

    #[test]
    fn counts_are_summed_over_programs() {
        let (tally, _) = read(
            "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             running 3 tests\n\
             test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!(tally, Tally { passed: 3, failed: 1, skipped: 1 });
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn test_that_says_it_cannot_run_is_skipped_and_shown() {
        let (tally, shown) = read(
            "running 2 tests\ntest a ... ok\ntest b ... ok\n\nsuccesses:\n\n---- a stdout ----\n\
             skipped: no vsock here\nskipped: once more\n\n---- b stdout ----\nhello\n\n\nsuccesses:\n    a\n    b\n\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!(tally, Tally { passed: 1, failed: 0, skipped: 1 });
        assert!(shown.contains(&"test a ... skipped: no vsock here".to_owned()));
        assert!(!shown.iter().any(|line| line.contains("hello") || line.contains("once more")));
    }

    #[test]
    fn output_of_failures_is_shown() {
        let (tally, shown) = read(
            "running 1 test\ntest a ... FAILED\n\nsuccesses:\n\nsuccesses:\n\nfailures:\n\n---- a stdout ----\n\
             left: 1\n\nfailures:\n    a\n\n\
             test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!(tally.failed, 1);
        assert!(shown.contains(&"left: 1".to_owned()));
    }
}
