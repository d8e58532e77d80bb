//! Who is let in, and what those who are not are told.

use super::cast::{AMPLE, BRIEF, CLUSTER, Peer, member, target};
use crate::peer::{
    Cause, LocalIdentity, PeerError, PeerTarget, Refusal,
    control::{ControlRequest, ControlResponse},
    hello::{self, Purpose},
    limits::PROTOCOL,
    memory::MemoryNetwork,
    service::{ServiceRequest, ServiceResponse},
    tcp::{TcpDial, TcpListen},
    wire::{Dial, Listen},
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

    let welcome = caller.client.probe(&addr, AMPLE).await.unwrap();
    assert_eq!((welcome.node, welcome.cluster), (Some(NodeId(2)), Some(CLUSTER)));
    assert_eq!((welcome.client_addr.as_str(), welcome.is_initialized), ("client-2", true));
    assert_eq!(welcome.version, env!("CARGO_PKG_VERSION"));

    let answer = caller.client.request(&target(&addr, &member(2)), ServiceRequest::ReadIndex, AMPLE).await;
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
    let refused =
        refusal(caller.client.request(&target("b", &member(2)), ServiceRequest::ReadIndex, AMPLE).await);
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

    let welcome = host.client.probe("d", AMPLE).await.unwrap();
    assert_eq!((welcome.node, welcome.instance), (None, InstanceId(Uuid::from_u128(4))));

    let answer = guest.client.request(&PeerTarget::anyone("a"), ServiceRequest::ReadIndex, AMPLE).await;
    assert!(answer.is_ok());
    assert_eq!(*host.service.askers.lock().unwrap(), [None]);

    let vote = ControlRequest::Vote(VoteRequest::new(Vote::new(9, 4), None));
    let refused = refusal(guest.client.call(&target("a", &member(1)), vote, AMPLE).await);
    assert_eq!(refused, Refusal::NotAMember);
}

#[tokio::test]
async fn a_node_introduces_itself_anew_once_it_has_its_id() {
    let network = MemoryNetwork::default();
    let joining = LocalIdentity::new(member(4).instance, "client-4");
    let guest = Peer::start(network.listen("d"), network.dialer("d"), joining, false);
    let host = Peer::on(&network, "a", member(1));
    let anyone = PeerTarget::anyone("a");
    let ask = || guest.client.request(&anyone, ServiceRequest::ReadIndex, AMPLE);
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
    assert_eq!(refusal(caller.client.call(&target("b", &member(2)), vote, AMPLE).await), Refusal::NotReady);
    let appending = caller.client.connect(&target("b", &member(2)), Purpose::Append).await;
    assert!(matches!(appending.err(), Some(Cause::Refused(Refusal::NotReady))));
}

#[tokio::test]
async fn a_pre_vote_is_really_asked_for() {
    let network = MemoryNetwork::default();
    let _called = Peer::on(&network, "b", member(2));
    let caller = Peer::on(&network, "a", member(1));
    let vote = ControlRequest::PreVote(VoteRequest::new(Vote::new(1, 1), None));
    let answer = caller.client.call(&target("b", &member(2)), vote, AMPLE).await;
    assert!(matches!(answer, Ok(ControlResponse::Vote(response)) if !response.vote_granted));
}

#[tokio::test]
async fn another_protocol_is_told_which_one_is_spoken_here() {
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
    let refused = refusal(caller.client.probe("c", AMPLE).await);
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
async fn nobody_there_is_certain() {
    let network = MemoryNetwork::default();
    let caller = Peer::on(&network, "a", member(1));
    let answer = caller.client.request(&target("b", &member(2)), ServiceRequest::ReadIndex, BRIEF).await;
    assert!(matches!(answer, Err(PeerError::NotSent(Cause::Connect(_)))), "{answer:?}");
}
