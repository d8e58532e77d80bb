//! Mutations of inputs: what a fuzzer does at random, from a fixed seed.

/// The seed of all mutations, so that each run has the same ones.
const SEED: u64 = 0x006e_6578_7573;

/// The most changes of one mutation.
const MAX_CHANGES: u64 = 4;

/// The most bytes of an input: mutations that join inputs would grow without end.
const MAX_BYTES: usize = 64 << 10;

/// Bytes that mean something in many formats: ends of texts, limits of numbers, and signs of JSON, TOML and shells.
const TELLING: &[u8] =
    b"\0\n\r\t \"'\\/.*?[]{}()<>,:;=-+#$`&|!~^%@09azAZ\x7f\x80\xbf\xc3\xe2\xf0\xfb\xfc\xfd\xfe\xff";

/// Makes mutations of some inputs.
pub(crate) struct Mutator<'a> {
    inputs: &'a [Vec<u8>],
    state: u64,
}

impl<'a> Mutator<'a> {
    pub(crate) fn new(inputs: &'a [Vec<u8>]) -> Self {
        Self { inputs, state: SEED }
    }

    /// The next mutation of one of the inputs.
    pub(crate) fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.any_input().to_vec();
        for _ in 0..=self.below(MAX_CHANGES) {
            self.change(&mut input);
        }
        input.truncate(MAX_BYTES);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.position(input.len());
        match self.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.telling(),
            2 => input.insert(at, self.telling()),
            3 => {
                let end = input.len().min(at + 1 + self.position(8));
                input.drain(at..end);
            }
            4 => input.truncate(at),
            5 => {
                // A part of it once more.
                let end = input.len().min(at + 1 + self.position(32));
                let part = input[at..end].to_vec();
                let to = self.position(input.len());
                input.splice(to..to, part);
            }
            6 => {
                // A part of another input.
                let other = self.any_input();
                let from = self.position(other.len());
                let end = other.len().min(from + 1 + self.position(64));
                input.splice(at..at, other[from..end].iter().copied());
            }
            7 => {
                let other = self.any_input();
                let from = self.position(other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                let (byte, count) = (self.telling(), 1 + self.position(300));
                input.splice(at..at, std::iter::repeat_n(byte, count));
            }
        }
    }

    fn any_input(&mut self) -> &'a [u8] {
        let at = self.below(self.inputs.len() as u64);
        usize::try_from(at).ok().and_then(|at| self.inputs.get(at)).map_or(&[], Vec::as_slice)
    }

    fn telling(&mut self) -> u8 {
        TELLING[self.position(TELLING.len() - 1)]
    }

    /// A number from 0 to `last`, as a position.
    fn position(&mut self, last: usize) -> usize {
        usize::try_from(self.below(last as u64 + 1)).unwrap_or(last)
    }

    /// A number below `end`, which is at least 1.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// The next number of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
