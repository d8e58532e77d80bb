//! Takes the place of the system's source of random bytes in the process of a simulation: the hash maps of the standard
//! library, the generators of the crate `rand` and Tokio's choice between branches all begin from there, and so all of
//! them begin from the seed. A crate of its own because it replaces a function of the C library, which is unsafe.

use std::cell::Cell;

thread_local! {
    // Each thread has a sequence of its own, so that it does not matter which of two threads asks first.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// Begins anew from a seed, in this thread. Call it first in a process, before anything has asked for random bytes.
pub fn seed(seed: u64) {
    STATE.set(seed);
}

/// The next eight bytes, by SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
fn next() -> u64 {
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The function of the C library that everything asks in the end.
///
/// # Safety
/// `buffer` must be valid for writes of `length` bytes, as for the function that it replaces.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    let mut filled = 0;
    while filled < length {
        let word = next().to_le_bytes();
        let count = word.len().min(length - filled);
        // SAFETY: the caller vouches for `length` bytes at `buffer`, and `filled + count` is at most `length`.
        unsafe { std::ptr::copy_nonoverlapping(word.as_ptr(), buffer.add(filled), count) };
        filled += count;
    }
    length.cast_signed()
}
