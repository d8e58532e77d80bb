//! The one way of a request to the leader: this node carries it out itself when it leads, and sends it to the leader
//! otherwise. Repeats it while there is no leader or no answer, as far as the caller's policy allows. Knows nothing of
//! what the requests mean: callers read the responses.

use crate::{
    leader::service::LeaderService,
    node::{Leader, Node, REMOVED},
    peer::{
        PeerClient, PeerError, PeerTarget,
        service::{ServiceRequest, ServiceResponse},
    },
    watch::timings::Timings,
};
use nexus_api::{cluster::Unavailable, traces::TraceContext};
use std::{fmt::Display, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tracing::Instrument;

/// Pause between two attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The failures after which a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Every failure, even one after which it may have been carried out: a second time does no harm.
    Always,
    /// Only a failure after which it certainly was not carried out.
    IfNotCarriedOut,
    /// No failure: there is one attempt.
    Never,
}

/// How long and how often a request is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// The last moment for an answer.
    pub(crate) deadline: Instant,
    /// Longest wait for the answer of another node, in one attempt.
    pub(crate) attempt_timeout: Duration,
    /// Whether there is another attempt after one that failed.
    pub(crate) repeat: Repeat,
}

impl RetryPolicy {
    /// Attempts for this long, each of which may take all of it.
    pub(crate) fn within(span: Duration) -> Self {
        Self { deadline: Instant::now() + span, attempt_timeout: span, repeat: Repeat::Always }
    }

    /// Whether there is another attempt after one that failed. `may_be_carried_out` says whether any attempt so far may
    /// have been carried out.
    fn allows_another(&self, may_be_carried_out: bool, now: Instant) -> bool {
        let may_repeat = match self.repeat {
            Repeat::Always => true,
            Repeat::IfNotCarriedOut => !may_be_carried_out,
            Repeat::Never => false,
        };
        may_repeat && now + RETRY_PAUSE < self.deadline
    }
}

/// Why the leader gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeaderError<E> {
    /// The request was certainly not carried out: the reason of the last attempt.
    NotCarriedOut(String),
    /// The request may have been carried out: the reason of the last attempt.
    Unknown(String),
    /// The leader refused it. Nothing was done.
    Refused(E),
    /// The cluster has removed this node. Nothing was done.
    Removed,
}

/// The end of one attempt.
enum Attempt {
    Answered(ServiceResponse),
    NotCarriedOut(String),
    Unknown(String),
}

/// Sends requests to the leader, wherever it is. Clones share what they use.
#[derive(Clone)]
pub(crate) struct LeaderClient {
    pub(crate) node: Node,
    pub(crate) peers: PeerClient,
    /// Carries requests out when this node leads.
    pub(crate) service: Arc<LeaderService>,
    pub(crate) timings: Arc<Timings>,
}

impl LeaderClient {
    /// Sends a request to the leader until it answers. `read` turns the response into a result, or into a refusal, and
    /// returns none for the response to another request.
    ///
    /// # Errors
    /// See [`LeaderError`]. What was refused after an attempt of unknown outcome is unknown.
    pub(crate) async fn ask<T, E: Display>(
        &self,
        request: ServiceRequest,
        policy: RetryPolicy,
        read: impl Fn(ServiceResponse) -> Option<Result<T, E>>,
    ) -> Result<T, LeaderError<E>> {
        let mut may_be_carried_out = false;
        loop {
            if self.node.is_removed() {
                return Err(if may_be_carried_out {
                    LeaderError::Unknown(REMOVED.to_owned())
                } else {
                    LeaderError::Removed
                });
            }
            let (why, is_unknown) = match self.attempt(&request, &policy).await {
                Attempt::Answered(response) => match read(response) {
                    Some(Ok(value)) => return Ok(value),
                    Some(Err(refusal)) if may_be_carried_out => {
                        return Err(LeaderError::Unknown(refusal.to_string()));
                    }
                    Some(Err(refusal)) => return Err(LeaderError::Refused(refusal)),
                    None => ("the leader answered another request".to_owned(), true),
                },
                Attempt::NotCarriedOut(why) => (why, false),
                Attempt::Unknown(why) => (why, true),
            };
            may_be_carried_out |= is_unknown;
            if !policy.allows_another(may_be_carried_out, Instant::now()) {
                return Err(if may_be_carried_out {
                    LeaderError::Unknown(why)
                } else {
                    LeaderError::NotCarriedOut(why)
                });
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    async fn attempt(&self, request: &ServiceRequest, policy: &RetryPolicy) -> Attempt {
        match self.node.leader() {
            Leader::Local => {
                let response = self.service.serve(request.clone(), policy.deadline).await;
                classify(response, &"this node")
            }
            Leader::Remote(leader) => {
                let span = tracing::debug_span!("forward", to = %leader, otel.kind = "client");
                let began = Instant::now();
                let attempt = self.forward(request, &leader, policy).instrument(span).await;
                self.timings.forward.record(began.elapsed());
                attempt
            }
            Leader::Unknown => Attempt::NotCarriedOut("there is no leader".to_owned()),
        }
    }

    async fn forward(&self, request: &ServiceRequest, leader: &PeerTarget, policy: &RetryPolicy) -> Attempt {
        let remaining = policy.deadline.saturating_duration_since(Instant::now());
        let trace = TraceContext::current()
            .filter(|_| leader.expected.is_some_and(|leader| self.service.reports.knows_traces(leader.node)));
        let within = policy.attempt_timeout.min(remaining);
        let response = self.peers.request_in(trace, leader, request.clone(), within);
        let response = if policy.repeat == Repeat::Always {
            tokio::select! {
                response = response => response,
                () = self.node.leader_changes() => return Attempt::Unknown(format!("{leader} lost the lead")),
            }
        } else {
            // An outcome that is unknown would be final: the old leader may still answer.
            response.await
        };
        match response {
            Ok(response) => classify(response, leader),
            Err(PeerError::NotSent(cause)) => Attempt::NotCarriedOut(format!("{leader}: {cause}")),
            Err(PeerError::Unknown(cause)) => Attempt::Unknown(format!("{leader}: {cause}")),
        }
    }
}

fn classify(response: ServiceResponse, leader: &impl Display) -> Attempt {
    match response {
        ServiceResponse::NotLeader { .. } => Attempt::NotCarriedOut(format!("{leader} does not lead")),
        ServiceResponse::Unavailable { reason } => Attempt::NotCarriedOut(reason),
        ServiceResponse::OutcomeUnknown { reason } => Attempt::Unknown(reason),
        ServiceResponse::ReadIndex(_)
        | ServiceResponse::Proposed(_)
        | ServiceResponse::Heartbeats { .. }
        | ServiceResponse::Done
        | ServiceResponse::Joined(_)
        | ServiceResponse::Leads(_)
        | ServiceResponse::Member(_)
        | ServiceResponse::Status(_)
        | ServiceResponse::Refused(_)
        | ServiceResponse::Report(_)
        | ServiceResponse::Details(_)
        | ServiceResponse::NoRoom { .. } => Attempt::Answered(response),
    }
}

impl LeaderError<String> {
    /// The error for the API, in which `message` puts the reason into a sentence.
    pub(crate) fn into_unavailable(self, message: impl FnOnce(&str) -> String) -> Unavailable {
        match self {
            Self::NotCarriedOut(why) => Unavailable::NotApplied(message(&why)),
            Self::Unknown(why) => Unavailable::Unknown(message(&why)),
            Self::Refused(why) => Unavailable::NotApplied(why),
            Self::Removed => Unavailable::NotApplied(REMOVED.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(repeat: Repeat) -> (Instant, RetryPolicy) {
        let (now, attempt_timeout) = (Instant::now(), Duration::from_secs(1));
        (now, RetryPolicy { deadline: now + Duration::from_secs(4), attempt_timeout, repeat })
    }

    #[test]
    fn what_must_not_be_done_twice_is_repeated_only_while_it_was_certainly_not_done() {
        let (now, once) = policy(Repeat::IfNotCarriedOut);
        assert!(once.allows_another(false, now));
        assert!(!once.allows_another(true, now));
        let (now, harmless) = policy(Repeat::Always);
        assert!(harmless.allows_another(true, now));
        let (now, single) = policy(Repeat::Never);
        assert!(!single.allows_another(false, now));
    }

    #[test]
    fn no_attempt_begins_after_the_deadline() {
        let (now, policy) = policy(Repeat::Always);
        let last = policy.deadline - RETRY_PAUSE;
        assert!(policy.allows_another(false, last - Duration::from_millis(1)));
        assert!(!policy.allows_another(false, last));
        assert!(!policy.allows_another(false, now + Duration::from_secs(5)));
    }

    #[test]
    fn an_answer_is_certain_only_when_it_says_so() {
        let outcome = |response| match classify(response, &"node 2") {
            Attempt::Answered(_) => "answered",
            Attempt::NotCarriedOut(_) => "not carried out",
            Attempt::Unknown(_) => "unknown",
        };
        assert_eq!(outcome(ServiceResponse::NotLeader { leader: None }), "not carried out");
        assert_eq!(outcome(ServiceResponse::Unavailable { reason: "busy".to_owned() }), "not carried out");
        assert_eq!(outcome(ServiceResponse::OutcomeUnknown { reason: "late".to_owned() }), "unknown");
        // A refusal is an answer: another attempt would be refused, too.
        assert_eq!(outcome(ServiceResponse::NoRoom { reason: "full".to_owned() }), "answered");
    }
}
