//! The messages between nodes of different versions keep their bytes.

use crate::peer::{
    control::{ControlRequest, ControlResponse, Header},
    hello::{ExpectedPeer, Hello, Purpose},
    service::{ChangeRefusal, MembershipRequest, PlannableChange, ServiceRequest, ServiceResponse},
};
use nexus_domain::{
    Acting, Actor, ClusterId, ClusterTime, InstanceId, NodeId, Proposal, SessionId, Stamp, command,
    entity::TokenDigest,
};
use nexus_raft_store::Member;
use serde::Serialize;
use std::sync::Arc;
use uuid::Uuid;

fn hex(value: &impl Serialize) -> String {
    let bytes = bincode::serde::encode_to_vec(value, bincode::config::standard()).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One request or answer per line. A new one is added at the end of its kind.
const GOLDEN_LINES: &str = include_str!("golden.txt");

#[test]
fn each_request_and_answer_has_its_number() {
    let (node, reason) = (NodeId(2), "why".to_owned());
    let member =
        Member { peer_addr: "p".to_owned(), client_addr: "c".to_owned(), instance: InstanceId(Uuid::nil()) };
    let proposal = Arc::new(Proposal {
        command: command::Tick.into(),
        actor: Actor::System,
        acting: Acting::Session(SessionId(Uuid::nil())),
        request: None,
        stamp: Stamp::default(),
    });
    let requests = [
        ServiceRequest::ReadIndex,
        ServiceRequest::Propose { proposal },
        ServiceRequest::Heartbeats { heartbeats: vec![SessionId(Uuid::nil())], keep_alives: Vec::new() },
        ServiceRequest::Membership(MembershipRequest::Join {
            token: None,
            replaces: Some(node),
            member: member.clone(),
        }),
        ServiceRequest::Membership(MembershipRequest::Promote { node }),
        ServiceRequest::Membership(MembershipRequest::Remove { node }),
        ServiceRequest::Membership(MembershipRequest::TransferLeader { to: None }),
        ServiceRequest::WhoIs { node },
        ServiceRequest::Status,
        ServiceRequest::Report,
        ServiceRequest::ClusterTime(ClusterTime(9)),
        ServiceRequest::Details,
        ServiceRequest::Membership(MembershipRequest::JoinAsReplica {
            token: TokenDigest([1; 32]),
            member: member.clone(),
        }),
        ServiceRequest::Membership(MembershipRequest::Demote { node }),
        ServiceRequest::Membership(MembershipRequest::Replace { old: node, new: NodeId(4) }),
        ServiceRequest::Membership(MembershipRequest::Drain { node, is_draining: true }),
        ServiceRequest::Membership(MembershipRequest::Plan(PlannableChange::Remove { node })),
        ServiceRequest::Drain { node, is_draining: true },
    ];
    let requests = requests.map(|request| hex(&ControlRequest::Service(request)));
    let responses = [
        ServiceResponse::Heartbeats { unknown: Vec::new() },
        ServiceResponse::Done,
        ServiceResponse::Joined(node),
        ServiceResponse::Leads(node),
        ServiceResponse::Member(Some(member)),
        ServiceResponse::NotLeader { leader: Some(node) },
        ServiceResponse::Unavailable { reason: reason.clone() },
        ServiceResponse::OutcomeUnknown { reason: reason.clone() },
        ServiceResponse::Refused(ChangeRefusal::Unsafe(reason.clone())),
        ServiceResponse::Refused(ChangeRefusal::UnknownNode(node)),
        ServiceResponse::Refused(ChangeRefusal::BadToken),
        ServiceResponse::NoRoom { reason: reason.clone() },
        ServiceResponse::Details(reason.clone()),
        ServiceResponse::Plan(reason),
    ];
    let responses = responses.map(|response| hex(&ControlResponse::Service(response)));
    let head = hex(&(Header { call: 300, ttl_ms: 4_000 }, ControlRequest::Ping));
    let actual = [vec![head], requests.to_vec(), responses.to_vec()].concat().join("\n");
    assert_eq!(actual, GOLDEN_LINES.trim_end());
}

#[test]
fn a_greeting_has_the_bytes_that_it_always_had() {
    let (cluster, instance) = (Some(ClusterId(Uuid::max())), InstanceId(Uuid::nil()));
    let expected = Some(ExpectedPeer { node: NodeId(2), instance });
    let nonce = [7; 32];
    let hello =
        Hello { cluster, node: Some(NodeId(1)), instance, purpose: Purpose::Control, expected, nonce };
    assert_eq!(
        hex(&hello),
        format!(
            "0110ffffffffffffffffffffffffffffffff010110000000000000000000000000000000000201021000000000000000000000000000000000{}",
            "07".repeat(32)
        )
    );
}
