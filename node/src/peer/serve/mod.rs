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
    limits::{ACCEPT_PAUSE, ACCEPT_REMIND, DRAIN, HANDSHAKE_DEADLINE, MAX_REFUSALS_LOGGED, REFUSAL_REMIND},
    raft::RaftCell,
    service::PeerService,
    snapshot,
    wire::{Incoming, Listen},
};
use connection_limits::{ConnectionLimits, UngreetedConnection};
use control::ControlConnection;
use std::{
    collections::HashMap,
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
                            if matches!(cause, Cause::Refused(_) | Cause::Tls(_)) {
                                refusal_log.warn(&remote, &cause);
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

/// Logs refused connections: each machine and reason once in [`REFUSAL_REMIND`], since a node that does not belong
/// here, such as a former member of a restored cluster, calls several times a second for as long as it runs.
#[derive(Default)]
struct RefusalLog(Mutex<HashMap<(String, String), Instant>>);

impl RefusalLog {
    fn warn(&self, remote: &str, cause: &Cause) {
        // The port is another one each time.
        let machine = remote.rsplit_once(':').map_or(remote, |(machine, _)| machine);
        if self.is_due((machine.to_owned(), cause.to_string()), Instant::now()) {
            tracing::warn!(remote, reason = %cause, "refused a peer connection");
        }
    }

    fn is_due(&self, refused: (String, String), now: Instant) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logged.retain(|_, at| now.duration_since(*at) < REFUSAL_REMIND);
        if logged.len() >= MAX_REFUSALS_LOGGED || logged.contains_key(&refused) {
            return false;
        }
        logged.insert(refused, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_machine_that_calls_all_the_time_is_logged_once_a_while_and_hides_no_other() {
        let (log, began) = (RefusalLog::default(), Instant::now());
        let due = |machine: &str, after| {
            log.is_due((machine.to_owned(), "of another cluster".to_owned()), began + after)
        };
        assert!(due("10.0.0.1", Duration::ZERO));
        assert!(!due("10.0.0.1", Duration::from_secs(1)) && due("10.0.0.2", Duration::from_secs(1)));
        assert!(due("10.0.0.1", REFUSAL_REMIND), "it is still there");
        for number in 0..1_000 {
            due(&format!("10.1.{}.{}", number / 256, number % 256), Duration::from_secs(400));
        }
        assert!(!due("10.0.0.9", Duration::from_secs(401)), "a thousand lines would only fill the disk");
    }
}
