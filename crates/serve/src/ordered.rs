//! Pairs of numbers in order: deadlines, and the indexes by which sessions are found.
//!
//! A list and not a tree of the standard library: such a tree is 8 kB of code for each type that it holds. What is
//! put in goes to the end nearly always, since deadlines and pids rise; elsewhere a few bytes for each of some
//! thousand pairs are moved, in microseconds.

use alloc::vec::Vec;

use wire::ExecId;

use crate::key::Key;

/// Pairs, each once. There may be several with the same first number.
#[derive(Debug, Default)]
pub struct Ordered(Vec<(u64, u64)>);

impl Ordered {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The place of the first pair that is not below this one.
    #[inline(never)]
    fn place(&self, pair: (u64, u64)) -> usize {
        match self.0.last() {
            Some(last) if *last < pair => self.0.len(),
            _ => self.0.partition_point(|other| *other < pair),
        }
    }

    /// Puts one in; whether it was not there.
    #[inline(never)]
    pub fn insert(&mut self, first: u64, second: u64) -> bool {
        let place = self.place((first, second));
        let is_new = self.0.get(place) != Some(&(first, second));
        if is_new {
            self.0.insert(place, (first, second));
        }
        is_new
    }

    #[inline(never)]
    pub fn remove(&mut self, first: u64, second: u64) {
        let place = self.place((first, second));
        if self.0.get(place) == Some(&(first, second)) {
            self.0.remove(place);
        }
    }

    /// The lowest pair.
    pub fn first(&self) -> Option<(u64, u64)> {
        self.0.first().copied()
    }

    /// The second numbers of pairs that have this first one, in order.
    pub fn of(&self, first: u64) -> impl Iterator<Item = u64> {
        let rest = self.0.get(self.place((first, 0))..).unwrap_or_default();
        rest.iter().take_while(move |pair| pair.0 == first).map(|pair| pair.1)
    }
}

/// Numbers of processes, each perhaps with the key of a session.
#[derive(Debug, Default)]
pub struct Pids(Ordered);

impl Pids {
    pub const fn new() -> Self {
        Self(Ordered::new())
    }

    pub const fn len(&self) -> usize {
        self.0.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a session in.
    pub fn insert(&mut self, pid: i32, key: Key) {
        self.0.insert(pid.unsigned_abs().into(), key.bits());
    }

    /// Puts a number in, without a session; whether it was not there.
    pub fn note(&mut self, pid: i32) -> bool {
        self.0.insert(pid.unsigned_abs().into(), 0)
    }

    pub fn get(&self, pid: i32) -> Option<Key> {
        self.0.of(pid.unsigned_abs().into()).next().map(Key::from_bits)
    }

    pub fn contains(&self, pid: i32) -> bool {
        self.get(pid).is_some()
    }

    pub fn remove(&mut self, pid: i32) {
        if let Some(key) = self.get(pid) {
            self.0.remove(pid.unsigned_abs().into(), key.bits());
        }
    }
}

/// A number for an exec's key (FNV-1a). Others may have the same: who looks one up compares.
pub fn hash(id: &ExecId) -> u64 {
    id.as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_in_order_and_each_is_there_once() {
        let mut ordered = Ordered::new();
        for (first, second) in [(5, 1), (3, 9), (5, 0), (7, 2), (5, 4)] {
            assert!(ordered.insert(first, second));
        }
        assert!(!ordered.insert(3, 9));
        assert_eq!(ordered.first(), Some((3, 9)));
        assert_eq!(ordered.of(5).collect::<Vec<_>>(), [0, 1, 4]);
        assert_eq!(ordered.of(4).count() + ordered.of(8).count(), 0);
        ordered.remove(5, 1);
        ordered.remove(5, 2);
        assert_eq!(ordered.of(5).collect::<Vec<_>>(), [0, 4]);
        for (first, second) in [(3, 9), (5, 0), (5, 4), (7, 2)] {
            assert_eq!(ordered.first(), Some((first, second)));
            ordered.remove(first, second);
        }
        assert_eq!(ordered.len(), 0);
    }

    #[test]
    fn a_process_is_found_by_its_number() {
        let mut pids = Pids::new();
        pids.insert(7, Key::from_bits(3));
        assert!(pids.note(5) && !pids.note(5));
        assert_eq!((pids.get(7), pids.get(6), pids.contains(5)), (Some(Key::from_bits(3)), None, true));
        pids.remove(6);
        pids.remove(7);
        assert_eq!((pids.len(), pids.is_empty(), pids.contains(7)), (1, false, false));
    }
}
