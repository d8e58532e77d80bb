//! Recognises keys: Argon2 once per key and node, off the async threads, few at a time.

use super::key::ApiKeyText;
use crate::{cluster::Unavailable, failure::ApiError};
use nexus_domain::{State, entity::ApiKey, ids::KeyId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{runtime::Handle, sync::Semaphore};

/// Keys remembered on one node; at about 64 bytes each. Full, it starts anew.
const REMEMBERED: usize = 50_000;
/// Argon2 computations at once: each takes a core for some 20 ms and 7 MiB.
const PARALLEL: usize = 2;
/// New keys waiting to be hashed: two seconds' worth. Anybody may ask for one.
const WAITING: usize = 128;

/// Keys that were verified, by their SHA-256.
#[derive(Default)]
struct Verified(Mutex<HashMap<[u8; 32], KeyId>>);

/// Verifies keys, and remembers which ones it verified.
pub struct Verifier {
    verified: Arc<Verified>,
    permits: Arc<Semaphore>,
    queue: Semaphore,
    threads: Handle,
}

impl Verifier {
    /// Computes on these threads.
    pub(crate) fn new(threads: Handle) -> Self {
        Self {
            verified: Arc::default(),
            permits: Arc::new(Semaphore::new(PARALLEL)),
            queue: Semaphore::new(WAITING),
            threads,
        }
    }

    /// The stored key that this text is, if it is one of the state's. A revoked key is none of
    /// them, however often it was verified.
    pub(crate) async fn recognise(&self, state: &State, text: &ApiKeyText) -> Option<Arc<ApiKey>> {
        // Unknown prefixes are turned away before any Argon2.
        let key = state.api_key(text.prefix())?.clone();
        let digest = text.digest();
        if self.verified.has(&digest, key.id) {
            return Some(key);
        }
        let permit = self.permits.clone().acquire_owned().await.ok()?;
        // Somebody else may have verified it while this one waited.
        if self.verified.has(&digest, key.id) {
            return Some(key);
        }
        let (verified, text, stored) = (self.verified.clone(), text.clone(), key.clone());
        // The permit and the remembering belong to the computation, which goes on when its request is gone: a key that
        // is shown again and again is verified once, and no more computations are queued than there are permits.
        let verifying = self.threads.spawn_blocking(move || {
            let _permit = permit;
            let matches = text.verify(&stored.hash);
            if matches {
                verified.remember(digest, stored.id);
            }
            matches
        });
        verifying.await.unwrap_or(false).then_some(key)
    }

    /// Hashes a new key, in turn with the verifications.
    ///
    /// # Errors
    /// When too many wait already: 503, nothing was done.
    pub(crate) async fn hash<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let busy = || {
            ApiError::from(Unavailable::NotApplied(
                "too many keys are being made on this node; try again".to_owned(),
            ))
        };
        let _queued = self.queue.try_acquire().map_err(|_| busy())?;
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| busy())?;
        let hashing = self.threads.spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        hashing.await.map_err(|panic| ApiError::internal(&panic))
    }
}

impl Verified {
    fn has(&self, digest: &[u8; 32], key: KeyId) -> bool {
        self.keys().get(digest) == Some(&key)
    }

    fn remember(&self, digest: [u8; 32], key: KeyId) {
        let mut keys = self.keys();
        if keys.len() >= REMEMBERED {
            keys.clear();
        }
        keys.insert(digest, key);
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<[u8; 32], KeyId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        cluster::Cluster,
        events::tests::stage::{ANA, Stage},
    };

    #[tokio::test]
    async fn a_key_whose_request_is_gone_is_verified_all_the_same_and_keeps_its_slot_meanwhile() {
        let stage = Stage::set();
        let text = ApiKeyText::parse(&stage.key(ANA, 1)).unwrap();
        let verifier = Verifier::new(Handle::current());
        let view = stage.local();
        let given_up = Box::pin(verifier.recognise(view.state(), &text));
        assert!(futures::poll!(given_up).is_pending(), "it is gone with this line");
        // All permits are free once nothing is computed any more.
        let _all = verifier.permits.acquire_many(u32::try_from(PARALLEL).unwrap()).await.unwrap();
        let key = view.state().api_key(text.prefix()).unwrap();
        assert!(verifier.verified.has(&text.digest(), key.id));
    }
}
