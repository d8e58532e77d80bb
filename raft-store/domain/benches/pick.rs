//! How long one log entry takes that picks a feature of 1,000 files while 100,000 paths are
//! claimed: the whole of `apply`, on a state that a reader still holds. Prints figures, asserts
//! nothing about time.
//!
//! `cargo bench -p nexus-domain --bench pick`

#![allow(clippy::unwrap_used, missing_docs)]

use nexus_domain::{
    Acting, Actor, ClusterId, ClusterTime, Command, EngineerId, FeatureId, Millis, ProjectId, Proposal,
    Revision, SessionId, Stamp, State, WallTime, apply,
    command::{self, NewApiKey, NewFeature},
    entity::{ClaimMode, ClusterOrigin, KeyPrefix, Lane},
    ids::KeyId,
    pattern::Pattern,
    settings::SettingsPatch,
    short_text::{AgentName, Email, Label, Name, Slug, Title},
};
use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;

const HOLDERS: usize = 100;
const HELD_EACH: usize = 1_000;
const PICK: usize = 1_000;
const ROUNDS: usize = 200;

fn main() {
    // `cargo test --all-targets` runs it, too, and needs no figures.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut world = World::new();
    for holder in 0..HOLDERS {
        let agent = format!("agent-{holder}");
        let session = world.start(&agent);
        let paths = (0..HELD_EACH).map(|n| pattern(&path(holder * HELD_EACH + n, "held"))).collect();
        let claim =
            command::ClaimPaths { project: PROJECT, paths, mode: ClaimMode::Exclusive, feature: None }.into();
        world.apply(claim, Acting::Session(session));
    }
    println!("claims: {}", world.state.claim_count());
    world.measure("1,000 neighbouring files", &(0..PICK).map(|n| path(n, "free")).collect::<Vec<_>>());
    let scattered: Vec<String> = (0..PICK).map(|n| path(n * 97 % (HOLDERS * HELD_EACH), "free")).collect();
    world.measure("1,000 scattered files", &scattered);
    let mut blocked = scattered.clone();
    blocked.push(path(50_000, "held"));
    world.measure("1,000 scattered files, one of them held", &blocked);
    let globs: Vec<String> = (0..100).map(|n| format!("**/never-{n}-*.rs")).collect();
    world.measure("100 globs that may match anywhere", &globs);
    // Every pick compares each holder's own globs. More at once would take too many steps among so many files.
    for holder in 0..HOLDERS {
        let session = world.start(&format!("agent-{holder}"));
        for n in 0..10 {
            let paths = [pattern(&format!("**/made-{holder}-{n}-*.rs"))].into();
            let claim =
                command::ClaimPaths { project: PROJECT, paths, mode: ClaimMode::Exclusive, feature: None }
                    .into();
            world.apply(claim, Acting::Session(session));
        }
    }
    world.measure("1,000 scattered files, 1,000 globs held", &scattered);
    world.measure_ends();
}

const PROJECT: ProjectId = ProjectId(Uuid::from_u128(1));
const ENGINEER: EngineerId = EngineerId(Uuid::from_u128(2));
const KEY: KeyId = KeyId(Uuid::from_u128(3));

struct World {
    state: State,
    revision: u64,
    ids: u128,
}

impl World {
    fn new() -> Self {
        let mut world = Self { state: State::default(), revision: 0, ids: 100 };
        let origin = ClusterOrigin { cluster: ClusterId::MIN, formed_at: WallTime(0), bootstrap: None };
        world.apply_as(Actor::System, command::FormCluster { origin, nodes: Vec::new() }.into());
        let session_unattended = Some(Millis::from_secs(3_600));
        let patch = SettingsPatch { session_unattended, ..SettingsPatch::default() };
        world.apply_as(Actor::System, command::UpdateSettings { patch }.into());
        let key = NewApiKey {
            id: KEY,
            prefix: KeyPrefix(1),
            hash: "hash".into(),
            label: Label::parse("key").unwrap(),
            expires_at: None,
            project: None,
            readonly: false,
        };
        let register = command::RegisterEngineer {
            id: ENGINEER,
            name: Name::parse("ana").unwrap(),
            email: Email::parse("ana@example.com").unwrap(),
            key,
            salt: None,
            bootstrap: None,
        }
        .into();
        world.apply_as(Actor::Anonymous, register);
        let create = command::CreateProject {
            id: PROJECT,
            name: Name::parse("nexus").unwrap(),
            slug: Slug::parse("nexus").unwrap(),
            repo_url: None,
            repo_path: None,
            default_branch: Label::parse("main").unwrap(),
        }
        .into();
        world.apply(create, Acting::Engineer { candidate: SessionId::MAX });
        world
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn start(&mut self, agent: &str) -> SessionId {
        let agent = AgentName::parse(agent).unwrap();
        let id = SessionId(self.id());
        let metadata = nexus_domain::entity::SessionMetadata::default();
        let start = command::StartSession {
            project: PROJECT,
            id,
            agent: Some(agent.clone()),
            feature: None,
            metadata,
        }
        .into();
        self.apply(start, Acting::Engineer { candidate: SessionId::MAX });
        self.state.session_of(PROJECT, ENGINEER, Some(&agent)).unwrap().id
    }

    fn apply(&mut self, command: Command, acting: Acting) {
        let actor = Actor::Engineer { id: ENGINEER, key: KEY };
        let taken = self.propose(command, actor, acting);
        assert!(taken.1, "a bench that measures refusals unasked measures nothing");
    }

    fn apply_as(&mut self, actor: Actor, command: Command) {
        self.propose(command, actor, Acting::Engineer { candidate: SessionId::MAX });
    }

    fn propose(&mut self, command: Command, actor: Actor, acting: Acting) -> (Duration, bool) {
        self.revision += 1;
        let stamp = Stamp { cluster: ClusterTime(self.revision), wall: WallTime(0) };
        let proposal = Proposal { command, actor, acting, request: None, stamp };
        // Readers hold the old version, so that nothing may be changed in place.
        let _reader = self.state.clone();
        let started = Instant::now();
        let applied = apply(&mut self.state, Revision(self.revision), &proposal);
        (started.elapsed(), applied.answer.outcome.is_ok())
    }

    /// Lets sessions claim as much as one command can, several times, and ends them.
    fn measure_ends(&mut self) {
        for commands in [1, 2, 10] {
            let session = self.start(&format!("ends-{commands}"));
            let (actor, acting) = (Actor::Engineer { id: ENGINEER, key: KEY }, Acting::Session(session));
            for part in 0..commands {
                let paths = (0..10_000).map(|n| pattern(&path(n, &format!("end-{part}")))).collect();
                let claim = command::ClaimPaths {
                    project: PROJECT,
                    paths,
                    mode: ClaimMode::Exclusive,
                    feature: None,
                }
                .into();
                let (took, taken) = self.propose(claim, actor, acting);
                println!("10,000 files: taken {taken} in {took:?}");
            }
            let (took, _) =
                self.propose(command::EndSession { project: PROJECT, session }.into(), actor, acting);
            println!("the end of a session of {commands} times 10,000 files: {took:?}");
        }
    }

    /// Picks a feature of these paths and releases it, again and again.
    fn measure(&mut self, name: &str, paths: &[String]) {
        let touches: Arc<[Pattern]> = paths.iter().map(|path| pattern(path)).collect();
        let id = self.id();
        let slug = Slug::parse(&format!("f-{}", id.as_u128())).unwrap();
        let feature = Box::new(NewFeature {
            id: FeatureId(id),
            slug: slug.clone(),
            title: Title::parse("feature").unwrap(),
            spec: "spec".into(),
            lane: Lane::Now,
            priority: None,
            touches,
            reads: [].into(),
            depends_on: [].into(),
        });
        let own = Acting::Engineer { candidate: SessionId(self.id()) };
        self.apply(command::CreateFeature { project: PROJECT, feature }.into(), own);
        self.apply(command::ReadyFeature { project: PROJECT, slug: slug.clone() }.into(), own);
        let actor = Actor::Engineer { id: ENGINEER, key: KEY };
        let mut times = Vec::new();
        let mut is_taken = false;
        let begun = Instant::now();
        // A few rounds are enough for slow ones.
        while times.len() < ROUNDS && (times.len() < 5 || begun.elapsed() < Duration::from_secs(10)) {
            let (took, taken) = self.propose(
                command::PickFeature { project: PROJECT, slug: slug.clone() }.into(),
                actor,
                own,
            );
            times.push(took);
            is_taken = taken;
            if taken {
                self.apply(command::ReleaseFeature { project: PROJECT, slug: slug.clone() }.into(), own);
            }
        }
        times.sort_unstable();
        let outcome = if is_taken { "picked" } else { "refused" };
        let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        println!("{name}: {outcome}, p50 {p50:?}, p99 {p99:?}");
    }
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

/// Neighbours share a folder.
fn path(n: usize, kind: &str) -> String {
    format!("crates/part-{}/src/module_{}/{kind}_{n}.rs", n / 10_000, n / 100)
}
