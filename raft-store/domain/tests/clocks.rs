//! Cluster time, in which leases run, never moves back; wall time is the leader's.
#![allow(clippy::unwrap_used)]

use nexus_domain::{
    Acting, Actor, Proposal, Revision, SessionId, Stamp, State, apply, command,
    time::{ClusterTime, WallTime},
};

fn tick(state: &mut State, revision: u64, cluster: u64, wall: i64) {
    let stamp = Stamp { cluster: ClusterTime(cluster), wall: WallTime(wall) };
    let acting = Acting::Engineer { candidate: SessionId::MIN };
    let proposal =
        Proposal { command: command::Tick.into(), actor: Actor::System, acting, request: None, stamp };
    apply(state, Revision(revision), &proposal).answer.outcome.unwrap();
}

#[test]
fn a_wall_clock_that_was_a_year_ahead_for_a_moment_stops_nobodys_time() {
    let year = 365 * 24 * 3_600 * 1_000;
    let mut state = State::default();
    tick(&mut state, 1, 1_000, 5_000);
    tick(&mut state, 2, 2_000, 5_000 + year);
    tick(&mut state, 3, 3_000, 7_000);
    assert_eq!((state.clock().cluster, state.clock().wall), (ClusterTime(3_000), WallTime(7_000)));
    // A leader that is behind in cluster time cuts no lease short and lengthens none.
    tick(&mut state, 4, 500, 8_000);
    assert_eq!((state.clock().cluster, state.clock().wall), (ClusterTime(3_000), WallTime(8_000)));
}
