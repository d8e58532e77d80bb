//! TLS between nodes: whom each end accepts, and what both say when they do not.

use super::cast::{AMPLE_TIMEOUT, CLUSTER, Peer, append, member, target};
use crate::{
    peer::{
        Cause, LocalIdentity, PeerError, Refusal,
        hello::Purpose,
        memory::MemoryNetwork,
        network::PeerNetworkFactory,
        service::{ServiceRequest, ServiceResponse},
        tls::{TlsDial, TlsListen},
        wire::{Incoming, Listen, Wire},
    },
    tls::{
        Certificates, TlsFiles,
        authority::{self, Authority, trust},
    },
};
use futures::{FutureExt, StreamExt, future::BoxFuture};
use nexus_raft_store::Member;
use openraft::{RaftNetworkFactory, RaftNetworkV2, network::RPCOption};
use std::{io, path::Path, sync::Arc};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The name of a node of the cluster of the cast.
fn name(node: u64) -> String {
    format!("nexus://{}/node/{node}", CLUSTER.0)
}

/// A node with its certificates.
struct Secured {
    peer: Peer,
    certificates: Arc<Certificates>,
    dir: TempDir,
}

impl Secured {
    fn start(
        network: &MemoryNetwork,
        addr: &str,
        identity: LocalIdentity,
        authority: &Authority,
        uri: &str,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Arc::new(authority::certificates(dir.path(), authority, uri));
        Self { peer: start(network, addr, identity, certificates.clone(), false), certificates, dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    async fn ask(&self, addr: &str, called: u64) -> Result<ServiceResponse, PeerError> {
        let target = target(addr, &member(called));
        self.peer.client.request(&target, ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await
    }
}

fn start(
    network: &MemoryNetwork,
    addr: &str,
    identity: LocalIdentity,
    certificates: Arc<Certificates>,
    plain: bool,
) -> Peer {
    let listen = TlsListen { below: network.listen(addr), certificates: certificates.clone(), plain };
    let dial = TlsDial { below: Arc::new(network.dialer(addr)), certificates, plain };
    Peer::start(listen, dial, identity, true)
}

fn without() -> Arc<Certificates> {
    Arc::new(Certificates::read(TlsFiles::default()).unwrap())
}

fn reason<T: std::fmt::Debug>(asked: Result<T, PeerError>) -> String {
    match asked {
        Err(PeerError::NotSent(cause)) => cause.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn members_with_certificates_of_their_authority_talk() {
    let (network, authority) = (MemoryNetwork::default(), Authority::new("the cluster's"));
    let called = Secured::start(&network, "b", member(2), &authority, &name(2));
    let caller = Secured::start(&network, "a", member(1), &authority, &name(1));
    assert!(matches!(caller.ask("b", 2).await, Ok(ServiceResponse::ReadIndex(_))));
    // One for any node of the cluster is good for each.
    let joining =
        Secured::start(&network, "c", member(3), &authority, &format!("nexus://{}/node", CLUSTER.0));
    assert!(matches!(joining.ask("b", 2).await, Ok(ServiceResponse::ReadIndex(_))));
    assert_eq!(called.certificates.current().shown().authorities.len(), 1);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_with_the_reason_on_both_sides() {
    let network = MemoryNetwork::default();
    let (authority, foreign) = (Authority::new("the cluster's"), Authority::new("another"));
    let _called = Secured::start(&network, "b", member(2), &authority, &name(2));
    let stranger = Secured::start(&network, "a", member(1), &foreign, &name(1));
    // The end that dials checks first.
    let said = reason(stranger.ask("b", 2).await);
    assert!(said.contains("of an authority that this node does not know"), "{said}");
    // One that trusts both is refused by the other end, whose reason arrives as an alert.
    trust(stranger.path(), &[&foreign, &authority]);
    stranger.certificates.reload().unwrap();
    let refused = stranger.peer.client.connect(&target("b", &member(2)), Purpose::Control).await;
    let said = refused.err().unwrap().to_string();
    assert!(said.contains("does not know the authority of this node's certificate"), "{said}");
}

#[tokio::test]
async fn a_certificate_of_another_cluster_or_node_is_refused_with_the_reason_on_both_sides() {
    let (network, authority) = (MemoryNetwork::default(), Authority::new("one for two clusters"));
    let called = Secured::start(&network, "b", member(2), &authority, &name(2));
    let other = "nexus://00000000-0000-0000-0000-0000000000c9/node/1";
    for (addr, uri) in [("a", other.to_owned()), ("c", name(3))] {
        let stranger = Secured::start(&network, addr, member(1), &authority, &uri);
        let caller = stranger.peer.client.connect(&target("b", &member(2)), Purpose::Control).await;
        let Some(Cause::Refused(Refusal::WrongCertificate { certified, .. })) = caller.err() else {
            panic!("{uri} is accepted");
        };
        // The end that dialled sees what is wrong with the other one's certificate, from its point of view, or hears
        // what the other one says of its own.
        assert!([uri.clone(), name(2)].contains(&certified), "{certified}");
        let from_the_other_end = called.ask(addr, 1).await;
        let said = reason(from_the_other_end);
        assert!(said.contains("its certificate is for"), "{said}");
    }
}

#[tokio::test]
async fn plain_text_and_tls_do_not_mix_and_both_ends_say_so() {
    let (network, authority) = (MemoryNetwork::default(), Authority::new("the cluster's"));
    let secured = Secured::start(&network, "b", member(2), &authority, &name(2));
    let plain = start(&network, "a", member(1), without(), false);
    let said = reason(
        plain.client.request(&target("b", &member(2)), ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await,
    );
    assert!(said.contains("speaks TLS, and this node has no certificates"), "{said}");
    let said = reason(secured.ask("a", 1).await);
    assert!(said.contains("has it no certificates"), "{said}");
}

#[tokio::test]
async fn while_a_cluster_is_changed_over_nodes_talk_either_way() {
    let (network, authority) = (MemoryNetwork::default(), Authority::new("the cluster's"));
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let with = |dir: &TempDir, node| Arc::new(authority::certificates(dir.path(), &authority, &name(node)));
    let plain = start(&network, "a", member(1), without(), false);
    let both = start(&network, "b", member(2), with(&first, 2), true);
    let secured = start(&network, "c", member(3), with(&second, 3), false);
    for (from, addr, node) in [(&plain, "b", 2), (&both, "a", 1), (&both, "c", 3), (&secured, "b", 2)] {
        let asked =
            from.client.request(&target(addr, &member(node)), ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await;
        assert!(matches!(asked, Ok(ServiceResponse::ReadIndex(_))), "to {addr}: {asked:?}");
    }
}

/// A listener whose connections have to end when a token is cancelled.
struct Ending<L> {
    below: L,
    end: CancellationToken,
}

impl<L: Listen> Listen for Ending<L> {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Incoming>> {
        Box::pin(async move {
            let Incoming { remote, wire } = self.below.accept().await?;
            let outdated = self.end.clone();
            Ok(Incoming { remote, wire: Box::pin(async move { Ok(Wire { outdated, ..wire.await? }) }) })
        })
    }
}

#[tokio::test]
async fn the_end_that_was_called_ends_a_connection_of_former_certificates() {
    for purpose in [Purpose::Control, Purpose::Append] {
        let (network, end) = (MemoryNetwork::default(), CancellationToken::new());
        let listen = Ending { below: network.listen("b"), end: end.clone() };
        let _called = Peer::start(listen, network.dialer("b"), member(2), true);
        let caller = Peer::on(&network, "a", member(1));
        let mut connected = caller.client.connect(&target("b", &member(2)), purpose).await.unwrap();
        assert!(connected.frames.next().now_or_never().is_none(), "it is open");
        end.cancel();
        let ended = tokio::time::timeout(AMPLE_TIMEOUT, connected.frames.next()).await;
        assert!(matches!(ended, Ok(Err(_))), "{purpose:?} goes on");
    }
}

#[tokio::test]
async fn new_certificates_renew_connections_without_losing_an_entry() {
    let network = MemoryNetwork::default();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let called = Secured::start(&network, "b", member(2), &old, &name(2));
    let caller = Secured::start(&network, "a", member(1), &old, &name(1));
    let place =
        Member { peer_addr: "b".to_owned(), client_addr: String::new(), instance: member(2).instance };
    let mut peer = PeerNetworkFactory::new(caller.peer.client.clone()).new_client(2, &place).await;
    let (requests, input) = tokio::sync::mpsc::channel(8);
    let input = futures::stream::unfold(input, |mut input| async move { Some((input.recv().await?, input)) });
    let mut answers =
        peer.stream_append(Box::pin(input), RPCOption::new(AMPLE_TIMEOUT)).await.expect("a session");
    requests.send(append(1)).await.unwrap();
    assert!(matches!(answers.next().await, Some(Ok(Ok(_)))));

    // Both authorities first, then certificates of the new one, then the old one goes.
    for node in [&called, &caller] {
        trust(node.path(), &[&new, &old]);
        node.certificates.reload().unwrap();
    }
    assert!(answers.next().await.is_none(), "the session ends, so that openraft begins another one");
    drop(answers);
    for (node, id) in [(&called, 2), (&caller, 1)] {
        new.issue(node.path(), &[&name(id)], 2090);
        node.certificates.reload().unwrap();
    }
    for node in [&called, &caller] {
        trust(node.path(), &[&new]);
        node.certificates.reload().unwrap();
    }
    let once = futures::stream::iter([append(2)]).chain(futures::stream::pending());
    let mut answers =
        peer.stream_append(Box::pin(once), RPCOption::new(AMPLE_TIMEOUT)).await.expect("a session");
    assert!(matches!(answers.next().await, Some(Ok(Ok(_)))), "over a new connection, with new certificates");
    assert_eq!(*called.peer.raft.appended.lock().unwrap(), [1, 2]);
}
