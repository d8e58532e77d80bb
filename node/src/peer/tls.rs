//! TLS between nodes, over any other network: each end shows a certificate of an authority of the cluster. Which
//! cluster and node it names is compared with the greeting, by `hello`.

use super::wire::{Certified, Dial, Incoming, Listen, Wire};
use crate::tls::{Certificates, Generation};
use futures::future::BoxFuture;
use nexus_api_types::certificate::{Certificate, CertificateName};
use rustls::{
    ConnectionCommon,
    pki_types::{CertificateDer, ServerName},
};
use std::{
    io::{self, Cursor},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The label of the keying material that both ends derive for their proofs alone.
const BINDING_LABEL: &[u8] = b"EXPORTER-nexus-peer-v1";
/// The first byte of a TLS connection: the type of its first record. A greeting in plain text begins otherwise.
const TLS_HANDSHAKE: u8 = 0x16;
/// An end that refuses a certificate reads on for so long, and so much: what is unread when a connection is closed
/// would make the system discard the alert.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 * 1024;

/// Dials with TLS while this node has certificates.
pub struct TlsDial {
    /// The network below.
    pub below: Arc<dyn Dial>,
    /// The certificates of this node.
    pub certificates: Arc<Certificates>,
    /// Whether nodes may answer in plain text: while a cluster is changed over to TLS.
    pub plain: bool,
}

impl Dial for TlsDial {
    fn dial<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Wire>> {
        Box::pin(async move {
            let below = self.below.dial(addr).await?;
            let generation = self.certificates.current();
            match secure_as_caller(below, &generation).await {
                // Whoever speaks no TLS closes such a connection without an alert.
                Err(error) if is_no_tls(&error) && self.plain => {
                    tracing::debug!(addr, "it speaks no TLS: in plain text, as --insecure-peers allows");
                    let outdated = generation.replaced();
                    Ok(Wire { outdated, ..self.below.dial(addr).await? })
                }
                Err(error) if is_no_tls(&error) => Err(io::Error::new(
                    error.kind(),
                    "it closes the connection at the first word of TLS: has it no certificates (--certs-dir)?",
                )),
                secured => secured,
            }
        })
    }
}

async fn secure_as_caller(below: Wire, generation: &Generation) -> io::Result<Wire> {
    let Some(config) = generation.peer_client() else { return Ok(below) };
    // Which host answers does not matter; the name is not sent either.
    let name = ServerName::try_from("node").map_err(io::Error::other)?;
    let stream = TlsConnector::from(config).connect(name, below.stream).await?;
    let certified = Some(certified(stream.get_ref().1, generation)?);
    Ok(Wire { stream: Box::new(stream), certified, outdated: generation.replaced() })
}

/// Whether the other end hung up, or answered in another language, before it said anything in TLS.
fn is_no_tls(error: &io::Error) -> bool {
    let is_garbage = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>())
        .is_some_and(|error| matches!(error, rustls::Error::InvalidMessage(_)));
    let hung_up = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    is_garbage || hung_up.contains(&error.kind())
}

/// Listens with TLS while this node has certificates.
pub struct TlsListen<L> {
    /// The network below.
    pub below: L,
    /// The certificates of this node.
    pub certificates: Arc<Certificates>,
    /// Whether nodes may call in plain text: while a cluster is changed over to TLS.
    pub plain: bool,
}

impl<L: Listen> Listen for TlsListen<L> {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Incoming>> {
        Box::pin(async move {
            let Incoming { remote, wire } = self.below.accept().await?;
            let (certificates, plain) = (self.certificates.clone(), self.plain);
            let wire =
                Box::pin(async move { secure_as_called(wire.await?, &certificates.current(), plain).await });
            Ok(Incoming { remote, wire })
        })
    }
}

async fn secure_as_called(mut below: Wire, generation: &Generation, plain: bool) -> io::Result<Wire> {
    let Some(config) = generation.peer_server() else { return Ok(below) };
    if plain {
        let first = below.stream.read_u8().await?;
        let (reading, writing) = tokio::io::split(below.stream);
        below.stream = Box::new(tokio::io::join(Cursor::new([first]).chain(reading), writing));
        if first != TLS_HANDSHAKE {
            return Ok(Wire { outdated: generation.over(), ..below });
        }
    }
    let accepted = TlsAcceptor::from(config).accept(below.stream).into_fallible().await;
    let stream = match accepted {
        Ok(stream) => stream,
        Err((error, mut stream)) => {
            let _ = stream.shutdown().await;
            let (mut rest, mut nowhere) = (stream.take(LINGER_BYTES), tokio::io::sink());
            let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut nowhere)).await;
            return Err(error);
        }
    };
    let certified = Some(certified(stream.get_ref().1, generation)?);
    Ok(Wire { stream: Box::new(stream), certified, outdated: generation.over() })
}

/// Reads the names of both ends. The handshake is over, so the certificate is of an authority of this node.
fn certified<Side>(connection: &ConnectionCommon<Side>, generation: &Generation) -> io::Result<Certified> {
    // As an error of TLS, so that it is reported like those of rustls itself.
    let refused = |reason: &str| io::Error::other(rustls::Error::General(reason.to_owned()));
    if connection.alpn_protocol() != Some(crate::tls::PEER_PROTOCOL) {
        return Err(refused("it speaks TLS, and is no port of nodes"));
    }
    let theirs = connection.peer_certificates().and_then(|chain| name(chain.first()?));
    let theirs =
        theirs.ok_or_else(|| refused("its certificate names no node (nexus://CLUSTER-ID/node/NODE-ID)"))?;
    let own = generation.name().ok_or_else(|| refused("this node has no certificate"))?;
    let binding = connection.export_keying_material([0; 32], BINDING_LABEL, None);
    Ok(Certified { own, theirs, binding: binding.map_err(io::Error::other)? })
}

fn name(certificate: &CertificateDer<'_>) -> Option<CertificateName> {
    Certificate::read(certificate).ok()?.node_name()
}
