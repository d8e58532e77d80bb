//! Replication over its own connection: in order, pipelined, and after every kind of break.

use super::cast::{AMPLE_TIMEOUT, Peer, append, log_id, member, target};
use crate::peer::{PeerNetwork, PeerNetworkFactory, limits::APPEND_IN_FLIGHT, memory::MemoryNetwork};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use nexus_domain::NodeId;
use nexus_raft_store::{Entry, Member, TypeConfig};
use openraft::{
    EntryPayload, RaftNetworkFactory, RaftNetworkV2,
    errors::RPCError,
    network::RPCOption,
    raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

async fn network_to(caller: &Peer, addr: &str, node: u64) -> PeerNetwork {
    let instance = target(addr, &member(node)).expected.unwrap().instance;
    let to = Member { peer_addr: addr.to_owned(), client_addr: String::new(), instance };
    PeerNetworkFactory::new(caller.client.clone()).new_client(NodeId(node).0, &to).await
}

type Request = AppendEntriesRequest<TypeConfig>;

type Answers = Vec<StreamAppendResult<TypeConfig>>;

async fn stream_all(
    network: &mut PeerNetwork,
    requests: impl IntoIterator<Item = Request, IntoIter: Send + Unpin + 'static>,
) -> Result<Answers, RPCError<TypeConfig>> {
    let requests = stream::iter(requests);
    let answers = network.stream_append(requests, RPCOption::new(AMPLE_TIMEOUT)).await?;
    answers.try_collect().await
}

#[tokio::test]
async fn appends_arrive_and_are_answered_in_order() {
    let network = MemoryNetwork::default();
    let (caller, called) = (Peer::on(&network, "a", member(1)), Peer::on(&network, "b", member(2)));
    let mut to = network_to(&caller, "b", 2).await;
    let answers = stream_all(&mut to, (0..1000).map(append)).await.unwrap();
    assert_eq!(answers, (0..1000).map(|index| Ok(Some(log_id(index)))).collect::<Vec<_>>());
    assert_eq!(*called.raft.appended.lock().unwrap(), (0..1000).collect::<Vec<_>>());
}

/// Requests that count how many of them were read for sending.
fn counted(
    indexes: std::ops::Range<u64>,
) -> (impl Stream<Item = Request> + Send + Unpin + 'static, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let takes = Arc::clone(&taken);
    let requests = indexes.map(append).inspect(move |_| {
        takes.fetch_add(1, Ordering::Relaxed);
    });
    (stream::iter(requests), taken)
}

/// Drives a stream whose follower does not answer until this many of its requests were read.
async fn drive_until(answers: &mut (impl Stream + Unpin), taken: &AtomicUsize, expected: usize) {
    let driving = async {
        while taken.load(Ordering::Relaxed) < expected {
            assert!(futures::poll!(answers.next()).is_pending());
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(AMPLE_TIMEOUT, driving).await.unwrap();
}

#[tokio::test]
async fn appends_do_not_wait_for_answers_and_are_bounded() {
    let network = MemoryNetwork::default();
    let (caller, called) = (Peer::on(&network, "a", member(1)), Peer::on(&network, "b", member(2)));
    let mut to = network_to(&caller, "b", 2).await;
    let (requests, taken) = counted(0..200);

    let flushing = called.raft.flushing.lock().await;
    let mut answers = to.stream_append(requests, RPCOption::new(AMPLE_TIMEOUT)).await.unwrap();
    drive_until(&mut answers, &taken, APPEND_IN_FLIGHT).await;
    for _ in 0..100 {
        assert!(futures::poll!(answers.next()).is_pending());
        tokio::task::yield_now().await;
    }
    assert_eq!(taken.load(Ordering::Relaxed), APPEND_IN_FLIGHT);
    drop(flushing);
    assert_eq!(answers.try_collect::<Answers>().await.unwrap().len(), 200);
}

#[tokio::test]
async fn after_a_conflict_the_next_stream_uses_the_same_connection() {
    let network = MemoryNetwork::default();
    let (caller, called) = (Peer::on(&network, "a", member(1)), Peer::on(&network, "b", member(2)));
    let mut to = network_to(&caller, "b", 2).await;
    *called.raft.conflict_at.lock().unwrap() = Some(5);
    let answers = stream_all(&mut to, (1..50).map(append)).await.unwrap();
    assert_eq!(answers.len(), 5, "a refusal ends the stream");
    assert_eq!(answers.last(), Some(&Err(StreamAppendError::Conflict(log_id(4)))));
    called.raft.appended.lock().unwrap().clear();

    let answers = stream_all(&mut to, (100..150).map(append)).await.unwrap();
    assert_eq!(answers, (100..150).map(|index| Ok(Some(log_id(index)))).collect::<Vec<_>>());
    let appended = called.raft.appended.lock().unwrap().clone();
    assert_eq!(appended.iter().filter(|index| **index >= 100).count(), 50);
}

#[tokio::test]
async fn a_dropped_stream_leaves_nothing_behind_for_the_next_one() {
    let network = MemoryNetwork::default();
    let (caller, called) = (Peer::on(&network, "a", member(1)), Peer::on(&network, "b", member(2)));
    let mut to = network_to(&caller, "b", 2).await;
    let flushing = called.raft.flushing.lock().await;
    {
        let (requests, taken) = counted(0..40);
        let mut answers = to.stream_append(requests, RPCOption::new(AMPLE_TIMEOUT)).await.unwrap();
        drive_until(&mut answers, &taken, 40).await;
    }
    drop(flushing);
    let answers = stream_all(&mut to, (500..510).map(append)).await.unwrap();
    assert_eq!(answers, (500..510).map(|index| Ok(Some(log_id(index)))).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cut_connection_is_unreachable_and_the_next_stream_dials_again() {
    let network = MemoryNetwork::default();
    let (caller, called) = (Peer::on(&network, "a", member(1)), Peer::on(&network, "b", member(2)));
    let mut to = network_to(&caller, "b", 2).await;
    {
        let _flushing = called.raft.flushing.lock().await;
        let (requests, taken) = counted(0..3);
        let requests = requests.chain(stream::pending());
        let mut answers = to.stream_append(requests, RPCOption::new(AMPLE_TIMEOUT)).await.unwrap();
        drive_until(&mut answers, &taken, 3).await;
        network.reset("b");
        let broken = answers.next().await;
        assert!(matches!(broken, Some(Err(RPCError::Unreachable(_)))), "{broken:?}");
        assert!(answers.next().await.is_none());
    }
    assert_eq!(stream_all(&mut to, (3..6).map(append)).await.unwrap().len(), 3);
    // A cut while the connection is idle is noticed before the next request.
    network.reset("b");
    tokio::task::yield_now().await;
    assert_eq!(stream_all(&mut to, (6..9).map(append)).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_wrong_node_is_unreachable_and_never_appended_to() {
    let network = MemoryNetwork::default();
    let (caller, called) = (Peer::on(&network, "a", member(1)), Peer::on(&network, "b", member(3)));
    let mut to = network_to(&caller, "b", 2).await;
    let refused = stream_all(&mut to, [append(0)]).await;
    assert!(matches!(refused, Err(RPCError::Unreachable(_))), "{refused:?}");
    let refused = to.append_entries(append(0), RPCOption::new(AMPLE_TIMEOUT)).await;
    assert!(matches!(refused, Err(RPCError::Unreachable(_))), "{refused:?}");
    assert!(called.raft.appended.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_batch_too_large_for_a_frame_is_sent_in_parts() {
    let network = MemoryNetwork::default();
    let (caller, called) = (Peer::on(&network, "a", member(1)), Peer::on(&network, "b", member(2)));
    let mut to = network_to(&caller, "b", 2).await;
    let batch = AppendEntriesRequest { entries: (0..60).map(large).collect(), ..append(0) };
    let answers = stream_all(&mut to, [batch]).await.unwrap();
    assert!(answers.len() > 1);
    assert_eq!(answers.last(), Some(&Ok(Some(log_id(59)))));
    assert_eq!(*called.raft.appended.lock().unwrap(), (0..60).collect::<Vec<_>>());
}

/// An entry of about one MiB.
fn large(index: u64) -> Entry {
    use nexus_domain::{Acting, Actor, Proposal, SessionId, Stamp, command};
    let command =
        command::Heartbeats { heartbeats: vec![SessionId::MAX; 64 * 1024], keep_alives: Vec::new() }.into();
    let acting = Acting::Session(SessionId::MIN);
    let proposal = Proposal { command, actor: Actor::System, acting, request: None, stamp: Stamp::default() };
    Entry {
        log_id: log_id(index),
        payload: EntryPayload::Normal(nexus_raft_store::Command(Arc::new(proposal))),
    }
}
