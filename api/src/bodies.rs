//! Reads the bodies of requests, within limits of their bytes.

use crate::{cluster::Unavailable, failure::ApiError};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use nexus_api_types::Code;
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Largest body of a request with a key, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// A body of more bytes is parsed on the threads of reads: it may have thousands of paths, which the answer lists
/// again.
pub(crate) const LARGE_BODY: u64 = 64 * 1024;
/// Largest body of a request without a key, in bytes: it has names and addresses only.
pub(crate) const MAX_OPEN_BODY: usize = 16 * 1024;
/// Bytes of all bodies at once, beyond the first [`MAX_OPEN_BODY`] of each, which is all that most bodies have.
pub(crate) const MAX_BODIES: usize = 64 * 1024 * 1024;
/// How much of a refused body is still read, as a multiple of the limit: a client whose connection is closed while it
/// sends may never read the error.
const DRAINED: usize = 16;
/// A body of which nothing arrives for this long is refused.
const BODY_STALL: Duration = Duration::from_secs(5);

/// The bytes of all bodies at once: a permit for each.
pub(crate) struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_BODIES)))
    }
}

impl Bodies {
    /// Reads a body of at most `most` bytes. Returns it with the permit for its bytes.
    ///
    /// # Errors
    /// When the body is longer, or does not arrive in time; and when the node reads too many bodies already.
    pub(crate) async fn read(
        &self,
        body: Body,
        most: usize,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), ApiError> {
        let mut chunks = body.into_data_stream();
        let (mut body, mut total) = (BytesMut::new(), 0_usize);
        let (mut body_permit, mut refused) = (None::<OwnedSemaphorePermit>, None::<ApiError>);
        loop {
            let chunk = match tokio::time::timeout(BODY_STALL, chunks.next()).await {
                Ok(Some(chunk)) => {
                    chunk.map_err(|_| ApiError::field("body", "could not be read to its end"))?
                }
                Ok(None) => break,
                Err(_) => {
                    return Err(
                        refused.unwrap_or_else(|| ApiError::field("body", "stopped coming; send it again"))
                    );
                }
            };
            total += chunk.len();
            if total > DRAINED * most {
                break;
            }
            if total > most && refused.is_none() {
                let message = format!("the body is over {most} bytes; split the request");
                refused = Some(ApiError::new(Code::PayloadTooLarge, message));
            }
            if refused.is_none() && !self.reserve(&mut body_permit, total.saturating_sub(MAX_OPEN_BODY)) {
                refused = Some(too_much_at_once());
            }
            match refused {
                None => body.extend_from_slice(&chunk),
                // Nothing of the body is kept. The rest is read, so that the client gets to read the error.
                Some(_) => (body, body_permit) = (BytesMut::new(), None),
            }
        }
        match refused {
            None => Ok((body.freeze(), body_permit)),
            Some(refused) => Err(refused),
        }
    }

    /// Bytes that are reserved for bodies now.
    pub(crate) fn reserved(&self) -> usize {
        MAX_BODIES.saturating_sub(self.0.available_permits())
    }

    /// Extends the permit of a body to this many bytes, and returns whether that was possible.
    fn reserve(&self, body_permit: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> bool {
        let held = body_permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(bytes.saturating_sub(held)).expect("a body is far below 4 GiB");
        if more == 0 {
            return true;
        }
        let Ok(more) = self.0.clone().try_acquire_many_owned(more) else { return false };
        match body_permit {
            Some(body_permit) => body_permit.merge(more),
            None => *body_permit = Some(more),
        }
        true
    }
}

fn too_much_at_once() -> ApiError {
    Unavailable::NotApplied("this node reads as many large bodies as it may; try again".to_owned()).into()
}
