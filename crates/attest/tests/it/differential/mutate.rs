//! Changes at random, by a generator that gives the same again for the same seed.

pub(crate) struct Mutator(u64);

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One of `originals` with one to four changes.
    pub(crate) fn any(&mut self, originals: &[Vec<u8>]) -> Vec<u8> {
        let chosen = self.below(originals.len());
        self.change(&originals[chosen], originals)
    }

    fn change(&mut self, original: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = original.to_vec();
        for _ in 0..=self.below(3) {
            self.change_once(&mut bytes, others);
        }
        bytes
    }

    fn change_once(&mut self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        if bytes.is_empty() {
            return bytes.push(self.byte());
        }
        let position = self.below(bytes.len());
        match self.below(8) {
            0..=2 => bytes[position] ^= 1 << self.below(8),
            3 => bytes[position] = self.byte(),
            // Fields that steer the parser stand at the beginning.
            4 => bytes[position % 64] = self.byte() % 8,
            5 => bytes.truncate(position),
            6 => bytes.extend_from_slice(&[0, 0, 1][..=self.below(2)]),
            _ => {
                let other = &others[self.below(others.len())];
                let end = (position + self.below(64)).min(other.len()).min(bytes.len());
                if position < end {
                    bytes[position..end].copy_from_slice(&other[position..end]);
                }
            }
        }
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
