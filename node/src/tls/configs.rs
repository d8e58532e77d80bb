//! The settings of rustls. Between nodes: TLS 1.3 alone, a certificate from both ends, and no resumption, since a
//! resumed session would not be checked against authorities that have changed meanwhile. For clients: TLS 1.2 and 1.3.

use super::files::{self, KeyPair, TlsFiles, TlsProblem};
use nexus_api_types::certificate::CertificateName;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, InconsistentKeys, RootCertStore,
    ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, ring, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier},
    version::{TLS12, TLS13},
};
use std::{path::Path, sync::Arc};

/// The protocol that nodes name in their handshakes, so that no client mistakes the port of the nodes for its own.
pub(crate) const PEER_PROTOCOL: &[u8] = b"nexus-peer";

/// The settings for peers.
pub(super) struct PeerConfigs {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
    /// The name in this node's certificate.
    pub(super) name: CertificateName,
}

/// The settings for peers, with this certificate and the authorities of `bundle`. `in_time` refuses a certificate that
/// is not valid now.
pub(super) fn peers(
    files: &TlsFiles,
    pair: &KeyPair,
    bundle: &Path,
    authorities: &[CertificateDer<'static>],
    in_time: bool,
) -> Result<PeerConfigs, TlsProblem> {
    let of_pair = files.peers.as_ref().map_or(bundle, |pair| &pair.cert);
    let name = pair.certificate.node_name().ok_or_else(|| {
        TlsProblem::of(
            of_pair,
            "it names no node. The name is a URI among its alternative names, nexus://CLUSTER-ID/node/NODE-ID; nexus \
             cluster certs issue makes such certificates",
        )
    })?;
    let provider = Arc::new(ring::default_provider());
    let roots = Arc::new(roots(bundle, authorities)?);
    let verifier = PeerVerifier { roots: roots.clone(), provider: provider.clone() };
    let clients = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error| TlsProblem::of(bundle, error.to_string()))?;
    // As the peers will check it, at both ends.
    let (own, intermediates, now) = (&pair.chain[0], &pair.chain[1..], UnixTime::now());
    let as_called = verifier.check(own, intermediates, now);
    let as_caller = clients.verify_client_cert(own, intermediates, now).map(drop);
    for checked in [as_called, as_caller] {
        match checked {
            Err(error) if in_time || !is_out_of_time(&error) => {
                return Err(TlsProblem::of(of_pair, unaccepted(&error, bundle)));
            }
            Ok(()) | Err(_) => {}
        }
    }
    let unfit = |error: Error| unfit(of_pair, &error);
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .map_err(unfit)?
        .with_client_cert_verifier(clients)
        .with_single_cert(pair.chain.clone(), pair.key.clone_key())
        .map_err(unfit)?;
    server.alpn_protocols = vec![PEER_PROTOCOL.to_vec()];
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(unfit)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(pair.chain.clone(), pair.key.clone_key())
        .map_err(unfit)?;
    client.alpn_protocols = vec![PEER_PROTOCOL.to_vec()];
    client.resumption = Resumption::disabled();
    client.enable_sni = false;
    Ok(PeerConfigs { server: Arc::new(server), client: Arc::new(client), name })
}

/// The settings for clients.
pub(super) fn clients(path: &Path, pair: &KeyPair) -> Result<Arc<ServerConfig>, TlsProblem> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS12, &TLS13])
        .map_err(|error| unfit(path, &error))?
        .with_no_client_auth()
        .with_single_cert(pair.chain.clone(), pair.key.clone_key())
        .map_err(|error| unfit(path, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn roots(bundle: &Path, authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsProblem> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        if !files::read_certificate(bundle, authority)?.is_authority {
            return Err(TlsProblem::of(bundle, "it holds a certificate that is not one of an authority"));
        }
        roots.add(authority.clone()).map_err(|error| TlsProblem::of(bundle, error.to_string()))?;
    }
    Ok(roots)
}

fn unfit(path: &Path, error: &Error) -> TlsProblem {
    let reason = match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the private key does not belong to this certificate".to_owned()
        }
        error => error.to_string(),
    };
    TlsProblem::of(path, reason)
}

/// Why peers would not accept this node's certificate.
fn unaccepted(error: &Error, bundle: &Path) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!("none of the authorities in {} issued it", bundle.display())
        }
        Error::InvalidCertificate(
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. },
        ) => "it is not for both ends of a connection (extended key usage: serverAuth and clientAuth)"
            .to_owned(),
        error => format!("other nodes would not accept it: {error}"),
    }
}

/// Whether a certificate is only too old or too new: a node starts with it, and says so, since a new one may be on its
/// way.
fn is_out_of_time(error: &Error) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(
        error,
        Error::InvalidCertificate(Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
    )
}

/// Checks the certificate of a node that was called: that an authority of the cluster issued it. Not for which host:
/// the greeting compares the name of the node, which stays when its address changes.
#[derive(Debug)]
struct PeerVerifier {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl PeerVerifier {
    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("nodes speak TLS 1.3 alone".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
