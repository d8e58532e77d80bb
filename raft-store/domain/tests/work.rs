//! The cost of the most expensive requests, counted in steps and never in time.
#![allow(clippy::unwrap_used)]

use nexus_domain::{
    Acting, Actor, Applied, ClusterId, ClusterTime, Command, EngineerId, FeatureId, ProjectId, Proposal,
    Refusal, Revision, SessionId, Stamp, State, WallTime, WorkBudget, apply,
    command::{self, FeaturePatch, NewApiKey, NewFeature},
    decide::{blocker, overlapping_claims},
    entity::{ClaimMode, ClusterOrigin, KeyPrefix, Lane, SessionMetadata},
    ids::KeyId,
    pattern::{Case, Pattern},
    refusal::Blocker,
    short_text::{AgentName, Email, Label, Name, Slug, Title},
    usage::Owner,
};
use std::sync::Arc;
use uuid::Uuid;

const PROJECT: ProjectId = ProjectId(Uuid::from_u128(1));
const ENGINEER: EngineerId = EngineerId(Uuid::from_u128(2));
const KEY: KeyId = KeyId(Uuid::from_u128(3));

/// A project with one engineer, who has any number of agents.
struct World {
    state: State,
    revision: u64,
    ids: u128,
}

impl World {
    fn new() -> Self {
        let mut world = Self { state: State::default(), revision: 0, ids: 100 };
        let origin = ClusterOrigin { cluster: ClusterId::MIN, formed_at: WallTime(0), bootstrap: None };
        world.propose(
            Actor::System,
            Acting::Session(SessionId::MIN),
            command::FormCluster { origin, nodes: Vec::new() }.into(),
        );
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
        world.propose(Actor::Anonymous, Acting::Session(SessionId::MIN), register);
        let create = command::CreateProject {
            id: PROJECT,
            name: Name::parse("nexus").unwrap(),
            slug: Slug::parse("nexus").unwrap(),
            repo_url: None,
            repo_path: None,
            default_branch: Label::parse("main").unwrap(),
        }
        .into();
        world.ask(None, create).answer.outcome.unwrap();
        world
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn propose(&mut self, actor: Actor, acting: Acting, command: Command) -> Applied {
        self.revision += 1;
        let stamp = Stamp { cluster: ClusterTime(self.revision), wall: WallTime(0) };
        let proposal = Proposal { command, actor, acting, request: None, stamp };
        apply(&mut self.state, Revision(self.revision), &proposal)
    }

    /// Proposes a command as a session, or as the engineer.
    fn ask(&mut self, session: Option<SessionId>, command: Command) -> Applied {
        let candidate = SessionId(self.id());
        let acting = session.map_or(Acting::Engineer { candidate }, Acting::Session);
        self.propose(Actor::Engineer { id: ENGINEER, key: KEY }, acting, command)
    }

    fn agent(&mut self, name: &str) -> SessionId {
        let id = SessionId(self.id());
        let agent = Some(AgentName::parse(name).unwrap());
        let metadata = SessionMetadata::default();
        let start = command::StartSession { project: PROJECT, id, agent, feature: None, metadata }.into();
        self.ask(None, start).answer.outcome.unwrap();
        id
    }

    fn claim(&mut self, session: SessionId, paths: &[String], mode: ClaimMode) -> Applied {
        let paths = paths.iter().map(|path| pattern(path)).collect();
        self.ask(Some(session), command::ClaimPaths { project: PROJECT, paths, mode, feature: None }.into())
    }

    fn feature(&mut self, slug: &str, touches: &[String], depends_on: &[String]) -> Applied {
        let feature = Box::new(NewFeature {
            id: FeatureId(self.id()),
            slug: Slug::parse(slug).unwrap(),
            title: Title::parse("feature").unwrap(),
            spec: "spec".into(),
            lane: Lane::Now,
            priority: None,
            touches: touches.iter().map(|path| pattern(path)).collect(),
            reads: [].into(),
            depends_on: slugs(depends_on),
        });
        self.ask(None, command::CreateFeature { project: PROJECT, feature }.into())
    }

    fn depend(&mut self, slug: &str, depends_on: &[String]) -> Applied {
        let patch = Box::new(FeaturePatch { depends_on: Some(slugs(depends_on)), ..FeaturePatch::default() });
        self.ask(
            None,
            command::UpdateFeature { project: PROJECT, slug: Slug::parse(slug).unwrap(), patch }.into(),
        )
    }

    fn ready(&mut self, slug: &str) {
        let slug = Slug::parse(slug).unwrap();
        self.ask(None, command::ReadyFeature { project: PROJECT, slug }.into()).answer.outcome.unwrap();
    }
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn slugs(names: &[String]) -> Arc<[Slug]> {
    names.iter().map(|name| Slug::parse(name).unwrap()).collect()
}

/// The most expensive accepted pattern of a kind: `part` as often as possible, and then an end.
fn most_expensive(part: &str, end: &str) -> String {
    let texts = (1..200).rev().map(|count| part.repeat(count) + end);
    texts.into_iter().find(|text| Pattern::parse(text).is_ok()).unwrap()
}

const PARTS: [&str; 6] = ["*a", "*?a", "{,a}", "{,a*}", "**a", "{*a,*c}"];

/// Patterns whose end takes long to distinguish from another end.
fn expensive(count: usize, end: char) -> Vec<String> {
    let parts = PARTS.map(|part| most_expensive(part, &format!("bbbbbbbbbbbbbbbbb[{end}]")));
    let shorter = |n: usize| parts[n % parts.len()].replacen('b', "", n / parts.len());
    (0..count).map(shorter).collect()
}

/// Patterns that differ in their last characters, but not from those of [`expensive`].
fn held(count: usize) -> Vec<String> {
    let parts = PARTS.map(|part| most_expensive(part, "[x]000"));
    (0..count)
        .map(|n| format!("{}{n:03}", &parts[n % parts.len()][..parts[n % parts.len()].len() - 3]))
        .collect()
}

fn is_too_much(refused: &Refusal) -> bool {
    matches!(refused, Refusal::TooMuchWork { .. })
        && refused.to_string().contains("name folders or files instead")
}

#[test]
fn a_hundred_expensive_patterns_against_hundreds_of_held_ones_are_refused_within_the_budget_of_an_entry() {
    let mut world = World::new();
    let (holder, other) = (world.agent("holder"), world.agent("other"));
    for some in held(300).chunks(100) {
        world.claim(holder, some, ClaimMode::Shared).answer.outcome.unwrap();
    }
    let refused = world.claim(other, &expensive(100, 'y'), ClaimMode::Exclusive).answer.outcome.unwrap_err();
    assert!(is_too_much(&refused), "{refused}");

    world.feature("expensive", &expensive(100, 'y'), &[]).answer.outcome.unwrap();
    world.ready("expensive");
    let pick = command::PickFeature { project: PROJECT, slug: Slug::parse("expensive").unwrap() }.into();
    let refused = world.ask(Some(other), pick).answer.outcome.unwrap_err();
    assert!(is_too_much(&refused), "{refused}");
    let next = command::PickNext { project: PROJECT, lanes: Vec::new() }.into();
    // The first collision is enough, also an assumed one.
    let refused = world.ask(Some(other), next).answer.outcome.unwrap_err();
    assert!(matches!(refused, Refusal::TooMuchWork { .. } | Refusal::NothingAvailable { .. }), "{refused}");

    // Claims on files collide with none of them.
    let files: Vec<String> = (0..100).map(|n| format!("src/module_{n}/some_file.rs")).collect();
    world.claim(other, &files, ClaimMode::Exclusive).answer.outcome.unwrap();
}

#[test]
fn an_expensive_query_has_a_budget_too() {
    let mut world = World::new();
    let holder = world.agent("holder");
    world.claim(holder, &held(100), ClaimMode::Shared).answer.outcome.unwrap();
    let wanted: Vec<Pattern> = expensive(100, 'y').iter().map(|path| pattern(path)).collect();
    let mut work = WorkBudget::of_a_short_read();
    let refused = overlapping_claims(&world.state, PROJECT, &wanted, 1_000, &mut work).unwrap_err();
    assert!(is_too_much(&refused) && work.is_exhausted(), "{refused}");

    world.feature("expensive", &expensive(100, 'y'), &[]).answer.outcome.unwrap();
    let feature = world.state.feature_by_slug(PROJECT, &Slug::parse("expensive").unwrap()).unwrap().clone();
    match blocker(&world.state, &feature, None, &mut WorkBudget::of_a_short_read()) {
        Err(refused) => assert!(is_too_much(&refused), "{refused}"),
        Ok(Some(Blocker::Claim(conflict))) => assert!(conflict.is_assumed, "{conflict:?}"),
        Ok(other) => panic!("{other:?}"),
    }
}

#[test]
fn an_everyday_team_never_comes_near_the_budget() {
    let mut world = World::new();
    for agent in 0..50 {
        let session = world.agent(&format!("agent-{agent}"));
        let mut paths: Vec<String> =
            (0..200).map(|n| format!("crates/part-{agent}/src/module_{n}.rs")).collect();
        paths.extend([format!("**/made_by_{agent}_*.rs"), format!("docs/**/part{agent}_*.{{md,txt}}")]);
        let applied = world.claim(session, &paths, ClaimMode::Exclusive);
        applied.answer.outcome.unwrap();
        assert!(applied.work < 1_000_000, "{} steps", applied.work);
    }
}

#[test]
fn a_walk_over_a_wide_web_of_dependencies_is_refused_with_a_remedy() {
    /// Each feature of a layer depends on all of the next one: 100 edges each.
    const LAYERS: usize = 13;
    let mut world = World::new();
    let layer = |n: usize| -> Vec<String> { (0..100).map(|at| format!("f-{n}-{at}")).collect() };
    for slug in (0..LAYERS).flat_map(layer) {
        world.feature(&slug, &[], &[]).answer.outcome.unwrap();
    }
    // The layers are linked from the top: those beneath have no dependencies yet, so that nothing has to be walked.
    for n in 0..LAYERS - 1 {
        for slug in layer(n) {
            world.depend(&slug, &layer(n + 1)).answer.outcome.unwrap();
        }
    }
    let refused = world.feature("last", &[], &["f-0-0".to_owned()]).answer.outcome.unwrap_err();
    assert!(matches!(refused, Refusal::TooMuchWork { .. }), "{refused}");
    assert!(refused.to_string().contains("depend on the last of them alone"), "{refused}");
    world.feature("last", &[], &[format!("f-{}-0", LAYERS - 2)]).answer.outcome.unwrap();
}

#[test]
fn a_release_costs_as_much_as_there_are_claims() {
    let mut world = World::new();
    let session = world.agent("worker");
    let paths: Vec<String> = (0..5_000).map(|n| format!("src/file_{n}.rs")).collect();
    world.feature("many", &paths, &[]).answer.outcome.unwrap();
    world.ready("many");
    let pick = command::PickFeature { project: PROJECT, slug: Slug::parse("many").unwrap() }.into();
    world.ask(Some(session), pick).answer.outcome.unwrap();
    let release = world.ask(Some(session), command::ReleasePaths { project: PROJECT, paths: None }.into());
    release.answer.outcome.unwrap();
    assert!(release.work < 5_000 * 500, "{} steps", release.work);
    // Claims made meanwhile are released with events, too: ten times as much work.
    world.claim(
        session,
        &(0..1_000).map(|n| format!("lib/{n}.rs")).collect::<Vec<_>>(),
        ClaimMode::Exclusive,
    );
    let more = world.ask(Some(session), command::ReleasePaths { project: PROJECT, paths: None }.into());
    more.answer.outcome.unwrap();
    assert!(more.work - release.work > 1_000 * 2_000, "{} steps", more.work);

    // A lead can release single paths, however much the project holds.
    let paths = [pattern("src/file_7.rs")].into();
    let force =
        command::ForceRelease { project: PROJECT, paths, reason: Label::parse("stuck").unwrap() }.into();
    let forced = world.ask(None, force);
    forced.answer.outcome.unwrap();
    assert!(forced.work < 5_000, "{} steps", forced.work);
}

#[test]
fn a_lane_of_features_with_very_many_paths_is_not_written_anew_in_one_entry() {
    let mut world = World::new();
    let paths: Vec<String> =
        (0..9_000).map(|n| format!("src/with/a/long/way/to/go/file_number_{n}.rs")).collect();
    for n in 0..100 {
        world.feature(&format!("f-{n}"), &paths, &[]).answer.outcome.unwrap();
    }
    let reorder = |slugs: &[&str]| {
        command::ReorderRoadmap {
            project: PROJECT,
            lanes: vec![(Lane::Now, slugs.iter().map(|slug| Slug::parse(slug).unwrap()).collect())],
        }
        .into()
    };
    let refused = world.ask(None, reorder(&["f-99"])).answer.outcome.unwrap_err();
    assert!(matches!(refused, Refusal::TooMuchWork { .. }), "{refused}");
    world.ask(None, reorder(&["f-1", "f-0"])).answer.outcome.unwrap();
}

#[test]
fn a_session_works_on_a_bounded_number_of_features() {
    let mut world = World::new();
    let session = world.agent("greedy");
    let pick = |world: &mut World, n: usize| {
        let slug = format!("f-{n}");
        world.feature(&slug, &[], &[]).answer.outcome.unwrap();
        world.ready(&slug);
        let slug = Slug::parse(&slug).unwrap();
        world.ask(Some(session), command::PickFeature { project: PROJECT, slug }.into()).answer.outcome
    };
    for n in 0..1_000 {
        pick(&mut world, n).unwrap();
    }
    let refused = pick(&mut world, 1_000).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "features that one session works on (finish or release some): at most 1000 are allowed"
    );
}

/// Names of nothing but brackets, each with the largest automaton that there is.
fn bracketed(count: usize, letter: char) -> Vec<String> {
    (0..count).map(|n| format!("{letter}{n:04}/{}", format!("[{letter}]").repeat(330))).collect()
}

#[test]
fn brackets_are_no_wildcards_but_their_cost_is_counted_and_bounded() {
    let mut world = World::new();
    let session = world.agent("greedy");
    let refused =
        world.claim(session, &bracketed(1_000, 'a'), ClaimMode::Exclusive).answer.outcome.unwrap_err();
    assert!(refused.to_string().contains("brackets and wildcards"), "{refused}");
    let before = world.state.usage(Owner::Cluster).memory;
    let paths = bracketed(100, 'a');
    let automata: u64 = paths.iter().map(|path| pattern(path).automaton_bytes()).sum();
    assert!(automata > 100 * 20_000, "{automata} bytes");
    world.claim(session, &paths, ClaimMode::Exclusive).answer.outcome.unwrap();
    let used = world.state.usage(Owner::Cluster).memory - before;
    assert!(used > 2 * automata, "{used} of {automata} bytes are counted");
    world.feature("greedy", &paths, &[]).answer.outcome.unwrap();
    assert!(world.state.usage(Owner::Cluster).memory - before - used > automata);

    // Frameworks give their files such names.
    let everyday: Vec<String> = (0..10_000).map(|n| format!("app/[locale]/shop/[id]/{n}/page.tsx")).collect();
    world.feature("pages", &everyday, &[]).answer.outcome.unwrap();
}

#[test]
fn claims_are_not_compiled_again_for_each_query_where_case_is_ignored() {
    let mut world = World::new();
    let update = command::UpdateProject { project: PROJECT, case: Case::Insensitive }.into();
    world.ask(None, update).answer.outcome.unwrap();
    let session = world.agent("greedy");
    for (letter, count) in [('A', 100), ('B', 100), ('C', 100)] {
        let claimed = world.claim(session, &bracketed(count, letter), ClaimMode::Exclusive);
        claimed.answer.outcome.unwrap();
        assert!(claimed.work > count * 900 * 100, "compiling them is {} steps", claimed.work);
    }
    let paths = Some([pattern("nothing.rs")].into());
    let release = world.ask(Some(session), command::ReleasePaths { project: PROJECT, paths }.into());
    release.answer.outcome.unwrap();
    assert!(release.work < 100_000, "{} steps", release.work);
    let back = command::UpdateProject { project: PROJECT, case: Case::Sensitive }.into();
    world.ask(None, back).answer.outcome.unwrap();
    // It would compile each claim again, and more than once.
    let again = command::UpdateProject { project: PROJECT, case: Case::Insensitive }.into();
    let refused = world.ask(None, again).answer.outcome.unwrap_err();
    assert!(matches!(refused, Refusal::TooMuchWork { .. }), "{refused}");
}

#[test]
fn the_claims_for_one_feature_are_bounded_since_they_are_released_at_once() {
    let mut world = World::new();
    let session = world.agent("greedy");
    world.feature("own", &["own.rs".to_owned()], &[]).answer.outcome.unwrap();
    world.ready("own");
    let slug = Slug::parse("own").unwrap();
    let pick = command::PickFeature { project: PROJECT, slug: slug.clone() }.into();
    world.ask(Some(session), pick).answer.outcome.unwrap();
    let feature = world.state.feature_by_slug(PROJECT, &slug).unwrap().id;
    let claim = |from: usize, to: usize| {
        command::ClaimPaths {
            project: PROJECT,
            paths: (from..to).map(|n| pattern(&format!("src/{n}.rs"))).collect(),
            mode: ClaimMode::Exclusive,
            feature: Some(feature),
        }
        .into()
    };
    world.ask(Some(session), claim(0, 9_999)).answer.outcome.unwrap();
    let refused = world.ask(Some(session), claim(9_999, 10_000)).answer.outcome.unwrap_err();
    assert_eq!(refused.to_string(), "claims of one feature: at most 10000 are allowed");
    // Paths that are held already do not count again.
    world.ask(Some(session), claim(0, 5_000)).answer.outcome.unwrap();
}

#[test]
fn a_session_with_many_large_features_ends_in_parts() {
    let mut world = World::new();
    let session = world.agent("greedy");
    let long = "x".repeat(900);
    for n in 0..20 {
        let slug = format!("f-{n}");
        let paths: Vec<String> = (0..200).map(|at| format!("{slug}/{at}{long}.rs")).collect();
        world.feature(&slug, &paths, &[]).answer.outcome.unwrap();
        world.ready(&slug);
        let pick = command::PickFeature { project: PROJECT, slug: Slug::parse(&slug).unwrap() }.into();
        world.ask(Some(session), pick).answer.outcome.unwrap();
        // A lead releases the files: only the features are left.
        let paths: Arc<[Pattern]> = paths.iter().map(|path| pattern(path)).collect();
        let reason = Label::parse("stuck").unwrap();
        let force = command::ForceRelease { project: PROJECT, paths, reason }.into();
        world.ask(None, force).answer.outcome.unwrap();
    }
    let written = |applied: &Applied| applied.documents.iter().filter(|(_, text)| text.is_some()).count();
    let end = world.ask(Some(session), command::EndSession { project: PROJECT, session }.into());
    end.answer.outcome.as_ref().unwrap();
    let (mut checkpoints, mut entries) = (written(&end), 1);
    while world.state.session(session).is_some() {
        // It still holds the rest, and can do nothing with it.
        let refused = world.claim(session, &["more.rs".to_owned()], ClaimMode::Exclusive).answer.outcome;
        assert!(refused.is_err() || world.state.session(session).is_none());
        let part = world.propose(Actor::System, Acting::Session(SessionId::MIN), command::Tick.into());
        assert!(written(&part) <= 4, "{} checkpoints in one entry", written(&part));
        checkpoints += written(&part);
        entries += 1;
        assert!(entries < 20);
    }
    assert!(entries > 2, "{entries} entries");
    assert!((0..20).all(|n| {
        let feature = world.state.feature_by_slug(PROJECT, &Slug::parse(&format!("f-{n}")).unwrap()).unwrap();
        world.state.latest_checkpoint(PROJECT, feature.id).is_some()
    }));
    assert!(checkpoints <= 20);
}

#[test]
fn an_ending_session_claims_and_completes_nothing() {
    let mut world = World::new();
    let session = world.agent("leaving");
    let paths: Vec<String> = (0..9_000).map(|n| format!("src/{n}.rs")).collect();
    world.feature("large", &paths, &[]).answer.outcome.unwrap();
    world.ready("large");
    let slug = Slug::parse("large").unwrap();
    let pick = command::PickFeature { project: PROJECT, slug: slug.clone() }.into();
    world.ask(Some(session), pick).answer.outcome.unwrap();
    world
        .ask(Some(session), command::EndSession { project: PROJECT, session }.into())
        .answer
        .outcome
        .unwrap();
    let more: Vec<String> = paths.iter().cloned().chain(["more.rs".to_owned()]).collect();
    let touches = Some(more.iter().map(|path| pattern(path)).collect());
    let patch = Box::new(FeaturePatch { touches, ..FeaturePatch::default() });
    let grow = command::UpdateFeature { project: PROJECT, slug: slug.clone(), patch }.into();
    let complete = command::CompleteFeature { project: PROJECT, slug: slug.clone() }.into();
    for command in [grow, complete] {
        let refused = world.ask(None, command).answer.outcome.unwrap_err();
        assert!(refused.to_string().contains("still ending"), "{refused}");
    }
    for _ in 0..4 {
        world.propose(Actor::System, Acting::Session(SessionId::MIN), command::Tick.into());
    }
    assert!(world.state.session(session).is_none());
    assert_eq!(world.state.claim_count(), 0);
}
