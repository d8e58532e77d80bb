//! Strangers on the peer port, which agents and other users of a machine can reach: only members are served there, and
//! not even they may request the commands of the cluster itself.

use nexus_domain::{
    Acting, Actor, EngineerId, InstanceId, NodeId, Proposal, SessionId, Stamp, command, entity::Role,
};
use nexus_node::{
    peer::secret::{CLUSTER_SECRET_FILE, ClusterSecret},
    peer::{
        Cause, ExpectedPeer, LocalIdentity, PeerClient, PeerError, PeerTarget, Refusal,
        service::{ServiceRequest, ServiceResponse},
        tcp::TcpDial,
    },
};
use nexus_tests::{Cluster, Team};
use std::{os::unix::fs::PermissionsExt, sync::Arc, time::Duration};
use tokio::{io::AsyncReadExt, net::TcpStream, sync::watch};

/// A timeout longer than any answer takes.
const AMPLE: Duration = Duration::from_secs(30);

fn coup(engineer: &str) -> ServiceRequest {
    let engineer = EngineerId(engineer.parse().expect("an id"));
    let proposal = Proposal {
        command: command::ChangeRole { engineer, role: Role::Admin }.into(),
        actor: Actor::System,
        acting: Acting::Engineer { candidate: SessionId::MIN },
        request: None,
        stamp: Stamp::default(),
    };
    ServiceRequest::Propose { proposal: Arc::new(proposal) }
}

async fn ask(
    who: LocalIdentity,
    target: &PeerTarget,
    request: ServiceRequest,
) -> Result<ServiceResponse, PeerError> {
    let identity = watch::Sender::new(who);
    PeerClient::new(TcpDial, identity.subscribe()).request(target, request, AMPLE).await
}

fn refusal(asked: Result<ServiceResponse, PeerError>) -> Refusal {
    match asked {
        Err(PeerError::NotSent(Cause::Refused(refusal))) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn nobody_becomes_an_admin_through_the_peer_port() {
    let mut cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await;
    let addr = cluster.node(1).peer_addr().to_owned();
    let anyone = PeerTarget::anyone(addr.clone());
    let stranger = || LocalIdentity::new(InstanceId(uuid::Uuid::now_v7()), "127.0.0.1:1");
    let probing = watch::Sender::new(stranger());
    let welcome = PeerClient::new(TcpDial, probing.subscribe()).probe(&addr, AMPLE).await.expect("a welcome");
    let member = PeerTarget {
        addr: addr.clone(),
        expected: Some(ExpectedPeer { node: NodeId(1), instance: welcome.instance }),
    };

    // A caller without the secret, or with a guess, is not served at all, whatever id it claims.
    let guess = ClusterSecret::parse("a guess that is as long as a secret").expect("long enough");
    for node in [None, Some(NodeId(1))] {
        let guessing = LocalIdentity { secret: Some(guess.clone()), node, ..stranger() };
        for target in [&anyone, &member] {
            assert_eq!(refusal(ask(guessing.clone(), target, coup(&ana.id)).await), Refusal::NotProved);
            let who_is = ServiceRequest::WhoIs { node: NodeId(1) };
            assert_eq!(refusal(ask(guessing.clone(), target, who_is).await), Refusal::NotProved);
        }
    }

    // A caller with the secret that is no member may only request to join.
    let file = cluster.node(1).data_dir().join(CLUSTER_SECRET_FILE);
    assert_eq!(file.metadata().expect("it is stored").permissions().mode() & 0o777, 0o600);
    let secret = ClusterSecret::parse(&std::fs::read_to_string(file).expect("text")).expect("a secret");
    let guest = LocalIdentity { secret: Some(secret), ..stranger() };
    assert_eq!(refusal(ask(guest.clone(), &anyone, coup(&ana.id)).await), Refusal::NotAMember);
    assert_eq!(refusal(ask(guest.clone(), &anyone, ServiceRequest::ReadIndex).await), Refusal::NotAMember);
    let who_is = ServiceRequest::WhoIs { node: NodeId(1) };
    assert!(matches!(ask(guest.clone(), &anyone, who_is).await, Ok(ServiceResponse::Member(Some(_)))));

    // A former member knows the secret too, and a member may have a defect.
    for node in [99, 1] {
        let named = LocalIdentity { node: Some(NodeId(node)), ..guest.clone() };
        let answer = ask(named, &member, coup(&ana.id)).await;
        assert!(matches!(answer, Ok(ServiceResponse::Unavailable { .. })), "as node {node}: {answer:?}");
    }
    assert_eq!(ana.client.get("/auth/me").await.data()["role"], "engineer");
}

#[tokio::test]
async fn connections_without_a_greeting_keep_no_node_from_the_others() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let addrs: Vec<String> = cluster.nodes.iter().map(|node| node.peer_addr().to_owned()).collect();
    // More connections to each node than it keeps, and a new one whenever one is closed.
    let mut crowd = tokio::task::JoinSet::new();
    for number in 0..300 {
        let addr = addrs[number % addrs.len()].clone();
        crowd.spawn(async move {
            loop {
                if let Ok(mut silent) = TcpStream::connect(&addr).await {
                    let _ = silent.read(&mut [0]).await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
    cluster.node(3).terminate();
    cluster.node(3).start();
    cluster.ready(3).await;
    team.ready_feature("one", &["a"]).await;
    cluster.same_state(&team.admin).await;
    crowd.shutdown().await;
}

#[tokio::test]
async fn a_joining_node_gets_the_secret_and_stores_it() {
    let mut cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let token = team.join_token().await;
    let number = cluster.join(&token);
    cluster.ready(number).await;
    let kept = |cluster: &mut Cluster, number: u64| {
        std::fs::read_to_string(cluster.node(number).data_dir().join(CLUSTER_SECRET_FILE))
            .expect("it is stored")
    };
    assert_eq!(kept(&mut cluster, number), kept(&mut cluster, 1));
    assert!(
        !cluster.node(number).log().contains(kept(&mut cluster, 1).trim()),
        "the secret is not in the log"
    );
    // It restarts without the flag for the secret.
    cluster.node(number).terminate();
    cluster.node(number).start();
    cluster.ready(number).await;
}
