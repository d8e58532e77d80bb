//! How both ends of a connection prove that they are members: each sends a keyed hash, under the cluster's secret, of
//! all that the two have said, random numbers of both included. So the secret is never sent, nothing can be sent again
//! on another connection, and neither end can be made to answer for the other (ISO/IEC 9798-4, mutual authentication in
//! three passes).
//!
//! A proof covers the greeting and not what follows it: without TLS, whoever is on the path of a connection can read it
//! and write into it.

use super::hello::{Hello, Welcome};
use crate::secret::ClusterSecret;
use hmac::Mac as _;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Random bytes that each end brings: no two greetings are the same.
pub(super) type Nonce = [u8; 32];

/// A keyed hash of a greeting.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proof([u8; 32]);

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(…)")
    }
}

/// Whose proof: neither is good for the other.
#[derive(Clone, Copy)]
pub(super) enum Side {
    /// Who dialled.
    Caller,
    /// Who was dialled.
    Called,
}

impl Side {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Caller => b"nexus peer caller v1",
            Self::Called => b"nexus peer called v1",
        }
    }
}

/// What the two ends said to each other.
#[derive(Clone, Copy)]
pub(super) struct Greeting<'a> {
    pub(super) hello: &'a Hello,
    pub(super) welcome: &'a Welcome,
    /// Random, of the end that was called; the caller's is in its hello.
    pub(super) nonce: &'a Nonce,
}

impl Greeting<'_> {
    /// The proof of one end.
    pub(super) fn prove(self, secret: &ClusterSecret, side: Side) -> Proof {
        Proof(self.keyed(secret, side).finalize().into_bytes().into())
    }

    /// Whether the other end has proved that it knows the secret. Takes the same time whatever is wrong.
    pub(super) fn is_proved(self, secret: &ClusterSecret, side: Side, proof: &Proof) -> bool {
        self.keyed(secret, side).verify_slice(&proof.0).is_ok()
    }

    fn keyed(self, secret: &ClusterSecret, side: Side) -> crate::secret::Keyed {
        let said = bincode::serde::encode_to_vec(
            (self.hello, self.welcome, self.nonce),
            bincode::config::standard(),
        );
        let mut keyed = secret.keyed();
        keyed.update(side.label());
        keyed.update(&said.expect("a greeting is made of texts and numbers"));
        keyed
    }
}
