//! Recognises keys: Argon2 once per key and node, off the async threads, few at a time.

use super::key::ApiKeyText;
use crate::{cluster::Unavailable, failure::ApiError};
use nexus_domain::{State, entity::ApiKey, ids::KeyId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{runtime::Handle, sync::Semaphore};

/// Keys remembered on one node; at about 64 bytes each. Full, it starts anew.
const REMEMBERED: usize = 50_000;
/// Argon2 computations at once: each takes a core for some 20 ms and 7 MiB.
const PARALLEL: usize = 2;
/// New keys waiting to be hashed: two seconds' worth. Anybody may ask for one.
const WAITING: usize = 128;

/// Remembers which keys were verified, by their SHA-256.
pub struct Verifier {
    verified: Mutex<HashMap<[u8; 32], KeyId>>,
    slots: Arc<Semaphore>,
    queue: Semaphore,
    threads: Handle,
}

impl Verifier {
    /// Computes on these threads.
    pub(crate) fn new(threads: Handle) -> Self {
        Self {
            verified: Mutex::default(),
            slots: Arc::new(Semaphore::new(PARALLEL)),
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
        if self.is_verified(&digest, key.id) {
            return Some(key);
        }
        let _slot = self.slots.clone().acquire_owned().await.ok()?;
        // Somebody else may have verified it while this one waited.
        if self.is_verified(&digest, key.id) {
            return Some(key);
        }
        let (text, hash) = (text.clone(), key.hash.clone());
        let matches = self.threads.spawn_blocking(move || text.verify(&hash)).await.unwrap_or(false);
        matches.then(|| {
            self.remember(digest, key.id);
            key
        })
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
        let _place = self.queue.try_acquire().map_err(|_| busy())?;
        let _slot = self.slots.clone().acquire_owned().await.map_err(|_| busy())?;
        self.threads.spawn_blocking(work).await.map_err(|panic| ApiError::internal(&panic))
    }

    fn is_verified(&self, digest: &[u8; 32], key: KeyId) -> bool {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).get(digest) == Some(&key)
    }

    fn remember(&self, digest: [u8; 32], key: KeyId) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(digest, key);
    }
}
