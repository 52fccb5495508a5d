//! The command line of a bench that has parts: which of them, how many rounds, and what else it takes.

use crate::Result;

/// What a bench can be asked for.
pub struct Known {
    /// How its errors begin, and what `help` follows.
    pub bench: &'static str,
    pub help: &'static str,
    /// The parts, in the order in which they run.
    pub parts: &'static [&'static str],
    /// Options without a value.
    pub flags: &'static [&'static str],
    /// The rounds where none are given.
    pub rounds: usize,
}

/// What it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// Those named, or all, in the order in which they run.
    pub parts: Vec<&'static str>,
    pub flags: Vec<&'static str>,
    pub rounds: usize,
}

impl Known {
    /// # Errors
    /// A word that is not known, or a number of rounds that is none.
    pub fn parse(&self, args: &[String]) -> Result<Asked> {
        let (mut parts, mut flags, mut rounds) = (Vec::new(), Vec::new(), self.rounds);
        let mut words = args.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let among = |names: &'static [&'static str]| names.iter().copied().find(|name| *name == word);
            match (among(self.parts), among(self.flags)) {
                _ if word == "--rounds" => rounds = super::number_of_runs(word, words.next())?,
                (Some(part), _) => parts.push(part),
                (_, Some(flag)) => flags.push(flag),
                (None, None) => {
                    return Err(format!("{0} {word}: not known; see cargo xtask {0} help", self.bench));
                }
            }
        }
        let is_wanted = |part: &&str| parts.is_empty() || parts.contains(part);
        Ok(Asked { parts: self.parts.iter().copied().filter(is_wanted).collect(), flags, rounds })
    }

    /// Prints the help and tells so, if that is what the words ask for.
    pub fn helped(&self, args: &[String]) -> bool {
        let asked = args.first().is_some_and(|word| word == "help");
        if asked {
            print!("{}", self.help);
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Asked> {
        let known = Known {
            bench: "bench ovens",
            help: "",
            parts: &["heat", "hold"],
            flags: &["--long"],
            rounds: 40,
        };
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        known.parse(&words)
    }

    #[test]
    fn no_words_ask_for_every_part() {
        assert_eq!(parse("").unwrap(), Asked { parts: vec!["heat", "hold"], flags: vec![], rounds: 40 });
    }

    #[test]
    fn parts_keep_their_order_whatever_that_of_the_words() {
        let asked = parse("hold --rounds 5 heat --long").unwrap();
        assert_eq!(asked, Asked { parts: vec!["heat", "hold"], flags: vec!["--long"], rounds: 5 });
        assert_eq!(parse("hold").unwrap().parts, ["hold"]);
    }

    #[test]
    fn what_is_not_known_is_named_in_the_error() {
        for (line, named) in
            [("hlod", "bench ovens hlod"), ("--rounds 0", "--rounds 0"), ("--rounds", "--rounds")]
        {
            assert!(parse(line).unwrap_err().contains(named), "{line}");
        }
    }
}
