//! The kinds of failure. Each has its exit code; none is ever shown with its Rust name.

use crate::server::Server;
use nexus_api_types::{Code, ErrorBody, envelope::MissingResource};
use serde::Deserialize;

/// A failure of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The cluster says no.
    #[error("{}", .0.body.message)]
    Refused(Box<Refused>),
    /// There is no API key to ask with.
    #[error("you are not logged in")]
    NotLoggedIn,
    /// No server could do it.
    #[error("no server could do it")]
    Unreachable(Box<Unreachable>),
    /// It was asked for in a wrong way.
    #[error("{}", .0.message)]
    Misused(Explained),
    /// This machine is in the way.
    #[error("{}", .0.message)]
    Local(Explained),
    /// A check found something, and printed it: no message follows.
    #[error("something was found")]
    Found,
    /// The reader closed the output.
    #[error("the output was closed")]
    OutputClosed,
}

/// A failure of this side.
#[derive(Debug)]
pub(crate) struct Explained {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// A refusal of the cluster.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The error in the answer.
    pub(crate) body: ErrorBody,
    /// The server that refused.
    pub(crate) server: Server,
    /// The route of the request.
    pub(crate) path: String,
    /// The name that was probably meant instead of one that does not exist.
    pub(crate) nearest: Option<String>,
    /// The project that the command line or the environment names. Further commands need it, too.
    pub(crate) named_project: Option<String>,
}

impl Refused {
    /// The kind of what does not exist, where it says so.
    pub(crate) fn missing(&self) -> Option<MissingResource> {
        let resource = self.body.details.as_ref()?.get("resource")?;
        MissingResource::deserialize(resource).ok()
    }

    /// Whether the same request may be granted later, without anybody doing anything about it.
    pub(crate) const fn is_for_now(&self) -> bool {
        matches!(self.body.code, Code::RateLimited | Code::ServiceUnavailable | Code::InternalError)
    }
}

/// A request that no server carried out.
#[derive(Debug)]
pub(crate) struct Unreachable {
    /// The servers that were asked, each with its reason.
    pub(crate) servers: Vec<UnreachableServer>,
    /// Whether it may have been done all the same.
    pub(crate) may_be_applied: bool,
    /// Whether any server was there at all.
    pub(crate) was_there: bool,
    /// Whether the reason of a server says what to do about it.
    pub(crate) has_remedy: bool,
}

/// A server that did not carry out a request.
#[derive(Debug)]
pub(crate) struct UnreachableServer {
    /// The server that was asked.
    pub(crate) server: Server,
    /// Why it gave no usable answer, for the end of a line.
    pub(crate) reason: String,
}

impl Error {
    /// It was asked for in a wrong way.
    pub(crate) fn misused(message: impl Into<String>) -> Self {
        Self::Misused(Explained { message: message.into(), hint: None })
    }

    /// This machine is in the way.
    pub(crate) fn local(message: impl Into<String>) -> Self {
        Self::Local(Explained { message: message.into(), hint: None })
    }

    /// Adds what to do about it. What the cluster refuses has hints of its own.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Misused(explained) | Self::Local(explained) = &mut self {
            explained.hint = Some(hint.into());
        }
        self
    }

    /// 1 refused, 2 misused, 3 unreachable; closed output is no failure.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Refused(_) | Self::NotLoggedIn | Self::Local(_) | Self::Found => 1,
            Self::Misused(_) => 2,
            Self::Unreachable(_) => 3,
        }
    }
}
