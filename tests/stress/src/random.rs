//! Random numbers that are the same in every run (xorshift64*).

/// A generator.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// One that begins with `seed`, which is not 0.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`; 0 where that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        // The upper half: the lower bits of this generator are its weak ones.
        (self.next() >> 33) as usize % limit.max(1)
    }
}
