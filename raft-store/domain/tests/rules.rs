//! The version of the rules is raised and never lowered, and only by the cluster itself.
#![allow(clippy::unwrap_used)]

use nexus_domain::{
    Acting, Actor, EngineerId, Proposal, Refusal, Reply, Revision, RulesVersion, SessionId, Stamp, State,
    apply, command, ids::KeyId,
};
use uuid::Uuid;

fn raise(state: &mut State, actor: Actor, to: u16) -> Result<Reply, Refusal> {
    let proposal = Proposal {
        command: command::RaiseRules { to: RulesVersion(to) }.into(),
        actor,
        acting: Acting::Engineer { candidate: SessionId::MIN },
        request: None,
        stamp: Stamp::default(),
    };
    let next = Revision(state.clock().revision.0 + 1);
    apply(state, next, &proposal).answer.outcome
}

#[test]
fn rules_are_raised_and_never_lowered() {
    let mut state = State::default();
    assert_eq!(state.rules(), RulesVersion::FIRST);
    raise(&mut state, Actor::System, 3).unwrap();
    assert_eq!(state.rules(), RulesVersion(3));
    raise(&mut state, Actor::System, 2).unwrap();
    assert_eq!(state.rules(), RulesVersion(3));
    assert_eq!(State::from_rows(state.rows()).unwrap(), state, "it is kept");
}

#[test]
fn only_the_cluster_raises_them() {
    let mut state = State::default();
    let actor = Actor::Engineer { id: EngineerId(Uuid::from_u128(1)), key: KeyId(Uuid::from_u128(2)) };
    assert!(raise(&mut state, actor, 3).is_err());
    assert_eq!(state.rules(), RulesVersion::FIRST);
}
