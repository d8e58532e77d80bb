//! The listening side: accepts connections, performs the handshake, and serves each for its purpose. At a limit,
//! connections are refused, and one slow peer never delays another.
//!
//! - [`control`]: votes, heartbeats, transfers, and requests of the service.
//! - [`connection_limits`]: how many connections of each kind there may be.

mod connection_limits;
mod control;

use super::{
    append,
    error::Cause,
    greet::{Caller, answer},
    hello::{Hello, Purpose, Refusal},
    identity::SharedIdentity,
    limits::{ACCEPT_PAUSE, ACCEPT_REMIND, DRAIN, HANDSHAKE_DEADLINE},
    raft::RaftCell,
    service::PeerService,
    snapshot,
    wire::{Incoming, Listen},
};
use connection_limits::{ConnectionLimits, UngreetedConnection};
use control::ControlConnection;
use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    select,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Serves the connections of peers.
pub struct PeerServer {
    /// The identity of this node.
    pub identity: SharedIdentity,
    /// The Raft of this node, once it runs.
    pub raft: RaftCell,
    /// Answers requests beyond Raft.
    pub service: Arc<dyn PeerService>,
}

impl PeerServer {
    /// Serves until `shutdown`. Then it accepts nothing new, finishes open requests for up to half a second, and
    /// returns with every connection closed.
    pub async fn run(self, mut listen: impl Listen, shutdown: CancellationToken) {
        let server = Arc::new(self);
        let limits = ConnectionLimits::default();
        let connections = TaskTracker::new();
        let halt = CancellationToken::new();
        let refusal_log = Arc::new(RefusalLog::default());
        let mut logged = None::<Instant>;
        loop {
            let incoming = select! {
                incoming = listen.accept() => incoming,
                () = shutdown.cancelled() => break,
            };
            match incoming {
                Ok(incoming) => {
                    let ungreeted = limits.ungreeted(&incoming.remote);
                    let (server, limits) = (Arc::clone(&server), limits.clone());
                    let (shutdown, halt) = (shutdown.clone(), halt.clone());
                    let refusal_log = refusal_log.clone();
                    connections.spawn(async move {
                        let remote = incoming.remote.clone();
                        let served =
                            halt.run_until_cancelled(server.serve(incoming, ungreeted, &limits, shutdown));
                        if let Some(Err(cause)) = served.await {
                            if matches!(cause, Cause::Refused(_) | Cause::Tls(_)) && refusal_log.is_due() {
                                tracing::warn!(remote, reason = %cause, "refused a peer connection");
                            }
                            tracing::debug!(remote, %cause, "peer connection ended");
                        }
                    });
                }
                Err(error) => {
                    if logged.is_none_or(|at| at.elapsed() >= ACCEPT_REMIND) {
                        logged = Some(Instant::now());
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
        ungreeted: UngreetedConnection,
        limits: &ConnectionLimits,
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
            Ok((limits.of(hello.purpose).ok_or(Refusal::Busy)?, raft))
        };
        let greeting = async {
            let wire = incoming.wire.await.map_err(Cause::connecting)?;
            answer(wire, &local, admit).await
        };
        let greeted = select! {
            greeted = timeout(HANDSHAKE_DEADLINE, greeting) => greeted.unwrap_or(Err(Cause::Stalled)),
            // It has not even shown that it is a peer, so it gets no answer.
            () = ungreeted.evicted.cancelled() => Err(Cause::Stalled),
        };
        let Caller { frames, hello, permit: (_permit, raft), outdated } = greeted?;
        drop(ungreeted);
        let end = shutdown.child_token();
        let serving = async {
            match (hello.purpose, raft) {
                (Purpose::Append, Some(raft)) => append::serve(frames, raft, end.clone()).await,
                (Purpose::Snapshot, Some(raft)) => snapshot::serve(frames, raft, end.clone()).await,
                (Purpose::Control, _) => {
                    let (raft, service) = (self.raft.clone(), Arc::clone(&self.service));
                    ControlConnection::new(raft, service, &hello).serve(frames, end.clone()).await
                }
                (Purpose::Probe | Purpose::Append | Purpose::Snapshot, _) => Ok(()),
            }
        };
        let mut serving = pin!(serving);
        select! {
            served = &mut serving => return served,
            () = outdated.cancelled() => end.cancel(),
        }
        serving.await
    }
}

/// Refused connections that are logged in one [`ACCEPT_REMIND`]: each line helps an operator, but thousands
/// would only fill the disk.
const MAX_REFUSALS_LOGGED: u32 = 20;

/// Counts the refused connections of the current log interval.
#[derive(Default)]
struct RefusalLog(Mutex<Option<(Instant, u32)>>);

impl RefusalLog {
    fn is_due(&self) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) =
            logged.take().filter(|(since, _)| since.elapsed() < ACCEPT_REMIND).unwrap_or((Instant::now(), 0));
        *logged = Some((since, count.saturating_add(1)));
        count < MAX_REFUSALS_LOGGED
    }
}
