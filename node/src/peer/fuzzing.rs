//! The fuzz targets of the transport: what arrives from another node, before and after it has proved membership.

use super::{
    append,
    control::{CallNumber, ControlRequest, ControlResponse, Header},
    frame::{self, FrameError, Frames},
    greet,
    hello::{self, Hello, HelloReply, PREAMBLE, Proof, ProofReply, Purpose},
    identity::LocalIdentity,
    limits::MAX_FRAME,
    secret::ClusterSecret,
    snapshot,
    wire::{Certified, Wire},
};
use bytes::BytesMut;
use nexus_api_types::certificate::CertificateName;
use nexus_domain::{ClusterId, InstanceId, NodeId};
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::{Builder, Runtime},
};
use uuid::Uuid;

/// Bytes of a pipe between two ends in memory. More than any input has.
const PIPE_BYTES: usize = 1 << 20;

/// Frames as bytes, and a payload as each message that may be in a frame: the first byte chooses. A message is written
/// and read as the same one, and a frame that is written is read.
///
/// # Panics
/// If one of these properties does not hold.
pub fn peer_frame(data: &[u8]) {
    let Some((choice, payload)) = data.split_first() else { return };
    match choice % 8 {
        0 => on_a_runtime(frames(payload)),
        1 => on_a_runtime(one_frame(payload)),
        2 => comes_back::<(Header, ControlRequest)>(payload),
        3 => comes_back::<(CallNumber, ControlResponse)>(payload),
        4 => {
            // A request is read in two steps, and may be one that this version does not know.
            let _ = append::read_request(payload.into());
            comes_back::<append::AppendReply>(payload);
        }
        5 => comes_back::<snapshot::messages::Start>(payload),
        6 => comes_back::<snapshot::messages::Progress>(payload),
        _ => {
            let mut rest = BytesMut::from(payload);
            let _ = frame::take::<Header>(&mut rest).and_then(|_| frame::read::<ControlRequest>(rest));
        }
    }
}

/// Reads bytes as frames, and sends each of them once more.
async fn frames(bytes: &[u8]) {
    let mut reader = reader(bytes).await;
    while let Ok(frame) = reader.next().await {
        assert!(frame.len() <= MAX_FRAME);
        one_frame(&frame).await;
    }
}

/// A payload in a frame comes back, and the frame ends there.
async fn one_frame(payload: &[u8]) {
    let (near, mut far) = tokio::io::duplex(PIPE_BYTES);
    let mut writer = Frames::new(Box::new(near));
    writer.push_raw(&[payload]).expect("an input is smaller than a frame may be");
    writer.flush().await.expect("the pipe is large enough");
    drop(writer);
    let mut bytes = Vec::new();
    far.read_to_end(&mut bytes).await.expect("a pipe does not fail");
    let mut again = reader(&bytes).await;
    let read = again.next().await;
    assert!(read.is_ok_and(|read| read[..] == *payload));
    assert!(matches!(again.next().await, Err(FrameError::Closed)));
}

/// The frames in bytes of another end, which has closed the connection.
async fn reader(bytes: &[u8]) -> Frames {
    let (mut near, far) = tokio::io::duplex(PIPE_BYTES);
    near.write_all(&bytes[..bytes.len().min(PIPE_BYTES)]).await.expect("the pipe is large enough");
    Frames::new(Box::new(far))
}

/// Checks that a payload, if it can be decoded, is encoded and decoded as the same message.
fn comes_back<T: Serialize + DeserializeOwned>(payload: &[u8]) {
    let Ok(message) = frame::read::<T>(payload.into()) else { return };
    let encode = |message: &T| {
        let bytes = bincode::serde::encode_to_vec(message, bincode::config::standard());
        bytes.expect("what was decoded can be encoded")
    };
    let written = encode(&message);
    let again = frame::read::<T>(written.as_slice().into());
    let again = again.unwrap_or_else(|error| panic!("what was read cannot be read again: {error}"));
    // Not the bytes that were read: numbers have several spellings.
    assert_eq!(encode(&again), written);
}

/// The bytes that a caller sends to a node, or that the node which was called answers: nobody who does not know the
/// secret gets further than a probe, and a greeting that breaks the rules is refused.
///
/// # Panics
/// If one of these properties does not hold.
pub fn hello(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    comes_back::<Hello>(bytes);
    comes_back::<HelloReply>(bytes);
    comes_back::<ProofReply>(bytes);
    comes_back::<Proof>(bytes);
    if let Some(preamble) = bytes.first_chunk::<PREAMBLE>() {
        let _ = hello::check_preamble(*preamble);
    }
    if let Ok(hello) = frame::read::<Hello>(bytes.into()) {
        is_received_by_the_rules(&hello);
    }
    let is_caller = choice & 1 == 0;
    let certified = (choice & 2 != 0).then(|| certified(7, Some(3)));
    on_a_runtime(async {
        let (mut far, near) = tokio::io::duplex(PIPE_BYTES);
        far.write_all(bytes).await.expect("the pipe is large enough");
        // The input is all that comes, while what the node sends is still taken.
        far.shutdown().await.expect("a pipe does not fail");
        let wire = Wire { certified, ..Wire::plain(near) };
        if is_caller {
            let admitted = greet::answer(wire, &member(2), |_| Ok(())).await;
            assert!(admitted.is_err() || !admitted.is_ok_and(|caller| caller.hello.purpose.needs_proof()));
        } else {
            let purpose = if choice & 4 == 0 { Purpose::Control } else { Purpose::Probe };
            let called = greet::call(wire, &member(1), purpose, None).await;
            assert!(called.is_err() || !purpose.needs_proof());
        }
    });
}

fn is_received_by_the_rules(hello: &Hello) {
    for certified in [None, Some(certified(7, Some(3))), Some(certified(8, None))] {
        let local = member(2);
        if hello::receive(&local, hello, certified.as_ref()).is_err() {
            continue;
        }
        assert!(hello.cluster.is_none_or(|cluster| Some(cluster) == local.cluster));
        assert!(certified.as_ref().is_none_or(|certified| certified.theirs.cluster == certified.own.cluster));
        if let Some(expected) = hello.expected {
            assert!(expected.instance == local.instance && Some(expected.node) == local.node);
        }
        if matches!(hello.purpose, Purpose::Append | Purpose::Snapshot) {
            assert!(hello.node.is_some() && hello.expected.is_some());
        }
    }
    let joining = LocalIdentity::new(member(4).instance, "127.0.0.1:7404");
    assert!(hello::receive(&joining, hello, None).is_err() || !hello.purpose.needs_proof());
}

fn member(node: u64) -> LocalIdentity {
    LocalIdentity {
        cluster: Some(ClusterId(Uuid::from_u128(7))),
        node: Some(NodeId(node)),
        secret: ClusterSecret::parse(&"5".repeat(64)).ok(),
        ..LocalIdentity::new(InstanceId(Uuid::from_u128(u128::from(node))), "127.0.0.1:7401")
    }
}

/// A connection over TLS to a node of a cluster.
fn certified(cluster: u128, node: Option<u64>) -> Certified {
    let name = |cluster, node| CertificateName { cluster: Uuid::from_u128(cluster), node };
    Certified { own: name(7, Some(2)), theirs: name(cluster, node), binding: [1; 32] }
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: io::Result<Runtime> = Builder::new_current_thread().enable_time().build();
    }
    RUNTIME.with(|runtime| runtime.as_ref().expect("a runtime starts").block_on(work))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::peer::{hello::Welcome, hello::preamble, limits::PROTOCOL};

    /// The golden messages of peers, as bytes.
    fn golden() -> impl Iterator<Item = Vec<u8>> {
        include_str!("tests/golden.txt").lines().map(|line| hex::decode(line).unwrap())
    }

    fn encoded(value: &impl Serialize) -> Vec<u8> {
        bincode::serde::encode_to_vec(value, bincode::config::standard()).unwrap()
    }

    /// A payload as a frame.
    fn framed(payload: &[u8]) -> Vec<u8> {
        on_a_runtime(async {
            let (near, mut far) = tokio::io::duplex(PIPE_BYTES);
            let mut writer = Frames::new(Box::new(near));
            writer.push_raw(&[payload]).unwrap();
            writer.flush().await.unwrap();
            drop(writer);
            let mut bytes = Vec::new();
            far.read_to_end(&mut bytes).await.unwrap();
            bytes
        })
    }

    #[test]
    fn frames_pass_their_corpus() {
        let header = encoded(&Header { call: 300, ttl_ms: 4_000 });
        let mut seeds = vec![
            ("ping".to_owned(), [&[7], &header[..], &encoded(&ControlRequest::Ping)].concat()),
            ("frames".to_owned(), [&[0], &framed(b"one")[..], &framed(&[]), &framed(&[7; 300])].concat()),
            ("payload".to_owned(), [&[1], &b"a payload"[..]].concat()),
            (
                "failed".to_owned(),
                [&[6], &encoded(&snapshot::messages::Progress::Failed("why".into()))[..]].concat(),
            ),
        ];
        for (number, message) in golden().enumerate() {
            // The first line is a header with a ping, the next ones are requests, and then come responses.
            let is_request = number <= 18;
            let head = match number {
                0 => Vec::new(),
                _ if is_request => header.clone(),
                _ => encoded(&300_u64),
            };
            let choice = if is_request { 2 } else { 3 };
            seeds.push((format!("golden-{number}"), [&[choice], &head[..], &message].concat()));
        }
        nexus_corpora::pass("peer_frame", peer_frame, seeds);
    }

    #[test]
    fn greetings_pass_their_corpus() {
        let (caller, called) = (member(1), member(2));
        let mut seeds = Vec::new();
        let preamble = preamble(PROTOCOL);
        let expected = Some(hello::ExpectedPeer { node: NodeId(2), instance: called.instance });
        for (name, purpose) in
            [("probe", Purpose::Probe), ("append", Purpose::Append), ("control", Purpose::Control)]
        {
            let hello = Hello { nonce: [7; 32], ..Hello::new(&caller, purpose, expected) };
            let bytes = encoded(&hello);
            seeds.push((name.to_owned(), [&[0], &bytes[..]].concat()));
            let proof = framed(&encoded(&Proof([3; 32])));
            seeds.push((format!("{name}-sent"), [&[0], &preamble[..], &framed(&bytes), &proof].concat()));
        }
        let challenge = hello::Challenge { nonce: [7; 32], proof: Proof([3; 32]) };
        let welcome = Welcome { version: "0.2.0".to_owned(), ..Welcome::new(&called) };
        let reply: HelloReply = Ok((welcome, Some(challenge)));
        let refused: HelloReply = Err(hello::Refusal::NotProved);
        for (name, reply) in [("welcome", reply), ("refused", refused)] {
            let bytes = encoded(&reply);
            seeds.push((name.to_owned(), [&[1], &bytes[..]].concat()));
            let answer = framed(&encoded(&ProofReply::Ok(())));
            seeds.push((format!("{name}-sent"), [&[1], &preamble[..], &framed(&bytes), &answer].concat()));
        }
        nexus_corpora::pass("hello", hello, seeds);
    }
}
