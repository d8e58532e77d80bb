//! Garbage on the wire never stops a node.

use super::cast::{AMPLE_TIMEOUT, BRIEF_TIMEOUT, Peer, member, target};
use crate::peer::{
    control::{ControlRequest, ControlResponse, Header},
    frame::{self, FrameError, Frames},
    hello::{self, Hello, Purpose},
    limits::{MAX_FRAME, PROTOCOL},
    memory::MemoryNetwork,
    service::ServiceRequest,
    wire::Dial,
};
use bytes::BytesMut;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

/// The bytes of a connection whose greeting was accepted.
async fn greeted(network: &MemoryNetwork, purpose: Purpose) -> Frames {
    let from = member(9);
    let to = target("b", &member(2));
    let connected = crate::peer::greet::connect(&network.dialer("z"), &to.addr, &from, purpose, to.expected)
        .await
        .unwrap();
    connected.frames
}

async fn is_still_there(network: &MemoryNetwork) {
    let caller = Peer::on(network, "a", member(1));
    caller.client.request(&target("b", &member(2)), ServiceRequest::ReadIndex, AMPLE_TIMEOUT).await.unwrap();
}

#[tokio::test]
async fn a_frame_that_claims_to_be_huge_ends_its_connection_only() {
    let network = MemoryNetwork::default();
    let _called = Peer::on(&network, "b", member(2));
    let mut bare = network.dialer("z").dial("b").await.unwrap().stream;
    bare.write_all(&hello::preamble(PROTOCOL)).await.unwrap();
    bare.write_all(&u32::try_from(MAX_FRAME + 5).unwrap().to_be_bytes()).await.unwrap();
    let mut frames = Frames::new(bare);
    frames.read_bare(&mut [0; 8]).await.unwrap();
    assert!(matches!(frames.next().await, Err(FrameError::Closed | FrameError::Io(_))));
    is_still_there(&network).await;
}

#[tokio::test]
async fn a_request_of_a_newer_version_is_refused_alone() {
    let network = MemoryNetwork::default();
    let _called = Peer::on(&network, "b", member(2));
    let mut frames = greeted(&network, Purpose::Control).await;
    // A header, and a request number that does not exist yet.
    frames.push(&(Header { call: 7, ttl_ms: 1000 }, 200_u8)).unwrap();
    let mut answer = frames.next().await.unwrap();
    assert_eq!(frame::take::<u64>(&mut answer).unwrap(), 7);
    let refused: ControlResponse = frame::read(answer).unwrap();
    assert!(matches!(refused, ControlResponse::Refused(hello::Refusal::Unintelligible)));
    frames.push(&(Header { call: 8, ttl_ms: 1000 }, ControlRequest::Ping)).unwrap();
    let mut answer = frames.next().await.unwrap();
    assert_eq!(frame::take::<u64>(&mut answer).unwrap(), 8);
}

#[tokio::test]
async fn garbage_in_every_kind_of_connection_ends_that_connection_only() {
    let network = MemoryNetwork::default();
    let _called = Peer::on(&network, "b", member(2));
    for purpose in [Purpose::Append, Purpose::Snapshot, Purpose::Control] {
        let mut frames = greeted(&network, purpose).await;
        frames.push_raw(&[&[0xFF; 3]]).unwrap();
        let ended = tokio::time::timeout(AMPLE_TIMEOUT, async { while frames.next().await.is_ok() {} }).await;
        assert!(ended.is_ok());
    }
    is_still_there(&network).await;
}

/// Reads bytes like one end of a connection.
async fn read_all(bytes: Vec<u8>) -> usize {
    let (mut near, far) = tokio::io::duplex(bytes.len().max(1));
    near.write_all(&bytes).await.unwrap();
    drop(near);
    let mut frames = Frames::new(Box::new(far));
    let mut whole = 0;
    while let Ok(Ok(frame)) = tokio::time::timeout(BRIEF_TIMEOUT, frames.next()).await {
        whole += 1;
        try_to_read(&frame);
    }
    whole
}

fn try_to_read(payload: &BytesMut) {
    drop(frame::read::<Hello>(payload.clone()));
    drop(frame::read::<ControlRequest>(payload.clone()));
    drop(frame::read::<ControlResponse>(payload.clone()));
    drop(crate::peer::append::read_request(payload.clone()));
}

/// The bytes of some valid frames.
async fn sound(payloads: &[Vec<u8>]) -> Vec<u8> {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let mut frames = Frames::new(Box::new(near));
    for payload in payloads {
        frames.push_raw(&[payload]).unwrap();
    }
    frames.flush().await.unwrap();
    drop(frames);
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut far, &mut bytes).await.unwrap();
    bytes
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        on_a_runtime(read_all(bytes));
    }

    #[test]
    fn random_payloads_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        try_to_read(&BytesMut::from(&bytes[..]));
    }

    #[test]
    fn sound_frames_come_back_and_a_flipped_bit_is_found(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 1..8),
        position in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let read = on_a_runtime(async {
            let mut bytes = sound(&payloads).await;
            let whole = read_all(bytes.clone()).await;
            let position = position.index(bytes.len());
            bytes[position] ^= 1 << bit;
            (whole, read_all(bytes).await)
        });
        prop_assert_eq!(read.0, payloads.len());
        prop_assert!(read.1 < payloads.len());
    }
}
