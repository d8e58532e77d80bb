//! TLS with clients: the first byte of a connection says whether it is TLS or HTTP in plain text.

use crate::{serve::connections::Connection, tls::Certificates};
use nexus_api_types::{Code, ErrorBody, Failure};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::either::Either;
use uuid::Uuid;

/// The first byte of a TLS connection: the type of its first record. No HTTP request begins with it.
const TLS_HANDSHAKE: u8 = 0x16;
/// Bytes that are read of a refused request, so that closing the connection does not discard the answer.
const MAX_REFUSED: u64 = 64 * 1024;

/// The connection of a client: in plain text, or by TLS.
pub(crate) type ClientStream = Either<Connection, TlsStream<Connection>>;

/// How a listener secures connections.
#[derive(Clone)]
pub(crate) struct ClientTls {
    /// The certificates of this node.
    pub(crate) certificates: Arc<Certificates>,
    /// Whether clients may talk in plain text although there is a certificate for them.
    pub(crate) plain: bool,
}

impl ClientTls {
    /// Secures a connection whose client has sent its first byte. None when the client hung up, or was refused. The
    /// caller limits the time.
    pub(crate) async fn secure(self, connection: Connection) -> Option<ClientStream> {
        let Some(config) = self.certificates.current().clients() else {
            return Some(Either::Left(connection));
        };
        match connection.first_byte().await.ok()?? {
            TLS_HANDSHAKE => match TlsAcceptor::from(config).accept(connection).await {
                Ok(stream) => Some(Either::Right(stream)),
                Err(error) => {
                    tracing::debug!(%error, "a TLS handshake with a client failed");
                    None
                }
            },
            _ if self.plain => Some(Either::Left(connection)),
            _ => {
                refuse(connection).await;
                None
            }
        }
    }
}

/// Tells a client that speaks plain HTTP to use `https`.
async fn refuse(mut connection: Connection) {
    let error = ErrorBody {
        code: Code::ValidationError,
        message: "this node serves https alone: begin its address with https://, and tell nexus the authority with \
                  --ca FILE"
            .to_owned(),
        details: None,
        request_id: Uuid::now_v7().to_string(),
    };
    let body = serde_json::to_string(&Failure { error }).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n{body}",
        body.len()
    );
    let _ = connection.write_all(answer.as_bytes()).await;
    let _ = connection.shutdown().await;
    let _ = tokio::io::copy(&mut connection.take(MAX_REFUSED), &mut tokio::io::sink()).await;
}
