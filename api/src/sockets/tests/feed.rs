//! Every consumer receives every event after its cursor, once and in order, from the hub or from history.

use super::stage::{ANA, Stage, caller, project};
use crate::{
    api::Api,
    events::history::{self, ReadError, Start},
    sockets::conversation::{Conversation, Step},
};
use nexus_api_types::socket::{Notice, Request};
use nexus_domain::Revision;

async fn joined(api: &Api, number: u128, since: Option<Revision>) -> Conversation {
    let mut conversation = Conversation::new(api.clone(), caller(ANA));
    let request =
        Request::Join { project_id: project(number).0.to_string(), since: since.map(|since| since.0) };
    let received = conversation.answer(request).await.unwrap();
    assert!(matches!(received[..], [Notice::Joined { .. }]), "{received:?}");
    conversation
}

/// Revisions of the events that a consumer receives, up to and including `last`.
async fn delivered_until(conversation: &mut Conversation, last: Revision) -> Vec<u64> {
    let mut received = Vec::new();
    while received.last() != Some(&last.0) {
        match conversation.next().await.unwrap() {
            Step::Events(events, through) => {
                for event in events.iter() {
                    let text: serde_json::Value = serde_json::from_str(&event.text).unwrap();
                    assert_eq!(text["revision"], event.revision.0);
                    received.push(event.revision.0);
                }
                conversation.delivered(through);
            }
            Step::Compacted(notice) => panic!("{notice:?}"),
        }
    }
    received
}

#[tokio::test]
async fn a_subscriber_from_any_revision_receives_all_later_events_once_and_in_order() {
    let stage = Stage::set();
    stage.project(2);
    let api = stage.api();
    let mut expected: Vec<u64> = (0..200).map(|_| stage.happen(1).0).collect();
    let mut other = joined(&api, 2, None).await;
    let mut consumers = Vec::new();
    for since in [0, 3, 17, 150, 190] {
        consumers.push((since, joined(&api, 1, Some(Revision(since))).await));
    }
    for number in 0..500 {
        if number % 3 == 0 {
            stage.happen(2);
        }
        expected.push(stage.happen(1).0);
        if number % 100 == 0 {
            // Some read while events happen, some later.
            tokio::task::yield_now().await;
            consumers.push((expected[number], joined(&api, 1, Some(Revision(expected[number]))).await));
        }
    }
    let last = Revision(*expected.last().unwrap());
    for (since, mut conversation) in consumers {
        let after: Vec<u64> = expected.iter().copied().filter(|revision| *revision > since).collect();
        let received = delivered_until(&mut conversation, last).await;
        // The first events are those of the project's creation.
        let received: Vec<u64> =
            received.into_iter().filter(|revision| expected.contains(revision)).collect();
        assert_eq!(received, after, "since {since}");
    }
    let last = stage.happen(2);
    let received = delivered_until(&mut other, last).await;
    assert_eq!(received.len(), 168, "no event of the other project");
}

#[tokio::test]
async fn a_message_during_a_read_of_history_does_not_start_the_read_again() {
    let stage = Stage::set();
    let api = stage.api();
    let expected = [stage.happen(1).0, stage.happen(1).0];
    let mut conversation = joined(&api, 1, Some(Revision(expected[0] - 1))).await;
    let last = stage.happen(1);
    let before = stage.pages.arrived();
    stage.pages.close();
    for _ in 0..3 {
        // A message of the client cancels the wait for the page, but not the read.
        assert!(futures::poll!(std::pin::pin!(conversation.next())).is_pending());
        stage.pages.reached(before + 1).await;
    }
    stage.pages.open();
    let received = delivered_until(&mut conversation, last).await;
    assert_eq!(received[..2], expected);
    assert_eq!(stage.pages.arrived(), before + 1, "it was read once");
}

#[tokio::test]
async fn events_for_many_subscribers_are_read_once() {
    let stage = Stage::set();
    let api = stage.api();
    let mut consumers = Vec::new();
    for _ in 0..100 {
        consumers.push(joined(&api, 1, None).await);
    }
    let before = stage.reads();
    let mut last = Revision(0);
    for _ in 0..50 {
        last = stage.happen(1);
        tokio::task::yield_now().await;
    }
    for conversation in &mut consumers {
        assert!(delivered_until(conversation, last).await.len() >= 50);
    }
    assert!(stage.reads() - before <= 51, "{} reads for 100 consumers", stage.reads() - before);
}

#[tokio::test]
async fn a_subscriber_that_is_too_late_gets_the_oldest_revision() {
    let stage = Stage::set();
    let api = stage.api();
    for _ in 0..10 {
        stage.happen(1);
    }
    let mut late = joined(&api, 1, Some(Revision(0))).await;
    let oldest = stage.happen(1);
    stage.forget(oldest);
    let Step::Compacted(notice) = late.next().await.unwrap() else { panic!("it got events") };
    assert_eq!(notice, Notice::Compacted { project_id: project(1).0, oldest: oldest.0, reset: false });
    let mut anew = Conversation::new(api.clone(), caller(ANA));
    let join = |since: u64| Request::Join { project_id: project(1).0.to_string(), since: Some(since) };
    assert_eq!(anew.answer(join(0)).await.unwrap(), [notice]);
    let received = anew.answer(join(oldest.0 - 1)).await.unwrap();
    assert!(matches!(received[..], [Notice::Joined { .. }]), "{received:?}");
    assert_eq!(delivered_until(&mut anew, oldest).await[0], oldest.0);
}

#[tokio::test]
async fn a_feed_whose_subscribers_left_starts_again_for_the_next_one() {
    let stage = Stage::set();
    let api = stage.api();
    drop(joined(&api, 1, None).await);
    for _ in 0..20 {
        stage.happen(1);
        tokio::task::yield_now().await;
    }
    let mut next = joined(&api, 1, None).await;
    let first = stage.happen(1);
    assert_eq!(delivered_until(&mut next, first).await, [first.0]);
}

#[tokio::test]
async fn a_page_ends_at_the_end_of_a_revision_and_says_whether_there_is_more() {
    let stage = Stage::set();
    stage.project(2);
    for _ in 0..6 {
        stage.happen(1);
        stage.happen(2);
    }
    let whole = history::read(&*stage, project(1), Start::Oldest, 100, usize::MAX).await.unwrap();
    assert!(!whole.has_more);
    let mut paged = Vec::new();
    let mut start = Start::Oldest;
    loop {
        let chunk = history::read(&*stage, project(1), start, 2, usize::MAX).await.unwrap();
        assert!(chunk.events.last().is_none_or(|last| last.revision <= chunk.through));
        paged.extend(chunk.events);
        start = Start::After(chunk.through);
        if !chunk.has_more {
            break;
        }
    }
    assert_eq!(paged, whole.events);
    stage.forget(Revision(5));
    let gone = history::read(&*stage, project(1), Start::After(Revision(1)), 2, usize::MAX).await;
    assert!(matches!(gone, Err(ReadError::Compacted { oldest: Revision(5) })), "{gone:?}");
    assert!(history::read(&*stage, project(1), Start::Oldest, 2, usize::MAX).await.is_ok());
}

#[tokio::test]
async fn a_subscriber_that_is_behind_holds_few_bytes_that_are_counted_until_they_are_sent() {
    const MOST: usize = (256 << 10) + 100_000;
    let stage = Stage::set();
    let api = stage.api();
    let last = (1..12).fold(stage.claim(0), |_, number| stage.claim(number));
    let mut behind = joined(&api, 1, Some(Revision(0))).await;
    let (mut received, mut steps) = (Revision(0), 0);
    while received < last {
        let Step::Events(events, through) = behind.next().await.unwrap() else { panic!("no event is gone") };
        let bytes: usize = events.iter().map(|event| event.text.len()).sum();
        assert!(bytes < MOST, "{bytes}");
        assert!(events.iter().all(|event| event.revision > received), "each once and in order");
        assert!(api.response_memory.bytes() > bytes, "the bytes are counted");
        received = through;
        behind.delivered(through);
        drop(events);
        assert_eq!(api.response_memory.bytes(), 0, "only until they are sent");
        steps += 1;
    }
    assert!(steps > 3, "{steps}");
}

#[tokio::test]
async fn a_slow_subscriber_gets_few_bytes_at_once() {
    const MOST: usize = (256 << 10) + 100_000;
    let stage = Stage::set();
    let api = stage.api();
    let mut slow = joined(&api, 1, None).await;
    let mut expected: Vec<u64> = Vec::new();
    for number in 0..12 {
        expected.push(stage.claim(number).0);
    }
    let mut received: Vec<u64> = Vec::new();
    while received.last() != expected.last() {
        let Step::Events(events, through) = slow.next().await.unwrap() else { panic!("no event is gone") };
        assert!(events.iter().map(|event| event.text.len()).sum::<usize>() < MOST);
        // The events are shared by all subscribers; each socket copies the one that it writes.
        let copy = events.iter().map(|event| event.text.len()).max().unwrap();
        assert!((copy..2 * copy).contains(&(api.response_memory.bytes())), "the copy is counted");
        received.extend(events.iter().map(|event| event.revision.0));
        drop(events);
        assert_eq!(api.response_memory.bytes(), 0, "only until it is sent");
        slow.delivered(through);
    }
    received.retain(|revision| expected.contains(revision));
    assert_eq!(received, expected);
}
