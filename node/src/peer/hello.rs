//! The messages and rules of the handshake. Both ends say who they are before anything else, and a connection to the
//! wrong cluster, node or data folder is refused. Nothing here does I/O; `greet` does.
//!
//! Each end first sends eight bytes, magic and protocol version, whose form is the same in every version. So even nodes
//! that cannot read each other's frames can report why.

use super::{identity::LocalIdentity, limits::PROTOCOL, wire::Certified};
use nexus_domain::{ClusterId, InstanceId, NodeId, RulesVersion};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of the preamble: magic, protocol version, and two reserved ones.
pub(super) const PREAMBLE: usize = 8;

/// Distinguishes a peer from any other program that connects to the port.
const MAGIC: [u8; 4] = *b"NXPR";

/// The purpose of a connection. It has one only, so that a snapshot cannot delay a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// The caller only wants to know which node answers.
    Probe,
    /// Log entries to a follower.
    Append,
    /// Votes, heartbeats, transfers and the requests of the service.
    Control,
    /// One snapshot, sent by the leader to a follower.
    Snapshot,
}

/// The node that the caller wants to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExpectedPeer {
    /// The id of the member.
    pub node: NodeId,
    /// The data folder of the member.
    pub instance: InstanceId,
}

/// The first frame of the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// The caller's cluster, if it has one yet.
    pub cluster: Option<ClusterId>,
    /// The caller's id, if it has one yet.
    pub node: Option<NodeId>,
    /// The caller's data folder.
    pub instance: InstanceId,
    /// The purpose of the connection.
    pub purpose: Purpose,
    /// The node that the caller expects; required for Raft traffic.
    pub expected: Option<ExpectedPeer>,
    /// The caller's random bytes for the proofs.
    pub nonce: Nonce,
}

impl Hello {
    /// The greeting of this node as the caller.
    pub(super) fn new(local: &LocalIdentity, purpose: Purpose, expected: Option<ExpectedPeer>) -> Self {
        let nonce = rand::random();
        Self { cluster: local.cluster, node: local.node, instance: local.instance, purpose, expected, nonce }
    }
}

/// The identity of the node that was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The cluster of that node, if it has one yet.
    pub cluster: Option<ClusterId>,
    /// The id of that node, if it has one yet.
    pub node: Option<NodeId>,
    /// The data folder of that node.
    pub instance: InstanceId,
    /// The address that clients reach it at, `host:port`.
    pub client_addr: String,
    /// The version of its program, such as `1.4.0`.
    pub version: String,
    /// Whether its log holds a membership.
    pub is_initialized: bool,
    /// The newest rules version that it knows.
    pub rules: RulesVersion,
}

impl Welcome {
    /// The greeting of this node when it is called.
    pub(super) fn new(local: &LocalIdentity) -> Self {
        Self {
            cluster: local.cluster,
            node: local.node,
            instance: local.instance,
            client_addr: local.client_addr.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            is_initialized: local.is_initialized,
            rules: RulesVersion::KNOWN,
        }
    }
}

/// Why a node refused a connection or a request. Nothing was done, and the caller may retry later or elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The other end is no Nexus peer.
    #[error("something else than a Nexus peer port answers there")]
    NotAPeer,
    /// The two nodes speak different versions of the peer protocol.
    #[error("it speaks peer protocol {theirs} and this node {ours}: upgrade the older one")]
    Protocol {
        /// The version of the node that reports this.
        ours: u16,
        /// The version of the other node.
        theirs: u16,
    },
    /// The two nodes belong to different clusters.
    #[error("it belongs to cluster {theirs}, not to {ours}")]
    WrongCluster {
        /// The cluster of the caller.
        ours: ClusterId,
        /// The cluster of the node that was called.
        theirs: ClusterId,
    },
    /// Another member answered, or a node that is none.
    #[error("{}", wrong_node(*.actual, *.expected))]
    WrongNode {
        /// The node that the caller expected.
        expected: NodeId,
        /// The node that answered, if it has an id.
        actual: Option<NodeId>,
    },
    /// The node has another data folder: it lost its data and is not that member any more.
    #[error("its data folder is {actual}, not {expected}: it lost its data and must join anew")]
    WrongInstance {
        /// The data folder that the caller expected.
        expected: InstanceId,
        /// The data folder of the node that answered.
        actual: InstanceId,
    },
    /// The TLS certificate names another cluster or node than it should.
    #[error("its certificate is for {certified}, and not for {expected}")]
    WrongCertificate {
        /// The name in the certificate.
        certified: String,
        /// The cluster or node that it should be for.
        expected: String,
    },
    /// The other end did not prove that it knows the cluster's secret.
    #[error(
        "it does not know the secret of this cluster (--cluster-secret-file): it is no member, or was given another one"
    )]
    NotProved,
    /// The node has no secret yet.
    #[error("it does not know the secret of its cluster yet")]
    NoSecret,
    /// Raft traffic from or to a node that is no member.
    #[error("Raft messages are for members, named by node and data folder")]
    NotAMember,
    /// The Raft of the node is not running yet.
    #[error("its Raft is not running yet")]
    NotReady,
    /// The node serves its maximum of connections or requests of this kind.
    #[error("it serves as many of these as it can")]
    Busy,
    /// The node is shutting down.
    #[error("it is shutting down")]
    Draining,
    /// The node does not know this request, since its version is older.
    #[error("it does not understand the request: its version is older")]
    Unintelligible,
    /// One end speaks TLS, and the other does not.
    #[error("it speaks TLS, and this node has no certificates (--certs-dir)")]
    SpeaksTls,
}

fn wrong_node(actual: Option<NodeId>, expected: NodeId) -> String {
    match actual {
        Some(actual) => format!("it is node {actual}, not node {expected}"),
        None => format!("node {expected} was expected there, and it is not a member yet"),
    }
}

/// The answer to [`Hello`].
pub(super) type HelloReply = Result<(Welcome, Option<Challenge>), Refusal>;

/// Random bytes of each end, so that no two greetings are the same.
pub(super) type Nonce = [u8; 32];

/// The HMAC of a greeting under the cluster's secret.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proof(pub(super) [u8; 32]);

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(…)")
    }
}

/// The proof of the node that was called, and the nonce for that of the caller. A probe gets none, since it may be sent
/// by anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Challenge {
    /// Random bytes of the node that was called.
    pub nonce: Nonce,
    /// Proves that this node is a member.
    pub proof: Proof,
}

/// The answer to the caller's proof.
pub(super) type ProofReply = Result<(), Refusal>;

impl Purpose {
    /// Whether only members may use it, so that both ends have to prove membership.
    pub(super) const fn needs_proof(self) -> bool {
        match self {
            Self::Probe => false,
            Self::Append | Self::Control | Self::Snapshot => true,
        }
    }
}

/// The first bytes that each end sends.
pub(super) fn preamble(protocol: u16) -> [u8; PREAMBLE] {
    let [high, low] = protocol.to_be_bytes();
    let [m, a, g, i] = MAGIC;
    [m, a, g, i, high, low, 0, 0]
}

/// Checks the first two bytes of the other end: whether they are TLS. An alert, which answers a greeting in plain
/// text, has no more than seven bytes.
pub(super) fn check_language(first: [u8; 2]) -> Result<(), Refusal> {
    // The types of a handshake's first record and of an alert, and the first half of the version.
    let speaks_tls = first == [0x16, 0x03] || first == [0x15, 0x03];
    if speaks_tls { Err(Refusal::SpeaksTls) } else { Ok(()) }
}

/// Checks that the other end is a peer of the same protocol version.
pub(super) fn check_preamble(bytes: [u8; PREAMBLE]) -> Result<(), Refusal> {
    let [m, a, g, i, high, low, _, _] = bytes;
    check_language([m, a])?;
    if [m, a, g, i] != MAGIC {
        return Err(Refusal::NotAPeer);
    }
    let theirs = u16::from_be_bytes([high, low]);
    if theirs == PROTOCOL { Ok(()) } else { Err(Refusal::Protocol { ours: PROTOCOL, theirs }) }
}

/// Checks the greeting of a caller, on the node that was called.
pub(super) fn receive(
    local: &LocalIdentity,
    hello: &Hello,
    certified: Option<&Certified>,
) -> Result<(), Refusal> {
    check_certificate(local, certified, hello.cluster, hello.node)?;
    check_cluster(hello.cluster, local.cluster)?;
    if hello.purpose.needs_proof() && local.secret.is_none() {
        return Err(Refusal::NoSecret);
    }
    match hello.expected {
        Some(expected) => check_expected(expected, local.node, local.instance)?,
        None if matches!(hello.purpose, Purpose::Append | Purpose::Snapshot) => {
            return Err(Refusal::NotAMember);
        }
        None => {}
    }
    if hello.node.is_none() && matches!(hello.purpose, Purpose::Append | Purpose::Snapshot) {
        return Err(Refusal::NotAMember);
    }
    Ok(())
}

/// Checks the answer to a greeting, on the caller: the same rules from the other side.
pub(super) fn accept(
    local: &LocalIdentity,
    welcome: &Welcome,
    expected: Option<ExpectedPeer>,
    certified: Option<&Certified>,
) -> Result<(), Refusal> {
    check_certificate(local, certified, welcome.cluster, welcome.node)?;
    check_cluster(local.cluster, welcome.cluster)?;
    expected.map_or(Ok(()), |expected| check_expected(expected, welcome.node, welcome.instance))
}

/// Refuses a caller from another cluster. A node that is still joining has none, which is no contradiction: Raft
/// traffic has to name the data folder in any case.
fn check_cluster(caller: Option<ClusterId>, called: Option<ClusterId>) -> Result<(), Refusal> {
    match (caller, called) {
        (Some(ours), Some(theirs)) if ours != theirs => Err(Refusal::WrongCluster { ours, theirs }),
        _ => Ok(()),
    }
}

fn check_expected(expected: ExpectedPeer, node: Option<NodeId>, instance: InstanceId) -> Result<(), Refusal> {
    if instance != expected.instance {
        return Err(Refusal::WrongInstance { expected: expected.instance, actual: instance });
    }
    if node != Some(expected.node) {
        return Err(Refusal::WrongNode { expected: expected.node, actual: node });
    }
    Ok(())
}

/// Compares the certificate of the other end with the cluster of this node's own, and with what the other end says of
/// itself. A node that has no id yet, or that has lost its data and with it its id, may have a certificate for any id:
/// it gets no further than a probe or a request to join.
fn check_certificate(
    local: &LocalIdentity,
    certified: Option<&Certified>,
    cluster: Option<ClusterId>,
    node: Option<NodeId>,
) -> Result<(), Refusal> {
    let Some(Certified { own, theirs, .. }) = certified else {
        return Ok(());
    };
    let refuse = |expected: String| Refusal::WrongCertificate { certified: theirs.to_string(), expected };
    if own.cluster != theirs.cluster {
        return Err(refuse(format!("the cluster {} of the other end", own.cluster)));
    }
    if let Some(cluster) = cluster.filter(|cluster| cluster.0 != theirs.cluster) {
        return Err(refuse(format!("the cluster {cluster} that it belongs to")));
    }
    match (node, theirs.node.map(NodeId)) {
        (Some(node), Some(named)) if node != named && !local.lineage.is_successor(node, named) => {
            Err(refuse(format!("node {node}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::peer::{identity::Lineage, secret::ClusterSecret};
    use nexus_api_types::certificate::CertificateName;
    use uuid::Uuid;

    fn member(node: u64) -> LocalIdentity {
        LocalIdentity {
            cluster: Some(ClusterId(Uuid::from_u128(7))),
            node: Some(NodeId(node)),
            secret: Some(ClusterSecret::parse(&"5".repeat(64)).unwrap()),
            ..LocalIdentity::new(InstanceId(Uuid::from_u128(u128::from(node))), "127.0.0.1:7401")
        }
    }

    fn expected(identity: &LocalIdentity) -> Option<ExpectedPeer> {
        Some(ExpectedPeer { node: identity.node.unwrap(), instance: identity.instance })
    }

    fn hello(from: &LocalIdentity, purpose: Purpose, to: &LocalIdentity) -> Hello {
        Hello::new(from, purpose, expected(to))
    }

    #[test]
    fn members_of_one_cluster_talk() {
        for purpose in [Purpose::Probe, Purpose::Append, Purpose::Control, Purpose::Snapshot] {
            assert_eq!(receive(&member(2), &hello(&member(1), purpose, &member(2)), None), Ok(()));
        }
        assert_eq!(accept(&member(1), &Welcome::new(&member(2)), expected(&member(2)), None), Ok(()));
    }

    #[test]
    fn another_cluster_is_refused_by_both_ends() {
        let stranger = LocalIdentity { cluster: Some(ClusterId(Uuid::from_u128(8))), ..member(1) };
        let refused = receive(&member(2), &hello(&stranger, Purpose::Append, &member(2)), None);
        assert!(matches!(refused, Err(Refusal::WrongCluster { .. })));
        let refused = accept(&stranger, &Welcome::new(&member(2)), None, None);
        assert!(matches!(refused, Err(Refusal::WrongCluster { .. })));
    }

    #[test]
    fn a_wiped_member_is_not_that_member_any_more() {
        let wiped = LocalIdentity { instance: InstanceId(Uuid::from_u128(99)), ..member(2) };
        let refused = receive(&wiped, &hello(&member(1), Purpose::Append, &member(2)), None);
        assert!(matches!(refused, Err(Refusal::WrongInstance { .. })));
        let refused = accept(&member(1), &Welcome::new(&wiped), expected(&member(2)), None);
        assert!(matches!(refused, Err(Refusal::WrongInstance { .. })));
    }

    #[test]
    fn a_joining_node_answers_probes_but_no_raft() {
        let joining = LocalIdentity::new(member(4).instance, "127.0.0.1:7404");
        let probe = Hello::new(&member(1), Purpose::Probe, None);
        assert_eq!(receive(&joining, &probe, None), Ok(()));
        let refused = receive(&joining, &hello(&member(1), Purpose::Append, &member(4)), None);
        assert_eq!(refused, Err(Refusal::NoSecret));
        let joining = LocalIdentity { secret: member(1).secret, ..joining };
        let refused = receive(&joining, &hello(&member(1), Purpose::Append, &member(4)), None);
        assert!(matches!(refused, Err(Refusal::WrongNode { actual: None, .. })));
        let unnamed = Hello::new(&joining, Purpose::Append, expected(&member(1)));
        assert_eq!(receive(&member(1), &unnamed, None), Err(Refusal::NotAMember));
    }

    fn named(cluster: u128, node: Option<u64>) -> CertificateName {
        CertificateName { cluster: Uuid::from_u128(cluster), node }
    }

    fn is_certified(from: &LocalIdentity, to: &LocalIdentity, theirs: CertificateName) -> bool {
        let certified = Certified { own: named(7, Some(2)), theirs, binding: [0; 32] };
        let refused = receive(to, &hello(from, Purpose::Control, to), Some(&certified)).err();
        assert!(matches!(refused, None | Some(Refusal::WrongCertificate { .. })), "{refused:?}");
        refused.is_none()
    }

    #[test]
    fn a_certificate_is_of_the_cluster_and_of_the_node() {
        assert!(is_certified(&member(1), &member(2), named(7, Some(1))));
        assert!(is_certified(&member(1), &member(2), named(7, None)), "one for any node of the cluster");
        assert!(!is_certified(&member(3), &member(2), named(7, Some(1))), "another node");
        assert!(!is_certified(&member(1), &member(2), named(8, Some(1))), "another cluster");
        let unnamed = LocalIdentity { cluster: None, node: None, ..member(1) };
        assert!(
            !is_certified(&unnamed, &member(2), named(8, Some(1))),
            "another cluster, and it does not say so"
        );
        assert!(is_certified(&unnamed, &member(2), named(7, Some(1))), "a node that starts");
    }

    #[test]
    fn a_node_that_lost_its_data_keeps_its_certificate_under_its_new_id() {
        let knowing =
            LocalIdentity { lineage: Lineage::new(|node, of| (node.0, of.0) == (4, 1)), ..member(2) };
        assert!(is_certified(&member(4), &knowing, named(7, Some(1))));
        assert!(!is_certified(&member(4), &knowing, named(7, Some(3))));
        assert!(!is_certified(&member(4), &member(2), named(7, Some(1))), "it knows of no such successor");
    }

    #[test]
    fn another_protocol_or_program_is_recognised() {
        assert_eq!(check_preamble(preamble(PROTOCOL)), Ok(()));
        let newer = check_preamble(preamble(PROTOCOL + 1));
        assert_eq!(newer, Err(Refusal::Protocol { ours: PROTOCOL, theirs: PROTOCOL + 1 }));
        assert_eq!(check_preamble(*b"GET / HT"), Err(Refusal::NotAPeer));
        assert_eq!(check_preamble([0x16, 3, 1, 0, 200, 1, 0, 0]), Err(Refusal::SpeaksTls));
    }
}
