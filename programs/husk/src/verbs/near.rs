//! What somebody may have meant.

/// The one of these that is closest to what was written, if it is close: a letter wrong, missing, or one too many; in
/// six letters and more two of them.
pub fn near<'n>(written: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let most = match written.chars().count() {
        0 | 1 => 0,
        2..6 => 1,
        _ => 2,
    };
    let distances = names.map(|name| (distance(written, name), name));
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// Levenshtein's distance, with two letters exchanged as one step.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for row in 0..=left.len() {
        for column in 0..=right.len() {
            rows[row][column] = if row == 0 || column == 0 {
                row + column
            } else {
                let same = usize::from(left[row - 1] != right[column - 1]);
                let mut best = (rows[row - 1][column] + 1).min(rows[row][column - 1] + 1);
                best = best.min(rows[row - 1][column - 1] + same);
                let is_swap = row > 1
                    && column > 1
                    && left[row - 1] == right[column - 2]
                    && left[row - 2] == right[column - 1];
                if is_swap { best.min(rows[row - 2][column - 2] + 1) } else { best }
            };
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_wrong_is_near_and_another_word_is_not() {
        let names = ["commit", "rename", "stop", "ls", "logs", "a"];
        let of = |written| near(written, names.into_iter());
        assert_eq!((of("comit"), of("stpo"), of("sl")), (Some("commit"), Some("stop"), Some("ls")));
        assert_eq!(
            (of("fly"), of(""), of("unrelated"), of("bogus"), of("p")),
            (None, None, None, None, None)
        );
    }
}
