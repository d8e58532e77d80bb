//! The certificate that a server shows to whoever connects through TLS.

use super::failover::Client;
use nexus_api_types::certificate::Certificate;
use reqwest::tls::TlsInfo;

impl Client {
    /// The certificate of the first server, which was accepted; none without TLS, or when it does not answer by the
    /// deadline.
    pub(crate) async fn server_certificate(&self) -> Option<Certificate> {
        let first = self.servers.first()?;
        let connection = first.connection(self.trust()).ok()?;
        let asked = connection.get(first.server.url("/health/live")).send();
        let response = tokio::time::timeout(self.deadline().left(), asked).await.ok()?.ok()?;
        let shown = response.extensions().get::<TlsInfo>()?.peer_certificate()?;
        Certificate::read(shown).ok()
    }
}
