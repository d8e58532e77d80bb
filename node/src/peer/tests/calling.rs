//! Many requests over one connection: which are answered, and which outcomes are certain or unknown.

use super::cast::{AMPLE_TIMEOUT, BRIEF_TIMEOUT, Peer, member, target};
use crate::peer::{
    Cause, PeerError, PeerTarget, Refusal,
    control::{ControlRequest, ControlResponse},
    frame::Frames,
    greet,
    limits::{MAX_FRAME, SERVICE_IN_FLIGHT},
    memory::MemoryNetwork,
    service::{MembershipRequest, ServiceRequest, ServiceResponse},
    wire::Listen,
};
use futures::future::{join_all, select_all};
use nexus_domain::SessionId;
use nexus_raft_store::Vote;
use openraft::raft::VoteRequest;
use std::{collections::BTreeSet, time::Duration};

const WAIT: ServiceRequest = ServiceRequest::Membership(MembershipRequest::TransferLeader { to: None });

fn pair(network: &MemoryNetwork) -> (Peer, Peer, PeerTarget) {
    (Peer::on(network, "a", member(1)), Peer::on(network, "b", member(2)), target("b", &member(2)))
}

#[tokio::test]
async fn requests_share_a_connection_and_each_gets_its_own_answer() {
    let network = MemoryNetwork::default();
    let (caller, called, to) = pair(&network);
    let asking = (0..500).map(|_| caller.client.request(&to, ServiceRequest::ReadIndex, AMPLE_TIMEOUT));
    let answers = join_all(asking).await.into_iter().map(|answer| match answer.unwrap() {
        ServiceResponse::ReadIndex(revision) => revision.0,
        other => panic!("{other:?}"),
    });
    assert_eq!(answers.collect::<BTreeSet<_>>(), (1..=500).collect());
    called.stop().await;
}

#[tokio::test]
async fn a_quick_answer_overtakes_slow_ones() {
    let network = MemoryNetwork::default();
    let (caller, called, to) = pair(&network);
    let slow = (0..100).map(|_| Box::pin(caller.client.request(&to, WAIT, AMPLE_TIMEOUT)));
    let slow = select_all(slow);
    let quick = caller.client.request(&to, ServiceRequest::ReadIndex, AMPLE_TIMEOUT);
    tokio::select! {
        biased;
        (answer, ..) = slow => panic!("answered first: {answer:?}"),
        answer = quick => assert!(answer.is_ok()),
    }
    called.service.let_go.add_permits(100);
}

#[tokio::test]
async fn a_request_that_is_not_answered_in_time_has_an_unknown_outcome() {
    let network = MemoryNetwork::default();
    let (caller, _called, to) = pair(&network);
    caller.client.request(&to, ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await.unwrap();
    let answer = caller.client.request(&to, WAIT, BRIEF_TIMEOUT).await;
    assert!(matches!(answer, Err(PeerError::Unknown(Cause::Deadline))), "{answer:?}");
    // The connection goes on.
    caller.client.request(&to, ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_accepts_and_says_nothing_costs_only_the_deadline() {
    let network = MemoryNetwork::default();
    let caller = Peer::on(&network, "a", member(1));
    let _silent = network.listen("b");
    let answer =
        caller.client.request(&target("b", &member(2)), ServiceRequest::ReadIndex, BRIEF_TIMEOUT).await;
    assert!(matches!(answer, Err(PeerError::NotSent(Cause::Deadline))), "{answer:?}");
    let _other = Peer::on(&network, "c", member(3));
    caller.client.request(&target("c", &member(3)), ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await.unwrap();
}

/// A peer that greets and is then stopped, as by SIGSTOP: its connection stays open and silent.
async fn stopped(mut listen: impl Listen) -> Frames {
    let wire = listen.accept().await.unwrap().wire.await.unwrap();
    greet::answer(wire, &member(2), |_| Ok(())).await.unwrap().frames
}

#[tokio::test]
async fn a_stalled_connection_is_closed_long_before_a_long_deadline() {
    let network = MemoryNetwork::default();
    let caller = Peer::on(&network, "a", member(1));
    let stopped = tokio::spawn(stopped(network.listen("b")));
    let to = target("b", &member(2));
    let asking = caller.client.request(&to, ServiceRequest::ReadIndex, Duration::from_secs(3600));
    let answer = tokio::time::timeout(AMPLE_TIMEOUT, asking).await.unwrap();
    assert!(matches!(answer, Err(PeerError::Unknown(Cause::Stalled))), "{answer:?}");
    drop(stopped.await.unwrap());
}

#[tokio::test]
async fn a_connection_cut_in_flight_leaves_the_outcome_unknown_and_is_made_again() {
    let network = MemoryNetwork::default();
    let (caller, called, to) = pair(&network);
    let mut asked = called.service.asked.subscribe();
    let asking = async {
        let answer = caller.client.request(&to, WAIT, AMPLE_TIMEOUT).await;
        assert!(matches!(answer, Err(PeerError::Unknown(Cause::Closed | Cause::Lost(_)))), "{answer:?}");
    };
    let cutting = async {
        asked.wait_for(|asked| *asked == 1).await.unwrap();
        network.reset("b");
    };
    tokio::join!(asking, cutting);
    caller.client.request(&to, ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_is_cut_off_has_a_certain_outcome_and_is_found_again() {
    let network = MemoryNetwork::default();
    let (caller, _called, to) = pair(&network);
    network.cut("b");
    for _ in 0..3 {
        let answer = caller.client.request(&to, ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await;
        assert!(
            matches!(answer, Err(PeerError::NotSent(Cause::Connect(_) | Cause::BackingOff(_)))),
            "{answer:?}"
        );
    }
    network.heal("b");
    let found = async {
        while caller.client.request(&to, ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(AMPLE_TIMEOUT, found).await.unwrap();
}

#[tokio::test]
async fn requests_in_flight_are_bounded_and_votes_and_heartbeats_still_get_through() {
    let network = MemoryNetwork::default();
    let (caller, called, to) = pair(&network);
    let mut asked = called.service.asked.subscribe();
    let full = join_all((0..SERVICE_IN_FLIGHT).map(|_| caller.client.request(&to, WAIT, AMPLE_TIMEOUT)));
    let beyond = async {
        asked.wait_for(|asked| *asked == SERVICE_IN_FLIGHT as u64).await.unwrap();
        let answer = caller.client.request(&to, ServiceRequest::ReadIndex, BRIEF_TIMEOUT).await;
        assert!(matches!(answer, Err(PeerError::NotSent(Cause::Busy))), "{answer:?}");
        let vote = ControlRequest::Vote(VoteRequest::new(Vote::new(1, 1), None));
        let answer = caller.client.call(&to, vote, AMPLE_TIMEOUT).await;
        assert!(matches!(answer, Ok(ControlResponse::Vote(_))), "{answer:?}");
        // Received although no earlier request is answered.
        let heartbeats = ServiceRequest::Heartbeats { heartbeats: Vec::new(), keep_alives: Vec::new() };
        let (answered, _) = tokio::join!(caller.client.request(&to, heartbeats, AMPLE_TIMEOUT), async {
            asked.wait_for(|asked| *asked == SERVICE_IN_FLIGHT as u64 + 1).await.unwrap();
            called.service.let_go.add_permits(SERVICE_IN_FLIGHT + 1);
        });
        assert!(answered.is_ok(), "{answered:?}");
    };
    let (answers, ()) = tokio::join!(full, beyond);
    assert!(answers.into_iter().all(|answer| matches!(answer, Ok(ServiceResponse::Done))));
}

#[tokio::test]
async fn a_request_too_large_for_a_frame_fails_alone() {
    let network = MemoryNetwork::default();
    let (caller, _called, to) = pair(&network);
    let sessions = vec![SessionId::MAX; MAX_FRAME / 16 + 1];
    let answer = caller
        .client
        .request(
            &to,
            ServiceRequest::Heartbeats { heartbeats: sessions, keep_alives: Vec::new() },
            AMPLE_TIMEOUT,
        )
        .await;
    assert!(matches!(answer, Err(PeerError::NotSent(Cause::Unsendable(_)))), "{answer:?}");
    caller.client.request(&to, ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await.unwrap();
}

#[tokio::test]
async fn a_node_that_shuts_down_finishes_what_it_serves_and_refuses_the_rest() {
    let network = MemoryNetwork::default();
    let (caller, called, to) = pair(&network);
    let mut asked = called.service.asked.subscribe();
    let service = std::sync::Arc::clone(&called.service);
    let in_flight = caller.client.request(&to, WAIT, AMPLE_TIMEOUT);
    let shutting_down = async {
        asked.wait_for(|asked| *asked == 1).await.unwrap();
        let stopping = tokio::spawn(called.stop());
        loop {
            match caller.client.request(&to, ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await {
                Err(PeerError::NotSent(Cause::Refused(Refusal::Draining))) => break,
                Ok(_) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        }
        service.let_go.add_permits(1);
        stopping.await.unwrap();
    };
    let (answer, ()) = tokio::join!(in_flight, shutting_down);
    assert_eq!(answer.unwrap(), ServiceResponse::Done);
}
