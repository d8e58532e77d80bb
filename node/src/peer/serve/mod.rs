//! The listening side: takes connections, greets them, and hands each to what it is for. Full means
//! refused, and one slow peer never delays another.
//!
//! - [`control`]: votes, heartbeats, transfers, and requests of the service.
//! - [`places`]: how many connections of each kind there may be.

mod control;
mod places;

use super::{
    append,
    error::Cause,
    greet::{Caller, answer},
    hello::{Hello, Purpose, Refusal},
    identity::SharedIdentity,
    limits::{ACCEPT_PAUSE, ACCEPT_REMIND, DRAIN, HANDSHAKE_DEADLINE},
    raft::{RaftPort, RaftSlot},
    service::PeerService,
    snapshot,
    wire::{Incoming, Listen},
};
use places::{Newcomer, Places};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{
    select,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Serves peers.
pub struct PeerServer {
    /// Who this node is.
    pub identity: SharedIdentity,
    /// Raft, once it runs.
    pub raft: RaftSlot,
    /// What answers requests beyond Raft.
    pub service: Arc<dyn PeerService>,
}

impl PeerServer {
    /// Serves until `shutdown`; then takes nothing new, finishes what it is serving for up to a
    /// second, and returns with every connection closed.
    pub async fn run(self, mut listen: impl Listen, shutdown: CancellationToken) {
        let server = Arc::new(self);
        let places = Places::default();
        let connections = TaskTracker::new();
        let halt = CancellationToken::new();
        let refusals = Arc::new(Refusals::default());
        let mut told = None::<Instant>;
        loop {
            let incoming = select! {
                incoming = listen.accept() => incoming,
                () = shutdown.cancelled() => break,
            };
            match incoming {
                Ok(incoming) => {
                    let newcomer = places.ungreeted(&incoming.remote);
                    let (server, places) = (Arc::clone(&server), places.clone());
                    let (shutdown, halt) = (shutdown.clone(), halt.clone());
                    let refusals = refusals.clone();
                    connections.spawn(async move {
                        let remote = incoming.remote.clone();
                        let served =
                            halt.run_until_cancelled(server.serve(incoming, newcomer, &places, shutdown));
                        if let Some(Err(cause)) = served.await {
                            if let Cause::Refused(refusal) = &cause
                                && refusals.is_told()
                            {
                                tracing::warn!(remote, %refusal, "refused a peer connection");
                            }
                            tracing::debug!(remote, %cause, "peer connection ended");
                        }
                    });
                }
                Err(error) => {
                    if told.is_none_or(|told| told.elapsed() >= ACCEPT_REMIND) {
                        told = Some(Instant::now());
                        tracing::warn!(%error, "cannot take peer connections");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listen);
        connections.close();
        if timeout(DRAIN, connections.wait()).await.is_err() {
            halt.cancel();
            connections.wait().await;
        }
    }

    async fn serve(
        &self,
        incoming: Incoming,
        newcomer: Newcomer,
        places: &Places,
        shutdown: CancellationToken,
    ) -> Result<(), Cause> {
        let local = self.identity.borrow().clone();
        let admit = |hello: &Hello| {
            if shutdown.is_cancelled() {
                return Err(Refusal::Draining);
            }
            let raft = self.raft.get();
            if raft.is_none() && matches!(hello.purpose, Purpose::Append | Purpose::Snapshot) {
                return Err(Refusal::NotReady);
            }
            Ok((places.of(hello.purpose).ok_or(Refusal::Busy)?, raft))
        };
        let greeting = async {
            let wire = incoming.wire.await.map_err(|error| Cause::Connect(Arc::new(error)))?;
            answer(wire, &local, admit).await
        };
        let greeted = select! {
            greeted = timeout(HANDSHAKE_DEADLINE, greeting) => greeted.unwrap_or(Err(Cause::Stalled)),
            // Nothing is known of it, not even that it is a peer: it gets no answer.
            () = newcomer.makes_room.cancelled() => Err(Cause::Stalled),
        };
        let Caller { frames, hello, place: (_place, raft) } = greeted?;
        drop(newcomer);
        match (hello.purpose, raft) {
            (Purpose::Append, Some(raft)) => append::serve(frames, raft, shutdown).await,
            (Purpose::Snapshot, Some(raft)) => snapshot::serve(frames, raft, shutdown).await,
            (Purpose::Control, _) => control::Conversation::new(self, &hello).serve(frames, shutdown).await,
            (Purpose::Probe | Purpose::Append | Purpose::Snapshot, _) => Ok(()),
        }
    }

    fn raft(&self) -> Option<Arc<dyn RaftPort>> {
        self.raft.get()
    }
}

/// Refusals that the log tells of between two reminders: each says something to an operator, thousands only fill a
/// disk.
const REFUSALS_TOLD: u32 = 20;

/// How many refusals the log told of lately.
#[derive(Default)]
struct Refusals(Mutex<Option<(Instant, u32)>>);

impl Refusals {
    fn is_told(&self) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) =
            told.take().filter(|(since, _)| since.elapsed() < ACCEPT_REMIND).unwrap_or((Instant::now(), 0));
        *told = Some((since, count.saturating_add(1)));
        count < REFUSALS_TOLD
    }
}
