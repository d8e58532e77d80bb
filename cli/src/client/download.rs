//! Answers that are too long to be held: read piece by piece, from the first server that has one. Never
//! tries again once the first piece was handed on.

use super::{
    attempt::{self, Attempt},
    deadline::Deadline,
    failover::Client,
    race::Failures,
    request::Request,
};
use crate::error::Error;
use bytes::Bytes;
use nexus_api_types::header as names;
use reqwest::{Response, header};
use std::time::Duration;
use tokio::time::timeout_at;

/// A download without progress for this long has failed.
const SILENCE: Duration = Duration::from_secs(60);

/// An answer that is being read.
pub(crate) struct Download {
    response: Response,
    deadline: Deadline,
}

impl Client {
    /// Asks server after server, once each, until one begins to answer. A server may have to write the whole down
    /// first, so that one which is silent for long is not told from one that works: `first` is what a server answers at
    /// once when it could do it, and the one that does is asked first.
    ///
    /// # Errors
    /// The cluster's refusal, or why each of the servers could not do it by the deadline.
    pub(crate) async fn download(&self, first: Request, request: Request) -> Result<Download, Error> {
        self.send(first).await?;
        let headers = self.headers(&request)?;
        let mut failures = Failures::new(self.servers.len());
        let order = self.order();
        for at in order {
            let limit = self.deadline().left();
            if limit.is_zero() {
                failures.note_unasked(at);
                continue;
            }
            let connected = &self.servers[at];
            let connection = match connected.connection(self.trust()) {
                Ok(connection) => connection,
                Err(failed) => {
                    failures.note(at, failed);
                    continue;
                }
            };
            let builder = headers.build(&connection, &connected.server, &request);
            match attempt::open(&connected.server, &request, builder, self.trust(), limit).await {
                Ok(response) => return Ok(Download { response, deadline: self.deadline().clone() }),
                Err(Attempt::Refused(refused) | Attempt::Limited { refused, .. }) => {
                    return Err(Error::Refused(refused));
                }
                Err(Attempt::Failed(failed)) => failures.note(at, failed),
                // Only a success is a download, and the caller reads it.
                Err(Attempt::Answered { .. }) => {}
            }
        }
        Err(self.unreachable(failures))
    }
}

impl Download {
    /// The log index that it reflects.
    pub(crate) fn revision(&self) -> Option<u64> {
        self.text(names::REVISION)?.parse().ok()
    }

    /// The name that the server gives it, if it is one that can be a file's in any folder.
    pub(crate) fn file_name(&self) -> Option<&str> {
        let disposition = self.text(header::CONTENT_DISPOSITION.as_str())?;
        let name = disposition.split_once("filename=\"")?.1.split('"').next()?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (!name.is_empty() && !name.starts_with('.') && name.bytes().all(is_plain)).then_some(name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// When it ends too early, nothing comes for a minute, or the time of the command is over.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let broken = |why: &str| Error::local(format!("the answer broke off: {why}")).hint("run it again");
        let chunk = timeout_at(self.deadline.end(), tokio::time::timeout(SILENCE, self.response.chunk()));
        match chunk.await {
            Ok(Ok(Ok(piece))) => Ok(piece),
            Ok(Ok(Err(error))) => Err(broken(&error.to_string())),
            Ok(Err(_)) => Err(broken("nothing came for a minute")),
            Err(_) => {
                let total = self.deadline.total().as_secs_f64();
                Err(Error::local(format!("the answer was not complete after {total} s in total"))
                    .hint("give it longer: --timeout 10m"))
            }
        }
    }
}
