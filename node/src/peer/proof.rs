//! Mutual authentication: each end of a connection proves that it is a member by an HMAC, under the cluster's secret,
//! of both greetings with the nonces of both ends. So the secret is never sent, a proof is worthless on another
//! connection, and one end's proof cannot be used as the other's (ISO/IEC 9798-4, mutual authentication in three
//! passes).
//!
//! A proof covers the greeting and not what follows it: without TLS, an attacker on the path of a connection can read
//! and change it. With TLS, it covers the connection too, so that it cannot be passed on to another one.

use super::{
    hello::{Hello, Nonce, Proof, Welcome},
    secret::{ClusterSecret, Keyed},
};
use hmac::Mac as _;

/// The end that proves. Its label in the HMAC keeps one end's proof from being used as the other's.
#[derive(Clone, Copy)]
pub(super) enum Side {
    /// The end that dialled.
    Caller,
    /// The end that was dialled.
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

/// The messages that the two ends have exchanged.
#[derive(Clone, Copy)]
pub(super) struct Greeting<'a> {
    pub(super) hello: &'a Hello,
    pub(super) welcome: &'a Welcome,
    /// The nonce of the end that was called; the caller's is in its hello.
    pub(super) nonce: &'a Nonce,
    /// The keying material of the TLS connection, if it has one, which binds the greeting to it.
    pub(super) binding: Option<&'a [u8; 32]>,
}

impl Greeting<'_> {
    /// The proof of one end.
    pub(super) fn prove(self, secret: &ClusterSecret, side: Side) -> Proof {
        Proof(self.keyed(secret, side).finalize().into_bytes().into())
    }

    /// Whether the other end has proved that it knows the secret. Compares in constant time.
    pub(super) fn is_proved(self, secret: &ClusterSecret, side: Side, proof: &Proof) -> bool {
        self.keyed(secret, side).verify_slice(&proof.0).is_ok()
    }

    fn keyed(self, secret: &ClusterSecret, side: Side) -> Keyed {
        let greeting = bincode::serde::encode_to_vec(
            (self.hello, self.welcome, self.nonce),
            bincode::config::standard(),
        );
        let mut keyed = secret.keyed();
        keyed.update(side.label());
        keyed.update(&greeting.expect("a greeting is made of texts and numbers"));
        if let Some(binding) = self.binding {
            keyed.update(binding);
        }
        keyed
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::peer::{hello::Purpose, identity::LocalIdentity};
    use nexus_domain::InstanceId;
    use uuid::Uuid;

    #[test]
    fn a_proof_is_worthless_on_another_connection() {
        let local = LocalIdentity::new(InstanceId(Uuid::nil()), "127.0.0.1:7401");
        let secret = ClusterSecret::parse(&"5".repeat(64)).unwrap();
        let (hello, welcome) = (Hello::new(&local, Purpose::Control, None), Welcome::new(&local));
        let on = |binding| Greeting { hello: &hello, welcome: &welcome, nonce: &[1; 32], binding };
        let proof = on(Some(&[1; 32])).prove(&secret, Side::Caller);
        assert!(on(Some(&[1; 32])).is_proved(&secret, Side::Caller, &proof));
        assert!(!on(Some(&[2; 32])).is_proved(&secret, Side::Caller, &proof), "another TLS connection");
        assert!(!on(None).is_proved(&secret, Side::Caller, &proof), "one in plain text");
        assert!(!on(Some(&[1; 32])).is_proved(&secret, Side::Called, &proof), "the other end");
    }
}
