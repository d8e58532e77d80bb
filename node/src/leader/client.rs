//! The one way of a request to the leader: this node carries it out itself when it leads, and sends it to the leader
//! otherwise. Repeats it while there is no leader or no answer, as far as the caller's policy allows. Knows nothing of
//! what the requests mean: callers read the responses.

use crate::{
    node::{Leader, Node, RETRY_PAUSE},
    peer::{
        PeerError, PeerTarget,
        service::{ServiceRequest, ServiceResponse},
    },
};
use nexus_api::cluster::Unavailable;
use std::{fmt::Display, time::Duration};
use tokio::time::{Instant, sleep};
use tracing::Instrument;

/// When a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Also when it may have been carried out: a second time does no harm.
    Always,
    /// Only when it certainly was not carried out.
    IfNotCarriedOut,
    /// Never: there is one attempt.
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

/// Why the leader gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeaderError<E> {
    /// The request was certainly not carried out: the reason of the last attempt.
    NotCarriedOut(String),
    /// The request may have been carried out: the reason of the last attempt.
    Unknown(String),
    /// The leader refused it. Nothing was done.
    Refused(E),
}

/// The end of one attempt.
enum Attempt {
    Answered(ServiceResponse),
    NotCarriedOut(String),
    Unknown(String),
}

impl Node {
    /// Sends a request to the leader until it answers. `read` turns the response into a result, or into a refusal, and
    /// returns none for the response to another request.
    ///
    /// # Errors
    /// See [`LeaderError`]. What was refused after an attempt of unknown outcome is unknown.
    pub(crate) async fn ask_leader<T, E: Display>(
        &self,
        request: ServiceRequest,
        policy: RetryPolicy,
        read: impl Fn(ServiceResponse) -> Option<Result<T, E>>,
    ) -> Result<T, LeaderError<E>> {
        let mut may_be_carried_out = false;
        loop {
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
            let may_repeat = match policy.repeat {
                Repeat::Always => true,
                Repeat::IfNotCarriedOut => !may_be_carried_out,
                Repeat::Never => false,
            };
            if !may_repeat || Instant::now() + RETRY_PAUSE >= policy.deadline {
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
        match self.leader() {
            Leader::Local => {
                let response = self.serve_as_leader(request.clone(), policy.deadline).await;
                classify(response, &"this node")
            }
            Leader::Remote(leader) => {
                let span = tracing::debug_span!("forward", to = %leader);
                self.forward(request, &leader, policy).instrument(span).await
            }
            Leader::Unknown => Attempt::NotCarriedOut("there is no leader".to_owned()),
        }
    }

    async fn forward(&self, request: &ServiceRequest, leader: &PeerTarget, policy: &RetryPolicy) -> Attempt {
        let remaining = policy.deadline.saturating_duration_since(Instant::now());
        let response = self.peers.request(leader, request.clone(), policy.attempt_timeout.min(remaining));
        let response = if policy.repeat == Repeat::Always {
            tokio::select! {
                response = response => response,
                () = self.leader_changes() => return Attempt::Unknown(format!("{leader} lost the lead")),
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
        }
    }
}
