//! Bounds the memory of what clients have not taken yet: answers, and events of sockets that lag. Every byte is
//! reserved on the account of its reader. At the limit, the oldest reservation of the reader with the most bytes is
//! revoked, so that no reader can keep others from being answered.

use crate::{
    rate_limits::network,
    streamed_json::{MAX_PIECES_BYTES, ReservedBytes},
};
use axum::{body::HttpBody, response::Response};
use nexus_domain::EngineerId;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Bytes of all reservations: a quarter of what a node may take in all.
const MAX_RESERVED: usize = 128 << 20;
/// Bytes of the long answers of one reader. Further ones are refused until some are taken; an answer that is longer
/// than this is sent when it is the only one.
const MAX_LONG_OF_ONE: usize = MAX_RESERVED / 4;
/// An answer of more bytes than this is long. Only long answers to reads may be refused.
const LONG: usize = 64 << 10;
/// Bytes that hyper and h2 keep for each answer beside its text: the state of a stream, its task and its frames.
const OVERHEAD: usize = 4 << 10;

/// Ends a connection at once when its memory is needed. The node adds it to each request as an extension.
#[derive(Clone, Debug)]
pub struct ConnectionEnd(pub CancellationToken);

/// The reservation of an answer. The connection holds it until its client has taken the whole answer.
#[derive(Clone)]
pub struct ResponseReservation(#[allow(dead_code, reason = "held for its drop")] Arc<Reservation>);

/// The client against which the bytes of a response are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reader {
    /// An engineer, with whatever key.
    Engineer(EngineerId),
    /// A network, for requests without a key that this node knows.
    Network(IpAddr),
}

impl Reader {
    /// The engineer, or else the network that the request comes from.
    pub(crate) fn of(engineer: Option<EngineerId>, remote: Option<IpAddr>) -> Self {
        let from = || network(remote.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        engineer.map_or_else(|| Self::Network(from()), Self::Engineer)
    }
}

/// The reservations of all readers. Clones share them.
#[derive(Clone)]
pub(crate) struct ResponseMemory {
    accounts: Arc<Mutex<Accounts>>,
    most: usize,
    most_long_of_one: usize,
}

#[derive(Default)]
struct Accounts {
    /// Bytes of all readers.
    all: usize,
    /// Reservations that were ever made; the last one is the newest id.
    taken: u64,
    of: HashMap<Reader, ReaderAccount>,
    by_size: BTreeSet<(usize, Reader)>,
}

/// The reservations of one reader, the oldest first.
#[derive(Default)]
struct ReaderAccount {
    bytes: usize,
    reservations: BTreeMap<u64, (usize, CancellationToken)>,
}

impl Default for ResponseMemory {
    fn default() -> Self {
        Self { accounts: Arc::default(), most: MAX_RESERVED, most_long_of_one: MAX_LONG_OF_ONE }
    }
}

impl ResponseMemory {
    /// Reserves memory for an answer. If that exceeds the limit, the oldest reservations of the reader with the most
    /// bytes are revoked. `revoked` is cancelled when this reservation is.
    ///
    /// # Errors
    /// Returns `None` for a long answer to a read when its reader has too much reserved already, or has the most of
    /// all. Answers to writes and short answers are never refused.
    pub(crate) fn reserve_response(
        &self,
        reader: Reader,
        is_read: bool,
        response: &Response,
        revoked: &CancellationToken,
    ) -> Option<ResponseReservation> {
        let bytes = bytes_of(response).min(self.most_long_of_one);
        if is_read && bytes > LONG && !self.has_space(reader, bytes) {
            return None;
        }
        Some(ResponseReservation(Arc::new(self.reserve(reader, bytes + OVERHEAD, revoked))))
    }

    /// Bytes of all reservations.
    pub(crate) fn bytes(&self) -> usize {
        lock(&self.accounts).all
    }

    fn has_space(&self, reader: Reader, bytes: usize) -> bool {
        let accounts = lock(&self.accounts);
        let of_reader = accounts.of.get(&reader).map_or(0, |held| held.bytes);
        let most_of_any = accounts.by_size.last().map_or(0, |(bytes, _)| *bytes);
        let is_too_much = of_reader > 0 && of_reader + bytes > self.most_long_of_one;
        !is_too_much && (accounts.all + bytes <= self.most || of_reader + bytes < most_of_any)
    }

    /// Reserves this many bytes, and revokes reservations of the largest reader when they exceed the limit.
    pub(crate) fn reserve(&self, reader: Reader, bytes: usize, revoked: &CancellationToken) -> Reservation {
        let mut ended = Vec::new();
        let mut accounts = lock(&self.accounts);
        accounts.taken += 1;
        let id = accounts.taken;
        accounts.change(reader, |held| {
            held.bytes += bytes;
            held.reservations.insert(id, (bytes, revoked.clone()));
        });
        while accounts.all > self.most {
            let Some((reader, oldest)) = accounts.oldest_of_largest(id) else { break };
            ended.extend(accounts.remove(reader, oldest));
        }
        drop(accounts);
        // After the lock is released, since cancelling wakes tasks that may need it.
        ended.iter().for_each(CancellationToken::cancel);
        Reservation { accounts: self.accounts.clone(), reader, id }
    }
}

impl Accounts {
    fn change(&mut self, reader: Reader, change: impl FnOnce(&mut ReaderAccount)) {
        let held = self.of.entry(reader).or_default();
        let before = held.bytes;
        change(held);
        let (after, is_gone) = (held.bytes, held.reservations.is_empty());
        self.all = self.all - before + after;
        self.by_size.remove(&(before, reader));
        if is_gone {
            self.of.remove(&reader);
        } else {
            self.by_size.insert((after, reader));
        }
    }

    /// The reservation to revoke next: the oldest of the reader with the most bytes, but never the new one.
    fn oldest_of_largest(&self, new: u64) -> Option<(Reader, u64)> {
        self.by_size.iter().rev().find_map(|(_, reader)| {
            let oldest = self.of.get(reader)?.reservations.keys().next()?;
            (*oldest != new).then_some((*reader, *oldest))
        })
    }

    /// Removes a reservation, unless it was revoked before.
    fn remove(&mut self, reader: Reader, id: u64) -> Option<CancellationToken> {
        if !self.of.contains_key(&reader) {
            return None;
        }
        let mut removed = None;
        self.change(reader, |held| {
            removed = held.reservations.remove(&id);
            held.bytes -= removed.as_ref().map_or(0, |(bytes, _)| *bytes);
        });
        removed.map(|(_, revoked)| revoked)
    }
}

fn lock(accounts: &Mutex<Accounts>) -> MutexGuard<'_, Accounts> {
    accounts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reserved memory, until this is dropped.
pub(crate) struct Reservation {
    accounts: Arc<Mutex<Accounts>>,
    reader: Reader,
    id: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let _ = lock(&self.accounts).remove(self.reader, self.id);
    }
}

/// Bytes to reserve for an answer.
fn bytes_of(response: &Response) -> usize {
    let exact = response.body().size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let held = response.extensions().get().map(|ReservedBytes(held)| *held);
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
        memory: &ResponseMemory,
        reader: Reader,
        is_read: bool,
        bytes: usize,
    ) -> Option<(ResponseReservation, CancellationToken)> {
        let revoked = CancellationToken::new();
        let response = Response::new(Body::from(vec![b'x'; bytes]));
        Some((memory.reserve_response(reader, is_read, &response, &revoked)?, revoked))
    }

    #[test]
    fn the_oldest_reservation_of_the_largest_reader_is_revoked_for_a_new_reader() {
        let memory = ResponseMemory::default();
        let crowd: Vec<_> = (0..4)
            .flat_map(|last| (0..7).map(move |_| stranger(last)))
            .map(|reader| answer(&memory, reader, true, 4 * MIB).unwrap())
            .collect();
        let _of_ben: Vec<_> = (0..3).map(|_| answer(&memory, BEN, true, 4 * MIB).unwrap()).collect();
        assert!(answer(&memory, stranger(1), true, 4 * MIB).is_none(), "the largest reader gets no more");
        let revoked = || crowd.iter().map(|(_, revoked)| revoked.is_cancelled()).collect::<Vec<_>>();
        assert!(!revoked().contains(&true), "no reservation is revoked for it");
        let (_of_ana, ana_is_revoked) = answer(&memory, ANA, true, 4 * MIB).unwrap();
        assert!(!ana_is_revoked.is_cancelled());
        let revoked = revoked();
        assert_eq!(revoked.iter().filter(|is| **is).count(), 1);
        assert_eq!(revoked.iter().position(|is| *is).unwrap() % 7, 0, "it was the oldest of one of them");
    }

    #[test]
    fn an_engineer_with_too_much_is_refused_long_answers_and_nothing_else() {
        let memory = ResponseMemory::default();
        let held: Vec<_> = std::iter::from_fn(|| answer(&memory, ANA, true, 4 * MIB)).collect();
        assert_eq!(held.len(), 7);
        assert!(answer(&memory, ANA, true, 4 * MIB).is_none());
        assert!(answer(&memory, ANA, true, LONG).is_some(), "a short answer is never refused");
        assert!(answer(&memory, ANA, false, 4 * MIB).is_some(), "a write was applied, and says so");
        assert!(answer(&memory, BEN, true, 4 * MIB).is_some());
        drop(held);
        assert!(answer(&memory, ANA, true, 100 * MIB).is_some(), "a longer one goes out alone");
    }

    #[test]
    fn short_answers_that_nobody_takes_are_counted_too() {
        let memory = ResponseMemory::default();
        let one = OVERHEAD + 100;
        let crowd: Vec<_> =
            (0..MAX_RESERVED / one).map(|_| answer(&memory, stranger(1), true, 100).unwrap()).collect();
        assert!(crowd.iter().all(|(_, revoked)| !revoked.is_cancelled()));
        let (_held, of_ana) = answer(&memory, ANA, false, 4 * MIB).unwrap();
        let revoked = crowd.iter().filter(|(_, revoked)| revoked.is_cancelled()).count();
        assert!(revoked >= 4 * MIB / one && revoked < 5 * MIB / one, "{revoked}");
        assert!(!of_ana.is_cancelled());
    }

    #[test]
    fn a_reader_without_reservations_has_no_account() {
        let memory = ResponseMemory::default();
        let held: Vec<_> =
            [ANA, BEN, stranger(1), ANA].map(|reader| answer(&memory, reader, true, MIB)).into();
        let of_a_node_that_is_full = memory.reserve(ANA, 2 * MAX_RESERVED, &CancellationToken::new());
        assert!(held.iter().all(|held| held.as_ref().unwrap().1.is_cancelled()));
        drop((held, of_a_node_that_is_full));
        let accounts = lock(&memory.accounts);
        assert_eq!((accounts.all, accounts.of.len(), accounts.by_size.len()), (0, 0, 0));
    }
}
