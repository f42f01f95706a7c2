//! A fixed sequence of damaged inputs: the same seed gives the same bytes on every machine.

/// Largest input made, bytes.
const MAX_BYTES: usize = 64 << 10;

/// Numbers at which readers go wrong.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0xff_ffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    i64::MAX as u64,
    u64::MAX,
];

/// Pseudo-random numbers (splitmix64): plain and reproducible, good for nothing secret.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The sequence with that seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = limit as u64;
        usize::try_from(self.next_u64().checked_rem(limit).unwrap_or(0)).unwrap_or(0)
    }
}

/// One of `inputs`, damaged in one to eight ways. Empty if there are none.
#[must_use]
pub fn mutate(inputs: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    if inputs.is_empty() {
        return Vec::new();
    }
    let mut bytes = inputs[numbers.below(inputs.len())].clone();
    for _ in 0..=numbers.below(8) {
        damage(&mut bytes, inputs, numbers);
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

fn damage(bytes: &mut Vec<u8>, inputs: &[Vec<u8>], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len());
    match numbers.below(10) {
        0 => flip_bit(bytes, at, numbers),
        1 => overwrite(bytes, at, &numbers.next_u64().to_le_bytes()[..1]),
        // Numbers lie at multiples of their size more often than not.
        2..=4 => {
            let number = EDGES[numbers.below(EDGES.len())].to_le_bytes();
            let width = 1 << numbers.below(4);
            overwrite(bytes, at / width * width, &number[..width]);
        }
        5 => {
            let width = 1 << numbers.below(4);
            let random = numbers.next_u64().to_le_bytes();
            overwrite(bytes, at / width * width, &random[..width]);
        }
        6 => bytes.truncate(at),
        7 => {
            let end = at + numbers.below(bytes.len() - at + 1).min(256);
            bytes.drain(at..end);
        }
        8 => {
            let end = at + numbers.below(bytes.len() - at + 1).min(256);
            let copy = bytes[at..end].to_vec();
            let to = numbers.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        _ => {
            let other = &inputs[numbers.below(inputs.len())];
            bytes.truncate(at);
            bytes.extend_from_slice(&other[numbers.below(other.len() + 1)..]);
        }
    }
}

fn flip_bit(bytes: &mut [u8], at: usize, numbers: &mut Numbers) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << numbers.below(8);
    }
}

/// Writes what fits.
fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (byte, &new) in bytes.iter_mut().skip(at).zip(with) {
        *byte = new;
    }
}
