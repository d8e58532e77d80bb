//! Replies in the slots of nodes are short, and are evicted after some time.
#![allow(clippy::unwrap_used)]

use nexus_domain::{
    Acting, Actor, ClusterTime, NodeId, Proposal, Revision, SessionId, Stamp, State, apply, command,
    reply_cache::{ReplySlot, Request, SLOT_AGE, SequenceId},
};

fn slot(number: u16) -> ReplySlot {
    ReplySlot { node: NodeId(1), number }
}

fn tick(state: &mut State, revision: u64, cluster: u64, number: u16) {
    let id = SequenceId { sequence: revision, start: 0 };
    let proposal = Proposal {
        command: command::Tick.into(),
        actor: Actor::System,
        acting: Acting::Engineer { candidate: SessionId::MIN },
        request: Some(Request::Slotted { slot: slot(number), id }),
        stamp: Stamp { cluster: ClusterTime(cluster), ..Stamp::default() },
    };
    apply(state, Revision(revision), &proposal).answer.outcome.unwrap();
}

#[test]
fn replies_in_slots_that_were_not_used_for_long_are_evicted() {
    let mut state = State::default();
    tick(&mut state, 1, 0, 0);
    tick(&mut state, 2, 1_000, 1);
    tick(&mut state, 1_023, SLOT_AGE.0, 2);
    assert!((0..3).all(|number| state.slotted_reply(slot(number)).is_some()));
    tick(&mut state, 1_024, SLOT_AGE.0, 3);
    let left: Vec<u16> = (0..4).filter(|number| state.slotted_reply(slot(*number)).is_some()).collect();
    assert_eq!(left, [1, 2, 3]);
    assert_eq!(State::from_rows(state.rows()).unwrap(), state);
}
