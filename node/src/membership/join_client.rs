//! Asks the servers of a running cluster to let this node in. Never decides whether to ask again.

use crate::http_client::{authorities, root_cause, tls_reason};
use anyhow::Context;
use futures::future::BoxFuture;
use nexus_api_types::{
    Data, Failure,
    cluster::{JoinRequest, Joined},
};
use std::{path::Path, time::Duration};

/// Longest wait for the answer to a join, which may include an election.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a server did not let a node in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// A retry would fail in the same way.
    Final(String),
    /// No server answered, or there was no leader; a retry may succeed.
    Later(String),
}

/// Asks servers to let a node in. Tests replace it.
pub trait JoinClient: Send + Sync + 'static {
    /// Asks one server, a URL such as `http://127.0.0.1:7401`. Ends within [`JOIN_TIMEOUT`].
    ///
    /// # Errors
    /// The refusal of the server, or the reason why there was no answer.
    fn join<'a>(
        &'a self,
        server: &'a str,
        request: &'a JoinRequest,
    ) -> BoxFuture<'a, Result<Joined, JoinError>>;
}

/// Asks by HTTP.
pub(super) struct HttpJoinClient(reqwest::Client);

impl HttpJoinClient {
    /// A client that, by `https`, trusts the authorities in `ca`, or those of the system.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub(super) fn new(ca: Option<&Path>) -> anyhow::Result<Self> {
        let builder = reqwest::Client::builder().timeout(JOIN_TIMEOUT);
        let builder = match ca {
            None => builder,
            Some(path) => builder.tls_certs_only(authorities("--join-ca", path)?),
        };
        builder.build().map(Self).context("cannot make an HTTP client")
    }

    async fn ask(&self, server: &str, request: &JoinRequest) -> Result<Joined, JoinError> {
        let url = format!("{server}/api/cluster/members");
        let later = |error: reqwest::Error| match tls_reason(&error) {
            // Waiting mends no certificate.
            Some(reason) => {
                JoinError::Final(format!("TLS: {reason} (--join-ca FILE names the ca.crt of the cluster)"))
            }
            None => JoinError::Later(root_cause(&error)),
        };
        let response = self.0.post(url).json(request).send().await.map_err(later)?;
        let status = response.status();
        if status.is_success() {
            let joined: Data<Joined> = response.json().await.map_err(later)?;
            return Ok(joined.data);
        }
        let message = match response.json::<Failure>().await {
            Ok(failure) => failure.error.message,
            Err(_) => format!("HTTP status {status}"),
        };
        if status.is_client_error() { Err(JoinError::Final(message)) } else { Err(JoinError::Later(message)) }
    }
}

impl JoinClient for HttpJoinClient {
    fn join<'a>(
        &'a self,
        server: &'a str,
        request: &'a JoinRequest,
    ) -> BoxFuture<'a, Result<Joined, JoinError>> {
        Box::pin(self.ask(server, request))
    }
}
