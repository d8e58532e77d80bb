//! The greeting of a connection: which ones are accepted, and the answers that the others receive.

use super::cast::{AMPLE_TIMEOUT, BRIEF_TIMEOUT, CLUSTER, Peer, member, target};
use crate::{
    peer::secret::ClusterSecret,
    peer::{
        Cause, LocalIdentity, PeerError, PeerTarget, Refusal,
        control::{ControlRequest, ControlResponse, Header},
        frame::{self, Frames},
        hello::{self, Hello, HelloReply, ProofReply, Purpose},
        limits::PROTOCOL,
        memory::MemoryNetwork,
        proof::{Greeting, Side},
        service::{ServiceRequest, ServiceResponse},
        tcp::{TcpDial, TcpListen},
        wire::{Dial, Listen},
    },
};
use nexus_domain::{ClusterId, InstanceId, NodeId};
use nexus_raft_store::Vote;
use openraft::raft::VoteRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

fn refusal<T: std::fmt::Debug>(result: Result<T, PeerError>) -> Refusal {
    match result {
        Err(PeerError::NotSent(Cause::Refused(refusal))) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn members_find_each_other_over_real_sockets() {
    let listen = TcpListen::bind("127.0.0.1:0").await.unwrap();
    let addr = listen.local_addr().unwrap().to_string();
    let called = Peer::start(listen, TcpDial, member(2), true);
    let caller = Peer::start(TcpListen::bind("127.0.0.1:0").await.unwrap(), TcpDial, member(1), true);

    let welcome = caller.client.probe(&addr, AMPLE_TIMEOUT).await.unwrap();
    assert_eq!((welcome.node, welcome.cluster), (Some(NodeId(2)), Some(CLUSTER)));
    assert_eq!((welcome.client_addr.as_str(), welcome.is_initialized), ("client-2", true));
    assert_eq!(welcome.version, env!("CARGO_PKG_VERSION"));

    let answer =
        caller.client.request(&target(&addr, &member(2)), ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await;
    assert!(matches!(answer, Ok(ServiceResponse::ReadIndex(_))));
    assert_eq!(*called.service.askers.lock().unwrap(), [Some(NodeId(1))]);
    called.stop().await;
    caller.stop().await;
}

#[tokio::test]
async fn a_node_of_another_cluster_is_refused() {
    let network = MemoryNetwork::default();
    let _called = Peer::on(&network, "b", member(2));
    let stranger = LocalIdentity { cluster: Some(ClusterId(Uuid::from_u128(0xC2))), ..member(1) };
    let caller = Peer::on(&network, "a", stranger);
    let refused = refusal(
        caller.client.request(&target("b", &member(2)), ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await,
    );
    assert!(matches!(refused, Refusal::WrongCluster { .. }), "{refused}");
}

#[tokio::test]
async fn a_member_that_lost_its_data_is_refused_under_its_old_name() {
    let network = MemoryNetwork::default();
    let wiped = LocalIdentity { instance: InstanceId(Uuid::from_u128(99)), ..member(2) };
    let _called = Peer::on(&network, "b", wiped);
    let caller = Peer::on(&network, "a", member(1));
    let appending = caller.client.connect(&target("b", &member(2)), Purpose::Append).await;
    assert!(matches!(appending.err(), Some(Cause::Refused(Refusal::WrongInstance { .. }))));
}

#[tokio::test]
async fn another_member_at_the_address_is_refused() {
    let network = MemoryNetwork::default();
    let moved = LocalIdentity { node: Some(NodeId(3)), ..member(2) };
    let _called = Peer::on(&network, "b", moved);
    let caller = Peer::on(&network, "a", member(1));
    let appending = caller.client.connect(&target("b", &member(2)), Purpose::Append).await;
    assert!(matches!(appending.err(), Some(Cause::Refused(Refusal::WrongNode { .. }))));
}

#[tokio::test]
async fn a_joining_node_can_be_probed_and_may_ask_but_not_vote() {
    let network = MemoryNetwork::default();
    let joining = LocalIdentity::new(InstanceId(Uuid::from_u128(4)), "client-4");
    let guest = Peer::start(network.listen("d"), network.dialer("d"), joining, false);
    let host = Peer::on(&network, "a", member(1));

    let welcome = host.client.probe("d", AMPLE_TIMEOUT).await.unwrap();
    assert_eq!((welcome.node, welcome.instance), (None, InstanceId(Uuid::from_u128(4))));

    let anyone = PeerTarget::anyone("a");
    let refused = refusal(guest.client.request(&anyone, ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await);
    assert_eq!(refused, Refusal::NoSecret);
    // One of the first nodes knows the secret before it is a member.
    let joining = LocalIdentity { secret: member(4).secret, ..guest.identity.borrow().clone() };
    let guest = Peer::start(network.listen("e"), network.dialer("e"), joining, false);
    let refused = refusal(guest.client.request(&anyone, ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await);
    assert_eq!(refused, Refusal::NotAMember);
    host.service.let_go.add_permits(1);
    let who_is = ServiceRequest::WhoIs { node: NodeId(1) };
    assert!(guest.client.request(&anyone, who_is, AMPLE_TIMEOUT).await.is_ok());
    assert_eq!(*host.service.askers.lock().unwrap(), [None]);

    let vote = ControlRequest::Vote(VoteRequest::new(Vote::new(9, 4), None));
    let refused = refusal(guest.client.call(&target("a", &member(1)), vote, AMPLE_TIMEOUT).await);
    assert_eq!(refused, Refusal::NotAMember);
}

#[tokio::test]
async fn a_caller_with_another_secret_is_refused_by_both_ends() {
    let network = MemoryNetwork::default();
    let _called = Peer::on(&network, "b", member(2));
    let guess = Some(ClusterSecret::parse("a guess that is as long as a secret").unwrap());
    let caller = Peer::on(&network, "a", LocalIdentity { secret: guess, ..member(1) });
    // The caller learns first that the other end has no valid proof, and sends no proof itself.
    let refused = refusal(
        caller.client.request(&target("b", &member(2)), ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await,
    );
    assert_eq!(refused, Refusal::NotProved);
}

/// The connection of a caller that sends a valid greeting and then this proof.
async fn without_proof(network: &MemoryNetwork, purpose: Purpose, proof: &impl serde::Serialize) -> Frames {
    let mut stream = network.dialer("z").dial("b").await.unwrap().stream;
    stream.write_all(&hello::preamble(PROTOCOL)).await.unwrap();
    let mut frames = Frames::new(stream);
    let expected = target("b", &member(2)).expected;
    frames.push(&Hello::new(&member(1), purpose, expected)).unwrap();
    frames.flush().await.unwrap();
    frames.read_bare(&mut [0; 8]).await.unwrap();
    let reception: HelloReply = frame::read(frames.next().await.unwrap()).unwrap();
    assert!(reception.unwrap().1.is_some(), "the server sends its proof first");
    frames.push(proof).unwrap();
    frames
}

#[tokio::test]
async fn a_caller_without_a_proof_is_refused() {
    let network = MemoryNetwork::default();
    let called = Peer::on(&network, "b", member(2));
    for purpose in [Purpose::Control, Purpose::Append, Purpose::Snapshot] {
        let mut frames = without_proof(&network, purpose, &[0_u8; 32]).await;
        let admission: ProofReply = frame::read(frames.next().await.unwrap()).unwrap();
        assert_eq!(admission, Err(Refusal::NotProved));
        // A request instead of the proof is refused, too.
        let request = (Header { call: 7, ttl_ms: 1_000 }, ControlRequest::Service(ServiceRequest::ReadIndex));
        let mut frames = without_proof(&network, purpose, &request).await;
        let answer = frames.next().await;
        assert!(answer.is_err(), "{answer:?}");
    }
    assert!(called.service.askers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_proof_is_good_for_one_greeting_and_one_end() {
    let secret = member(1).secret.unwrap();
    let hello = Hello::new(&member(1), Purpose::Control, None);
    let welcome = hello::Welcome::new(&member(2));
    let greeting = Greeting { hello: &hello, welcome: &welcome, nonce: &[1; 32], binding: None };
    let proof = greeting.prove(&secret, Side::Called);
    assert!(greeting.is_proved(&secret, Side::Called, &proof));
    assert!(!greeting.is_proved(&secret, Side::Caller, &proof), "it is not sent back as one's own");
    let again = Greeting { nonce: &[2; 32], ..greeting };
    assert!(!again.is_proved(&secret, Side::Called, &proof));
    let other = Hello { node: Some(NodeId(3)), ..hello.clone() };
    assert!(!Greeting { hello: &other, ..greeting }.is_proved(&secret, Side::Called, &proof));
    let guess = ClusterSecret::parse("a guess that is as long as a secret").unwrap();
    assert!(!greeting.is_proved(&guess, Side::Called, &proof));
}

#[tokio::test]
async fn a_node_introduces_itself_anew_once_it_has_its_id() {
    let network = MemoryNetwork::default();
    let joining = LocalIdentity::new(member(4).instance, "client-4");
    let joining = LocalIdentity { secret: member(4).secret, ..joining };
    let guest = Peer::start(network.listen("d"), network.dialer("d"), joining, false);
    let host = Peer::on(&network, "a", member(1));
    let anyone = PeerTarget::anyone("a");
    host.service.let_go.add_permits(1_000_000);
    let ask = || guest.client.request(&anyone, ServiceRequest::WhoIs { node: NodeId(1) }, AMPLE_TIMEOUT);
    ask().await.unwrap();
    guest.identity.send_replace(member(4));
    loop {
        ask().await.unwrap();
        if host.service.askers.lock().unwrap().last() == Some(&Some(NodeId(4))) {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_member_without_raft_yet_answers_neither_votes_nor_appends() {
    let network = MemoryNetwork::default();
    let _starting = Peer::start(network.listen("b"), network.dialer("b"), member(2), false);
    let caller = Peer::on(&network, "a", member(1));
    let vote = ControlRequest::PreVote(VoteRequest::new(Vote::new(1, 1), None));
    assert_eq!(
        refusal(caller.client.call(&target("b", &member(2)), vote, AMPLE_TIMEOUT).await),
        Refusal::NotReady
    );
    let appending = caller.client.connect(&target("b", &member(2)), Purpose::Append).await;
    assert!(matches!(appending.err(), Some(Cause::Refused(Refusal::NotReady))));
}

#[tokio::test]
async fn a_pre_vote_is_really_sent() {
    let network = MemoryNetwork::default();
    let _called = Peer::on(&network, "b", member(2));
    let caller = Peer::on(&network, "a", member(1));
    let vote = ControlRequest::PreVote(VoteRequest::new(Vote::new(1, 1), None));
    let answer = caller.client.call(&target("b", &member(2)), vote, AMPLE_TIMEOUT).await;
    assert!(matches!(answer, Ok(ControlResponse::Vote(response)) if !response.vote_granted));
}

#[tokio::test]
async fn a_caller_of_another_protocol_gets_the_name_of_this_one() {
    let network = MemoryNetwork::default();
    let _called = Peer::on(&network, "b", member(2));
    let mut newer = network.dialer("z").dial("b").await.unwrap().stream;
    newer.write_all(&hello::preamble(PROTOCOL + 1)).await.unwrap();
    let mut theirs = Vec::new();
    newer.read_to_end(&mut theirs).await.unwrap();
    assert_eq!(theirs, hello::preamble(PROTOCOL));

    let mut listen = network.listen("c");
    let newer = tokio::spawn(async move {
        let mut stream = listen.accept().await.unwrap().wire.await.unwrap().stream;
        stream.write_all(&hello::preamble(PROTOCOL + 1)).await.unwrap();
        stream
    });
    let caller = Peer::on(&network, "a", member(1));
    let refused = refusal(caller.client.probe("c", AMPLE_TIMEOUT).await);
    assert_eq!(refused, Refusal::Protocol { ours: PROTOCOL, theirs: PROTOCOL + 1 });
    drop(newer.await.unwrap());
}

#[tokio::test]
async fn a_web_browser_on_the_peer_port_gets_nothing() {
    let network = MemoryNetwork::default();
    let _called = Peer::on(&network, "b", member(2));
    let mut browser = network.dialer("z").dial("b").await.unwrap().stream;
    browser.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    browser.read_to_end(&mut answer).await.unwrap();
    assert!(answer.is_empty());
}

#[tokio::test]
async fn a_refused_connection_has_a_certain_outcome() {
    let network = MemoryNetwork::default();
    let caller = Peer::on(&network, "a", member(1));
    let answer =
        caller.client.request(&target("b", &member(2)), ServiceRequest::ReadIndex, BRIEF_TIMEOUT).await;
    assert!(matches!(answer, Err(PeerError::NotSent(Cause::Connect(_)))), "{answer:?}");
}
