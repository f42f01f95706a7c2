//! Chance that can be played again.

/// A small generator (xorshift64*): the same seed gives the same throws.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The generator of this number with this seed.
    #[must_use]
    pub const fn new(seed: u64, number: u64) -> Self {
        let stream = number.wrapping_add(1);
        Self((seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1)
    }

    /// A number from 0 to `bound` less one; `bound` above 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        u32::try_from(high).map_or(0, |high| high % bound)
    }

    /// A place in something this long, which is not empty.
    pub fn index(&mut self, length: usize) -> usize {
        let bound = u32::try_from(length).unwrap_or(u32::MAX);
        self.below(bound) as usize
    }
}
