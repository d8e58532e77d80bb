//! Random histories: every command about a project that a client may send.

use nexus_domain::{
    Command, EngineerId, FeatureId, ProjectId,
    command::{self, FeaturePatch, NewFeature},
    document::CheckpointKind,
    entity::{ClaimMode, Lane, MemberRole},
    ids::LearningId,
    pattern::{Case, Pattern},
    short_text::{Label, Slug, Title},
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};
use std::sync::Arc;
use uuid::Uuid;

pub(crate) const PROJECT: ProjectId = ProjectId(Uuid::from_u128(1));
pub(crate) const ENGINEERS: u128 = 3;
pub(crate) const SLUGS: [&str; 4] = ["a", "b", "c", "d"];
pub(crate) const AGENTS: [Option<&str>; 3] = [None, Some("build"), Some("review")];
pub(crate) const PATHS: [&str; 11] = [
    "x.rs",
    "y.rs",
    "src/",
    "src/db.rs",
    "src/api/",
    "src/*.rs",
    "**/*.md",
    "{x,z}.rs",
    "X.rs",
    "SRC/db.rs",
    "[A-Y].RS",
];

pub(crate) fn engineer(n: u128) -> EngineerId {
    EngineerId(Uuid::from_u128(100 + n))
}

/// The command of an entry, with names that are looked up when it is applied.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Plain(Box<Command>),
    Claim(Arc<[Pattern]>, ClaimMode, Option<&'static str>),
    Start(Option<&'static str>, Option<&'static str>),
    End(u128, Option<&'static str>),
    Heartbeats(Vec<(u128, Option<&'static str>)>, Vec<(u128, Option<&'static str>)>),
    /// A decision about a feature, which may supersede an earlier one.
    Decide(Option<Slug>, bool),
    /// A reset of the cluster's history.
    Reset,
    /// Whether the newest node is a replica.
    Replica(bool),
    /// A checkpoint: its session, feature, kind and context.
    Checkpoint((u128, Option<&'static str>), &'static str, CheckpointKind, &'static str),
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) ask: Ask,
    pub(crate) engineer: u128,
    /// The agent whose session acts; `None` means the engineer acts.
    pub(crate) agent: Option<Option<&'static str>>,
    /// The idempotency key, or the slot of a node.
    pub(crate) key: Option<(u8, bool)>,
    /// The change of the leader's clock since the last entry, which may be negative.
    pub(crate) elapsed: i64,
}

pub(crate) fn entries() -> impl Strategy<Value = Entry> {
    let key = (0..6_u8, any::<bool>());
    let elapsed = prop_oneof![6 => 0..20_i64, 2 => 50..150_i64, 1 => 300..2_000_i64, 1 => -500..0_i64];
    (
        asks(),
        0..ENGINEERS,
        proptest::option::of(select(AGENTS.to_vec())),
        proptest::option::weighted(0.3, key),
        elapsed,
    )
        .prop_map(|(ask, engineer, agent, key, elapsed)| Entry { ask, engineer, agent, key, elapsed })
}

pub(crate) fn asks() -> impl Strategy<Value = Ask> {
    let plain = |command| Ask::Plain(Box::new(command));
    let who = || (0..ENGINEERS, select(AGENTS.to_vec()));
    let project = PROJECT;
    prop_oneof![
        3 => (slugs(), paths(), paths(), needs(), lanes()).prop_map(move |(slug, touches, reads, depends_on, lane)| {
            let title = Title::parse("title").unwrap();
            let feature = NewFeature { id: FeatureId::MIN, slug, title, spec: "spec".into(), lane, priority: None, touches, reads, depends_on };
            plain(command::CreateFeature { project, feature: Box::new(feature) }.into())
        }),
        3 => (slugs(), proptest::option::of(paths()), proptest::option::of(paths()), proptest::option::of(needs()), proptest::option::of(lanes()))
            .prop_map(move |(slug, touches, reads, depends_on, lane)| {
                let patch = FeaturePatch { touches, reads, depends_on, lane, ..FeaturePatch::default() };
                plain(command::UpdateFeature { project, slug, patch: Box::new(patch) }.into())
            }),
        2 => (slugs(), any::<bool>())
            .prop_map(move |(slug, is_finished)| plain(command::DeleteFeature { project, slug, is_finished }.into())),
        4 => slugs().prop_map(move |slug| plain(command::ReadyFeature { project, slug }.into())),
        1 => slugs().prop_map(move |slug| plain(command::DraftFeature { project, slug }.into())),
        6 => slugs().prop_map(move |slug| plain(command::PickFeature { project, slug }.into())),
        2 => vec(lanes(), 0..2).prop_map(move |lanes| plain(command::PickNext { project, lanes }.into())),
        2 => slugs().prop_map(move |slug| plain(command::ReleaseFeature { project, slug }.into())),
        1 => slugs().prop_map(move |slug| plain(command::CompleteFeature { project, slug }.into())),
        1 => slugs().prop_map(move |slug| plain(command::CancelFeature { project, slug }.into())),
        5 => (paths(), modes(), proptest::option::of(select(SLUGS.to_vec()))).prop_map(|(paths, mode, slug)| Ask::Claim(paths, mode, slug)),
        2 => proptest::option::of(paths()).prop_map(move |paths| plain(command::ReleasePaths { project, paths }.into())),
        1 => Just(plain(command::RefreshClaims { project }.into())),
        1 => paths().prop_map(move |paths| plain(command::ForceRelease { project, paths, reason: Label::parse("why").unwrap() }.into())),
        3 => (select(AGENTS.to_vec()), proptest::option::of(select(SLUGS.to_vec()))).prop_map(|(agent, slug)| Ask::Start(agent, slug)),
        1 => who().prop_map(|(engineer, agent)| Ask::End(engineer, agent)),
        3 => (vec(who(), 0..3), vec(who(), 0..3)).prop_map(|(heartbeats, keep_alives)| Ask::Heartbeats(heartbeats, keep_alives)),
        2 => Just(plain(command::Tick.into())),
        1 => Just(Ask::Reset),
        1 => any::<bool>().prop_map(Ask::Replica),
        1 => (0..ENGINEERS, select(vec![MemberRole::Lead, MemberRole::Member]))
            .prop_map(move |(n, role)| plain(command::AddMember { project, engineer: engineer(n), role }.into())),
        1 => (0..ENGINEERS).prop_map(move |n| plain(command::RemoveMember { project, engineer: engineer(n) }.into())),
        1 => select(vec![Case::Sensitive, Case::Insensitive])
            .prop_map(move |case| plain(command::UpdateProject { project, case }.into())),
        1 => slugs().prop_map(move |slug| plain(command::AddLearning { project, slug, id: LearningId::MIN, content: "text".into() }.into())),
        2 => (proptest::option::of(slugs()), any::<bool>()).prop_map(|(about, instead)| Ask::Decide(about, instead)),
        4 => (who(), select(SLUGS.to_vec()), kinds(), select(vec!["{}", "{\"step\":1}"]))
            .prop_map(|(whose, slug, kind, context)| Ask::Checkpoint(whose, slug, kind, context)),
        2 => btree_map(lanes(), vec(slugs(), 0..3), 0..3)
            .prop_map(move |lanes| plain(command::ReorderRoadmap { project, lanes: lanes.into_iter().collect() }.into())),
        2 => (slugs(), lanes(), proptest::option::of(0..5_u32))
            .prop_map(move |(slug, lane, priority)| plain(command::MoveFeature { project, slug, lane, priority }.into())),
    ]
}

pub(crate) fn slugs() -> impl Strategy<Value = Slug> {
    select(SLUGS.to_vec()).prop_map(|slug| Slug::parse(slug).unwrap())
}

pub(crate) fn needs() -> impl Strategy<Value = Arc<[Slug]>> {
    prop_oneof![3 => Just([].into()), 1 => vec(slugs(), 1..3).prop_map(Into::into)]
}

pub(crate) fn paths() -> impl Strategy<Value = Arc<[Pattern]>> {
    vec(select(PATHS.to_vec()), 0..3)
        .prop_map(|paths| paths.into_iter().map(|path| Pattern::parse(path).unwrap()).collect())
}

pub(crate) fn lanes() -> impl Strategy<Value = Lane> {
    select(Lane::ALL.to_vec())
}

pub(crate) fn modes() -> impl Strategy<Value = ClaimMode> {
    select(vec![ClaimMode::Exclusive, ClaimMode::Shared])
}

pub(crate) fn kinds() -> impl Strategy<Value = CheckpointKind> {
    use CheckpointKind::{AutoPeriodic, CrashRecovery, Manual};
    prop_oneof![4 => Just(AutoPeriodic), 1 => Just(Manual), 1 => Just(CrashRecovery)]
}
