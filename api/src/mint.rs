//! The source of ids and random values, as a trait that a simulation can implement.

use uuid::Uuid;

/// A source of ids and random values, and the only one in this crate.
pub trait Mint: Send + Sync + 'static {
    /// A UUID of version 7: later ones sort after earlier ones.
    fn id(&self) -> Uuid;
    /// 256 random bits, from a cryptographic source.
    fn secret(&self) -> [u8; 32];
}

/// Ids and random values from the system.
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
