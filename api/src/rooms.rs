//! Memory for what a node has made for its clients and they have not taken yet: answers, and events of sockets that are
//! behind. Every byte is counted, by whom it is for. When there is too much of it, whoever has most gives some up: nobody
//! can keep others from being answered.

use crate::{
    limits::network,
    whole::{HeldBytes, MAX_PIECES_BYTES},
};
use axum::{body::HttpBody, response::Response};
use nexus_domain::EngineerId;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Bytes of everything that is made and not taken yet: a quarter of what a node may take in all.
const MAX_HELD: usize = 128 << 20;
/// Of them, those of the long answers of one reader: further ones are refused until some are taken. A longer one goes out
/// alone.
const MAX_LONG_OF_ONE: usize = MAX_HELD / 4;
/// Bytes of an answer that is long: such a read may be refused for want of room, shorter ones never are.
const LONG: usize = 64 << 10;
/// Bytes that hyper and h2 keep for each answer on top of its text: the state of a stream, its task and its frames.
const OVERHEAD: usize = 4 << 10;

/// How a connection is ended at once, because what it holds is needed. The node puts it beside each request.
#[derive(Clone, Debug)]
pub struct ConnectionEnd(pub CancellationToken);

/// What an answer takes of the memory for all of them. Whoever sends it holds this until its client has taken all of it.
#[derive(Clone)]
pub struct AnswerRoom(#[allow(dead_code, reason = "held for its drop")] Arc<Room>);

/// For whom something is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reader {
    /// Whoever has a key of this engineer.
    Engineer(EngineerId),
    /// Whoever shows no key that this node knows, by network.
    Network(IpAddr),
}

impl Reader {
    /// The engineer, or else where the request comes from.
    pub(crate) fn of(engineer: Option<EngineerId>, remote: Option<IpAddr>) -> Self {
        let from = || network(remote.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        engineer.map_or_else(|| Self::Network(from()), Self::Engineer)
    }
}

/// All that is held. Clones are the same.
#[derive(Clone)]
pub(crate) struct Rooms {
    ledger: Arc<Mutex<Ledger>>,
    most: usize,
    most_long_of_one: usize,
}

#[derive(Default)]
struct Ledger {
    all: usize,
    taken: u64,
    of: HashMap<Reader, Held>,
    by_size: BTreeSet<(usize, Reader)>,
}

/// What is held for one reader, the oldest first.
#[derive(Default)]
struct Held {
    bytes: usize,
    rooms: BTreeMap<u64, (usize, CancellationToken)>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { ledger: Arc::default(), most: MAX_HELD, most_long_of_one: MAX_LONG_OF_ONE }
    }
}

impl Rooms {
    /// Room for an answer. Whatever is needed for it is given up by whoever holds most; `given_up` is cancelled when it is
    /// this room's turn.
    ///
    /// # Errors
    /// None for a long answer to a read when its reader holds too much already, or holds most where there is no room. What
    /// a write has to say is never refused, and neither is what is short.
    pub(crate) fn answer(
        &self,
        reader: Reader,
        is_read: bool,
        response: &Response,
        given_up: &CancellationToken,
    ) -> Option<AnswerRoom> {
        let bytes = bytes_of(response).min(self.most_long_of_one);
        if is_read && bytes > LONG && !self.has_room(reader, bytes) {
            return None;
        }
        Some(AnswerRoom(Arc::new(self.take(reader, bytes + OVERHEAD, given_up))))
    }

    /// Bytes of everything that is held.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        lock(&self.ledger).all
    }

    fn has_room(&self, reader: Reader, bytes: usize) -> bool {
        let ledger = lock(&self.ledger);
        let of_reader = ledger.of.get(&reader).map_or(0, |held| held.bytes);
        let most_of_any = ledger.by_size.last().map_or(0, |(bytes, _)| *bytes);
        let is_too_much = of_reader > 0 && of_reader + bytes > self.most_long_of_one;
        !is_too_much && (ledger.all + bytes <= self.most || of_reader + bytes < most_of_any)
    }

    /// Room for so many bytes, at the cost of whoever holds most.
    pub(crate) fn take(&self, reader: Reader, bytes: usize, given_up: &CancellationToken) -> Room {
        let mut ended = Vec::new();
        let mut ledger = lock(&self.ledger);
        ledger.taken += 1;
        let id = ledger.taken;
        ledger.change(reader, |held| {
            held.bytes += bytes;
            held.rooms.insert(id, (bytes, given_up.clone()));
        });
        while ledger.all > self.most {
            let Some((reader, oldest)) = ledger.oldest_of_the_largest(id) else { break };
            ended.extend(ledger.remove(reader, oldest));
        }
        drop(ledger);
        // Whatever that wakes does not find the lock taken.
        ended.iter().for_each(CancellationToken::cancel);
        Room { ledger: self.ledger.clone(), reader, id }
    }
}

impl Ledger {
    fn change(&mut self, reader: Reader, change: impl FnOnce(&mut Held)) {
        let held = self.of.entry(reader).or_default();
        let before = held.bytes;
        change(held);
        let (after, is_gone) = (held.bytes, held.rooms.is_empty());
        self.all = self.all - before + after;
        self.by_size.remove(&(before, reader));
        if is_gone {
            self.of.remove(&reader);
        } else {
            self.by_size.insert((after, reader));
        }
    }

    /// What is to be given up next, whoever it is for; never the room that it is given up for.
    fn oldest_of_the_largest(&self, new: u64) -> Option<(Reader, u64)> {
        self.by_size.iter().rev().find_map(|(_, reader)| {
            let oldest = self.of.get(reader)?.rooms.keys().next()?;
            (*oldest != new).then_some((*reader, *oldest))
        })
    }

    /// Forgets a room, if it was not given up before.
    fn remove(&mut self, reader: Reader, id: u64) -> Option<CancellationToken> {
        if !self.of.contains_key(&reader) {
            return None;
        }
        let mut removed = None;
        self.change(reader, |held| {
            removed = held.rooms.remove(&id);
            held.bytes -= removed.as_ref().map_or(0, |(bytes, _)| *bytes);
        });
        removed.map(|(_, given_up)| given_up)
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is held for somebody, until it is dropped.
pub(crate) struct Room {
    ledger: Arc<Mutex<Ledger>>,
    reader: Reader,
    id: u64,
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = lock(&self.ledger).remove(self.reader, self.id);
    }
}

/// Bytes that an answer takes until it is taken.
fn bytes_of(response: &Response) -> usize {
    let exact = response.body().size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let held = response.extensions().get().map(|HeldBytes(held)| *held);
    exact.or(held).unwrap_or(MAX_PIECES_BYTES)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::body::Body;

    const ANA: Reader = Reader::Engineer(EngineerId::MIN);
    const BEN: Reader = Reader::Engineer(EngineerId::MAX);
    const MIB: usize = 1 << 20;

    fn stranger(last: u8) -> Reader {
        Reader::of(None, Some(IpAddr::from([10, 0, 0, last])))
    }

    fn answer(
        rooms: &Rooms,
        reader: Reader,
        is_read: bool,
        bytes: usize,
    ) -> Option<(AnswerRoom, CancellationToken)> {
        let given_up = CancellationToken::new();
        let response = Response::new(Body::from(vec![b'x'; bytes]));
        Some((rooms.answer(reader, is_read, &response, &given_up)?, given_up))
    }

    #[test]
    fn whoever_holds_most_gives_up_the_oldest_and_a_newcomer_is_answered() {
        let rooms = Rooms::default();
        let crowd: Vec<_> = (0..4)
            .flat_map(|last| (0..7).map(move |_| stranger(last)))
            .map(|reader| answer(&rooms, reader, true, 4 * MIB).unwrap())
            .collect();
        let _of_ben: Vec<_> = (0..3).map(|_| answer(&rooms, BEN, true, 4 * MIB).unwrap()).collect();
        assert!(answer(&rooms, stranger(1), true, 4 * MIB).is_none(), "whoever has most gets no more");
        let given_up = || crowd.iter().map(|(_, given_up)| given_up.is_cancelled()).collect::<Vec<_>>();
        assert!(!given_up().contains(&true), "and nobody pays for it");
        let (_of_ana, ana_is_given_up) = answer(&rooms, ANA, true, 4 * MIB).unwrap();
        assert!(!ana_is_given_up.is_cancelled());
        let given_up = given_up();
        assert_eq!(given_up.iter().filter(|is| **is).count(), 1);
        assert_eq!(given_up.iter().position(|is| *is).unwrap() % 7, 0, "it was the oldest of one of them");
    }

    #[test]
    fn an_engineer_with_too_much_is_refused_long_answers_and_nothing_else() {
        let rooms = Rooms::default();
        let held: Vec<_> = std::iter::from_fn(|| answer(&rooms, ANA, true, 4 * MIB)).collect();
        assert_eq!(held.len(), 7);
        assert!(answer(&rooms, ANA, true, 4 * MIB).is_none());
        assert!(answer(&rooms, ANA, true, LONG).is_some(), "what is short is never refused");
        assert!(answer(&rooms, ANA, false, 4 * MIB).is_some(), "a write was applied, and says so");
        assert!(answer(&rooms, BEN, true, 4 * MIB).is_some());
        drop(held);
        assert!(answer(&rooms, ANA, true, 100 * MIB).is_some(), "a longer one goes out alone");
    }

    #[test]
    fn short_answers_that_nobody_takes_are_counted_too() {
        let rooms = Rooms::default();
        let one = OVERHEAD + 100;
        let crowd: Vec<_> =
            (0..MAX_HELD / one).map(|_| answer(&rooms, stranger(1), true, 100).unwrap()).collect();
        assert!(crowd.iter().all(|(_, given_up)| !given_up.is_cancelled()));
        let (_held, of_ana) = answer(&rooms, ANA, false, 4 * MIB).unwrap();
        let given_up = crowd.iter().filter(|(_, given_up)| given_up.is_cancelled()).count();
        assert!(given_up >= 4 * MIB / one && given_up < 5 * MIB / one, "{given_up}");
        assert!(!of_ana.is_cancelled());
    }

    #[test]
    fn nobody_is_remembered() {
        let rooms = Rooms::default();
        let held: Vec<_> =
            [ANA, BEN, stranger(1), ANA].map(|reader| answer(&rooms, reader, true, MIB)).into();
        let of_a_node_that_is_full = rooms.take(ANA, 2 * MAX_HELD, &CancellationToken::new());
        assert!(held.iter().all(|held| held.as_ref().unwrap().1.is_cancelled()));
        drop((held, of_a_node_that_is_full));
        let ledger = lock(&rooms.ledger);
        assert_eq!((ledger.all, ledger.of.len(), ledger.by_size.len()), (0, 0, 0));
    }
}
