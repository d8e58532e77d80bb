//! Answers that are too long to be held: read piece by piece, from the first server that has one. Never
//! tries again once the first piece was handed on.

use super::{
    attempt::{self, Attempt},
    failover::{Client, Failures},
    request::Request,
};
use crate::error::Error;
use bytes::Bytes;
use nexus_api_types::header as names;
use reqwest::{Response, header};
use std::time::Duration;

/// A server may have to write the whole down first; it gives up after a minute.
const PREPARATION: Duration = Duration::from_secs(75);
/// A download without progress for this long has failed.
const SILENCE: Duration = Duration::from_secs(60);

/// An answer that is being read.
pub(crate) struct Download {
    response: Response,
}

impl Client {
    /// Asks server after server, once each, until one begins to answer.
    ///
    /// # Errors
    /// The cluster's refusal, or why each of the servers could not do it.
    pub(crate) async fn download(&self, request: Request) -> Result<Download, Error> {
        let headers = self.headers(&request)?;
        let mut failures = Failures::new(self.servers.len());
        for (at, connected) in self.servers.iter().enumerate() {
            let builder = self.build(connected.connection()?, &connected.server, &request, &headers);
            match attempt::open(&connected.server, &request, builder, PREPARATION).await {
                Ok(response) => return Ok(Download { response }),
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
    /// When it ends too early, or nothing comes for a minute.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let broken = |why: &str| Error::local(format!("the answer broke off: {why}")).hint("run it again");
        match tokio::time::timeout(SILENCE, self.response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(broken(&error.to_string())),
            Err(_) => Err(broken("nothing came for a minute")),
        }
    }
}
