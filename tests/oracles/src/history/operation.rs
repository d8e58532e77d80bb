//! An operation of a client: what it asked, when, and what came of it.

use nexus_domain::reply_cache::Request;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The beginning of the name of a feature among those of paths.
pub const FEATURE: &str = "feature ";

/// The code of an answer that knows no such session, or no more: over HTTP the code `NOT_FOUND` with the resource
/// `session`.
pub const SESSION_NOT_FOUND: &str = "SESSION_NOT_FOUND";

/// The name of a feature among those of paths.
pub fn feature_name(slug: &str) -> String {
    format!("{FEATURE}{slug}")
}

/// An operation of a client, from its call to its outcome.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Operation {
    /// The number of the client, which has one operation at a time.
    pub client: u64,
    /// The number of the node that was asked.
    pub node: u64,
    /// The start of the node since which it has not lost its memory, if somebody counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_start: Option<u64>,
    /// The time of the call, in microseconds of world time.
    pub called_us: u64,
    /// The time of the outcome, in microseconds of world time; `None` if the client never got one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned_us: Option<u64>,
    /// The project that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The session that acts, or that was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The identity of the request. Operations with the same identity are retries of one request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The request that was made.
    pub ask: Ask,
    /// The outcome that the client knows.
    pub outcome: OperationOutcome,
}

/// A request of a client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "kebab-case")]
pub enum Ask {
    /// Picks a feature by its slug.
    Pick {
        /// The slug of the feature.
        feature: String,
    },
    /// Picks the next free feature.
    PickNext,
    /// Releases a feature, unfinished.
    Release {
        /// The slug of the feature.
        feature: String,
    },
    /// Completes a feature.
    Done {
        /// The slug of the feature.
        feature: String,
    },
    /// Cancels a feature, whoever holds it.
    Cancel {
        /// The slug of the feature.
        feature: String,
    },
    /// Claims paths, all of them or none.
    Claim {
        /// The wanted files, folders and globs.
        paths: Vec<String>,
        /// Whether they are wanted exclusively.
        exclusive: bool,
        /// The slug of the picked feature whose end also gives them back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        feature: Option<String>,
    },
    /// Gives paths back.
    Unclaim {
        /// The paths; `None` for everything that the session claimed.
        paths: Option<Vec<String>>,
    },
    /// Takes paths away from whoever holds them.
    ForceRelease {
        /// The paths, each exactly as it was claimed.
        paths: Vec<String>,
    },
    /// Sends a heartbeat.
    Beat,
    /// Starts a session, or finds the living one of the agent.
    StartSession,
    /// Ends a session, and gives everything back that it holds.
    EndSession,
    /// Reads who holds some features or paths.
    ReadHolders {
        /// The [names of features](feature_name) and the paths that are asked about.
        of: Vec<String>,
        /// How fresh the answer must be.
        consistency: Consistency,
    },
    /// Writes something that no oracle looks into.
    Write {
        /// The name of the command.
        name: String,
    },
    /// Reads something that no oracle looks into.
    Read {
        /// The name of the read.
        name: String,
        /// How fresh the answer must be.
        consistency: Consistency,
    },
}

/// How fresh the answer to a read must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// It reflects every write that was acknowledged before the call.
    Linearizable,
    /// It is the state of the asked node.
    Stale,
}

/// The outcome of an operation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum OperationOutcome {
    /// It was carried out.
    Ok(Answered),
    /// The rules refused it.
    Refused(Answered),
    /// It certainly was not applied, and never will be.
    NotApplied,
    /// It may have been applied, or may be applied later.
    Unknown,
}

/// The content of an answer, as far as the client can know.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Answered {
    /// The log index that the answer reflects: `X-Nexus-Revision` over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The code of a refusal, such as `FILE_ALREADY_CLAIMED` or [`SESSION_NOT_FOUND`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The features and paths in the answer with their holders: what was acquired, what is in the way of it, or what a
    /// read shows. A free one that was asked about is listed without a holder. The answer to a pick has the feature
    /// first, and then its paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// The whole answer as text, for comparison with the log and for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A feature or a path with one of its holders.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Held {
    /// The path, or the [`feature_name`].
    pub name: String,
    /// The session that holds it; `None` if it is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whether it is held exclusively.
    #[serde(default)]
    pub exclusive: bool,
    /// The index of the entry that acquired it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
}

impl Operation {
    /// The log index that its answer reflects, if it was answered.
    pub fn revision(&self) -> Option<u64> {
        self.answered()?.revision
    }

    /// Its answer, if it was carried out or refused.
    pub const fn answered(&self) -> Option<&Answered> {
        match &self.outcome {
            OperationOutcome::Ok(answered) | OperationOutcome::Refused(answered) => Some(answered),
            OperationOutcome::NotApplied | OperationOutcome::Unknown => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, node, called_us, ask, .. } = self;
        write!(f, "client {client} asked node {node} at {called_us} us to {ask:?}")?;
        match self.returned_us {
            Some(at) => write!(f, " and got at {at} us: ")?,
            None => f.write_str(" and heard nothing more: ")?,
        }
        match &self.outcome {
            OperationOutcome::Ok(answered) => write!(f, "ok {answered}"),
            OperationOutcome::Refused(answered) => write!(f, "refused {answered}"),
            OperationOutcome::NotApplied => f.write_str("not applied"),
            OperationOutcome::Unknown => f.write_str("unknown"),
        }?;
        match &self.identity {
            Some(identity) => write!(f, " (request {identity})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.revision {
            Some(revision) => write!(f, "index {revision}")?,
            None => f.write_str("without an index")?,
        }
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        for held in &self.held {
            let by = held.by.as_deref().unwrap_or("nobody");
            write!(f, ", {} by {by}", held.name)?;
            if let Some(fence) = held.fence {
                write!(f, " with fence {fence}")?;
            }
        }
        Ok(())
    }
}

impl Ask {
    /// Whether it is a write: an entry of the log.
    pub const fn is_write(&self) -> bool {
        self.consistency().is_none()
    }

    /// How fresh the answer to a read must be; `None` for a write.
    pub const fn consistency(&self) -> Option<Consistency> {
        match self {
            Self::ReadHolders { consistency, .. } | Self::Read { consistency, .. } => Some(*consistency),
            Self::Pick { .. }
            | Self::PickNext
            | Self::Release { .. }
            | Self::Done { .. }
            | Self::Cancel { .. }
            | Self::Claim { .. }
            | Self::Unclaim { .. }
            | Self::ForceRelease { .. }
            | Self::Beat
            | Self::StartSession
            | Self::EndSession
            | Self::Write { .. } => None,
        }
    }

    /// The name of the operation.
    pub fn name(&self) -> &str {
        match self {
            Self::Pick { .. } => "pick",
            Self::PickNext => "pick-next",
            Self::Release { .. } => "release",
            Self::Done { .. } => "done",
            Self::Cancel { .. } => "cancel",
            Self::Claim { .. } => "claim",
            Self::Unclaim { .. } => "unclaim",
            Self::ForceRelease { .. } => "force-release",
            Self::Beat => "beat",
            Self::StartSession => "start-session",
            Self::EndSession => "end-session",
            Self::ReadHolders { .. } => "read-holders",
            Self::Write { name } | Self::Read { name, .. } => name,
        }
    }
}

/// The identity of a request of the log, as operations have it.
pub fn identity_of(request: &Request) -> String {
    match request {
        Request::Keyed(request) => {
            let engineer = request.key.engineer.map_or_else(|| "anybody".to_owned(), |id| id.to_string());
            format!("{engineer}/{}#{:016x}", request.key.key, request.fingerprint)
        }
        Request::Slotted { slot, id } => {
            format!("node {}/slot {}/{}#{:016x}", slot.node, slot.number, id.sequence, id.start)
        }
    }
}
