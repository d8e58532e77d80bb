//! Verifies keys: with Argon2 once per key and node, outside of the async threads, few at a time.

use super::key::ApiKeyText;
use crate::{cluster::Unavailable, failure::ApiError};
use nexus_domain::{State, entity::ApiKey, ids::KeyId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{runtime::Handle, sync::Semaphore};

/// Verified keys that one node remembers, at about 64 bytes each. When it is full, it is cleared.
const MAX_REMEMBERED: usize = 50_000;
/// Argon2 computations at once: each takes a core for about 20 ms, and 7 MiB.
const PARALLEL: usize = 2;
/// New keys that wait to be hashed: about two seconds' worth. Anybody may request one.
const WAITING: usize = 128;

/// Verified keys, by their SHA-256.
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
    /// A verifier that computes on these threads.
    pub(crate) fn new(threads: Handle) -> Self {
        Self {
            verified: Arc::default(),
            permits: Arc::new(Semaphore::new(PARALLEL)),
            queue: Semaphore::new(WAITING),
            threads,
        }
    }

    /// Finds the key of the state that has this text. A revoked key is not in the state, even if it was verified
    /// before.
    pub(crate) async fn find_key(&self, state: &State, text: &ApiKeyText) -> Option<Arc<ApiKey>> {
        // Unknown prefixes are refused without Argon2.
        let key = state.api_key(text.prefix())?.clone();
        let digest = text.digest();
        if self.verified.has(&digest, key.id) {
            return Some(key);
        }
        let permit = self.permits.clone().acquire_owned().await.ok()?;
        // Another request may have verified the key while this one waited.
        if self.verified.has(&digest, key.id) {
            return Some(key);
        }
        let (verified, text, stored) = (self.verified.clone(), text.clone(), key.clone());
        // The computation holds the permit and remembers the key, since it continues after its request was dropped. So
        // a key that is shown again and again is verified once, and no more computations run than there are permits.
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

    /// Hashes a new key, under the same permits as verifications.
    ///
    /// # Errors
    /// 503 when too many wait already. Nothing was done.
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
        if keys.len() >= MAX_REMEMBERED {
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
        sockets::tests::stage::{ANA, Stage},
    };

    #[tokio::test]
    async fn a_key_whose_request_is_gone_is_verified_all_the_same_and_holds_its_permit_meanwhile() {
        let stage = Stage::set();
        let text = ApiKeyText::parse(&stage.key(ANA, 1)).unwrap();
        let verifier = Verifier::new(Handle::current());
        let view = stage.local();
        let given_up = Box::pin(verifier.find_key(view.state(), &text));
        assert!(futures::poll!(given_up).is_pending(), "it is gone with this line");
        // All permits are free once nothing is computed any more.
        let _all = verifier.permits.acquire_many(u32::try_from(PARALLEL).unwrap()).await.unwrap();
        let key = view.state().api_key(text.prefix()).unwrap();
        assert!(verifier.verified.has(&text.digest(), key.id));
    }
}
