//! Things that come and go, by keys that never mean another thing.

use alloc::vec::Vec;

/// What a thing is found by. A key outlives its thing, and then finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    index: u32,
    generation: u32,
}

/// How many bits of a generation there are: what fits beside the index and the kind in an event's 64.
const GENERATIONS: u32 = 1 << 24;

impl Key {
    /// In 56 bits.
    pub const fn bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// From 56 bits; those above are passed over.
    pub const fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 % GENERATIONS }
    }
}

/// A store whose places are used again. Its functions are called and not copied to each of their many callers.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// How many things there are.
    pub const fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    #[inline(never)]
    pub fn insert(&mut self, thing: T) -> Key {
        if let Some(index) = self.free.pop() {
            let (generation, place) = &mut self.places[index as usize];
            *generation = (*generation + 1) % GENERATIONS;
            *place = Some(thing);
            return Key { index, generation: *generation };
        }
        let index = self.places.len() as u32;
        self.places.push((0, Some(thing)));
        Key { index, generation: 0 }
    }

    #[inline(never)]
    pub fn get(&self, key: Key) -> Option<&T> {
        let (generation, place) = self.places.get(key.index as usize)?;
        place.as_ref().filter(|_| *generation == key.generation)
    }

    #[inline(never)]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (generation, place) = self.places.get_mut(key.index as usize)?;
        place.as_mut().filter(|_| *generation == key.generation)
    }

    #[inline(never)]
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let (generation, place) = self.places.get_mut(key.index as usize)?;
        let thing = place.take_if(|_| *generation == key.generation)?;
        self.free.push(key.index);
        Some(thing)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.places.iter().enumerate().filter_map(|(index, (generation, place))| {
            let key = Key { index: index as u32, generation: *generation };
            place.as_ref().map(|thing| (key, thing))
        })
    }
}
