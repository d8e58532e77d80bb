//! A bit that flips in the memory of one node: plans it, lets it happen between two entries, and knows from when to
//! when the state of that node is in doubt.

use nexus_domain::{Revision, Row, State};
use nexus_raft_store::record::{self, Kind};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::cell::RefCell;

/// Bits that are tried until one of them leaves a value that a program can hold.
const ATTEMPTS: usize = 500;

/// The time in which the state of a node is in doubt.
#[derive(Clone, Debug)]
pub struct Doubt {
    /// The place of the node.
    pub place: usize,
    /// When the bit flipped, in milliseconds since the beginning of the world.
    pub began: u64,
    /// The entry before which it flipped.
    pub before: Revision,
    /// The key of the row that it was in.
    pub row: String,
    /// When the node was out of the cluster, or right again.
    pub ended: Option<u64>,
    /// Whether the node led meanwhile, so that others passed its answers on.
    pub has_led: bool,
}

#[derive(Default)]
struct Rot {
    planned: Option<(usize, SmallRng)>,
    doubt: Option<Doubt>,
}

thread_local! {
    static ROT: RefCell<Rot> = RefCell::default();
}

/// Plans that a bit flips in the memory of a node, before the next entry that it applies.
pub fn plan(place: usize, seed: u64) {
    ROT.with_borrow_mut(|rot| rot.planned = Some((place, SmallRng::seed_from_u64(seed))));
}

/// Plans nothing any more.
pub fn plan_nothing() {
    ROT.with_borrow_mut(|rot| rot.planned = None);
}

/// The doubt about a node, if there ever was one.
pub fn doubt() -> Option<Doubt> {
    ROT.with_borrow(|rot| rot.doubt.clone())
}

/// Whether the state of the node at a place is in doubt now.
pub fn is_in_doubt(place: usize) -> bool {
    ROT.with_borrow(|rot| {
        rot.doubt.as_ref().is_some_and(|doubt| doubt.place == place && doubt.ended.is_none())
    })
}

/// Notes that the node in doubt leads.
pub fn leads() {
    ROT.with_borrow_mut(|rot| rot.doubt.iter_mut().for_each(|doubt| doubt.has_led = true));
}

/// Ends the doubt: the node is out, or right again.
pub fn end(now: u64) {
    ROT.with_borrow_mut(|rot| {
        rot.doubt.iter_mut().for_each(|doubt| doubt.ended = doubt.ended.or(Some(now)));
    });
}

/// Flips the bit if it is planned for this node.
pub fn strike(place: usize, now: u64, before: Revision, state: &mut State) {
    ROT.with_borrow_mut(|rot| {
        let Some((_, rng)) = rot.planned.as_mut().filter(|(planned, _)| *planned == place) else { return };
        let Some((flipped, row)) = flipped(state, rng) else { return };
        *state = flipped;
        rot.planned = None;
        rot.doubt = Some(Doubt { place, began: now, before, row, ended: None, has_led: false });
    });
}

/// The state with one bit of a row flipped, and the key of that row.
fn flipped(state: &State, rng: &mut SmallRng) -> Option<(State, String)> {
    let rows: Vec<Row> = state.rows().collect();
    for _ in 0..ATTEMPTS {
        let at = rng.random_range(0..rows.len());
        let row = &rows[at];
        if !is_work(row) {
            continue;
        }
        let encoded = record::encode(Kind::ROW, row);
        let mut payload = record::open(Kind::ROW, &encoded).ok()?.to_vec();
        let bit = rng.random_range(0..payload.len() * 8);
        payload[bit / 8] ^= 1 << (bit % 8);
        let Ok(damaged) = record::decode::<Row>(Kind::ROW, &record::seal(Kind::ROW, &payload)) else {
            continue;
        };
        let key = row.key();
        if damaged.key() != key || damaged == *row {
            continue;
        }
        let others = rows.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, row)| row.clone());
        // An index that does not hold would end the program, which is no wrong answer.
        let flipped = State::from_rows(others.chain([damaged])).ok();
        if let Some(flipped) = flipped.filter(|flipped| flipped.check_invariants().is_ok()) {
            return Some((flipped, format!("{key:?}")));
        }
    }
    None
}

/// Whether a row is of the work of agents. The cluster's own clock, members and rules are what a leader leads by: a bit
/// of these is not the wrong answer of one node, but an order to all.
fn is_work(row: &Row) -> bool {
    matches!(
        row,
        Row::Feature(_)
            | Row::Session(_)
            | Row::Claim(..)
            | Row::Project(_)
            | Row::Member(_)
            | Row::Engineer(_)
            | Row::ApiKey(_)
            | Row::KeyedReply(..)
    )
}
