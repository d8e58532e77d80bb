//! The follower's end of replication: passes requests to Raft as they arrive, and sends its answers in order. It never
//! waits for an answer before it reads the next request.

use super::{AppendReply, SessionNumber, send::read_request};
use crate::peer::{
    error::Cause,
    frame::{FrameEvent, Frames},
    limits::{APPEND_IN_FLIGHT, LINK_CHECK, LINK_STALL},
    raft::{RaftPort, RaftStopped},
};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use nexus_raft_store::TypeConfig;
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use std::{future::pending, sync::Arc};
use tokio::{select, sync::mpsc, time::interval};
use tokio_util::sync::CancellationToken;

type Request = AppendEntriesRequest<TypeConfig>;
type Answer = Result<StreamAppendResult<TypeConfig>, RaftStopped>;

/// One stream of the leader.
struct Session {
    number: SessionNumber,
    /// The open session; `None` once it has ended with a refusal, after which its further requests are skipped.
    open: Option<Open>,
}

struct Open {
    requests: mpsc::Sender<Request>,
    answers: BoxStream<'static, Answer>,
}

impl Session {
    fn new(number: SessionNumber, raft: &dyn RaftPort) -> Self {
        let (requests, queue) = mpsc::channel(APPEND_IN_FLIGHT);
        let queue =
            stream::unfold(queue, |mut queue| async { queue.recv().await.map(|request| (request, queue)) });
        let answers = raft.stream_append(queue.boxed());
        Self { number, open: Some(Open { requests, answers }) }
    }
}

/// Serves one leader until it disconnects, Raft stops, or the node shuts down.
pub(in crate::peer) async fn serve(
    mut frames: Frames,
    raft: Arc<dyn RaftPort>,
    shutdown: CancellationToken,
) -> Result<(), Cause> {
    let mut session = Session { number: 0, open: None };
    // A request that the queue to Raft has no room for yet. Until it has, no other request is read.
    let mut held: Option<Request> = None;
    let mut check = interval(LINK_CHECK);
    loop {
        let open = session.open.as_mut();
        let (requests, answers) = open.map(|open| (&open.requests, &mut open.answers)).unzip();
        let is_full = frames.is_full();
        let event = select! {
            answer = next_answer(answers), if !is_full => Event::Answer(answer),
            event = frames.next_event(held.is_none() && !is_full) => match event? {
                FrameEvent::Received(frame) => Event::Request(read_request(frame)?),
                FrameEvent::Writable => continue,
            },
            room = reserve(requests), if held.is_some() => {
                if let (Some(room), Some(request)) = (room, held.take()) {
                    room.send(request);
                }
                continue;
            }
            _ = check.tick() => {
                if frames.is_stuck(LINK_STALL) {
                    return Err(Cause::Stalled);
                }
                continue;
            }
            () = shutdown.cancelled() => return Ok(()),
        };
        match event {
            Event::Request((number, request)) => {
                if number != session.number {
                    session = Session::new(number, &*raft);
                }
                // Mostly there is room; requests of a session that is over go nowhere.
                if let Some(open) = &session.open
                    && let Err(mpsc::error::TrySendError::Full(request)) = open.requests.try_send(request)
                {
                    held = Some(request);
                }
            }
            Event::Answer(None) => session.open = None,
            Event::Answer(Some(answer)) => {
                let result = answer.map_err(Cause::Failed)?;
                let is_over = result.is_err();
                frames.push(&AppendReply { session: session.number, result })?;
                if is_over {
                    session.open = None;
                    held = None;
                }
            }
        }
    }
}

enum Event {
    Answer(Option<Answer>),
    Request((SessionNumber, Request)),
}

async fn next_answer(answers: Option<&mut BoxStream<'static, Answer>>) -> Option<Answer> {
    match answers {
        Some(answers) => answers.next().await,
        None => pending().await,
    }
}

/// A permit of the queue to Raft; none when the session is over.
async fn reserve(requests: Option<&mpsc::Sender<Request>>) -> Option<mpsc::Permit<'_, Request>> {
    requests?.reserve().await.ok()
}
