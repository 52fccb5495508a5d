//! The little statistics: minimum, median, maximum, and two kinds of ratio.

/// Smallest, middle and largest of some figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// The smallest.
    pub min: u64,
    /// The middle one; of an even number the upper of the two in the middle.
    pub median: u64,
    /// The largest.
    pub max: u64,
}

impl Spread {
    /// Of no figures there is none.
    pub fn of(figures: impl IntoIterator<Item = u64>) -> Option<Spread> {
        let mut sorted: Vec<u64> = figures.into_iter().collect();
        sorted.sort_unstable();
        Some(Spread { min: *sorted.first()?, median: sorted[sorted.len() / 2], max: *sorted.last()? })
    }
}

/// How much ours is of the peer's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The quotient of the medians: what is promised.
    pub of_medians: f64,
    /// The median of the quotients of each round: close to the other, unless the machine changed its speed
    /// during the bench, and then the more credible of the two.
    pub of_pairs: f64,
}

impl Ratio {
    /// Of two series with one figure a round.
    pub fn of(ours: &[u64], peers: &[u64]) -> Option<Ratio> {
        let quotient = |ours: u64, peers: u64| ours as f64 / peers.max(1) as f64;
        let medians = (Spread::of(ours.iter().copied())?.median, Spread::of(peers.iter().copied())?.median);
        let mut pairs: Vec<f64> =
            ours.iter().zip(peers).map(|(ours, peers)| quotient(*ours, *peers)).collect();
        pairs.sort_unstable_by(f64::total_cmp);
        Some(Ratio { of_medians: quotient(medians.0, medians.1), of_pairs: pairs[pairs.len() / 2] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_mind_an_outlier() {
        assert_eq!(Spread::of([3, 900, 1, 2, 4]), Some(Spread { min: 1, median: 3, max: 900 }));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn pairs_keep_their_ratio_when_the_machine_slows_down_half_way() {
        let ours = [10, 10, 10, 40, 40];
        let peers = [20, 20, 20, 80, 80];
        assert_eq!(Ratio::of(&ours, &peers), Some(Ratio { of_medians: 0.5, of_pairs: 0.5 }));
        assert_eq!(Ratio::of(&[], &peers), None);
    }
}
