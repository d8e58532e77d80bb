//! Where ids and random values come from: handed in, so that a simulation can hand in its own.

use uuid::Uuid;

/// A source of ids and random values. The only one in this crate.
pub trait Mint: Send + Sync + 'static {
    /// A version 7 id: later ones sort behind.
    fn id(&self) -> Uuid;
    /// Bytes that nobody can guess.
    fn secret(&self) -> [u8; 32];
}

/// The machine's own clock and randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemMint;

impl Mint for SystemMint {
    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn secret(&self) -> [u8; 32] {
        rand::random()
    }
}
