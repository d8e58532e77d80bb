//! The commands of a story: what each verb means.

use super::{
    by_name,
    line::{Line, digest, lane, millis, parts, patterns, span},
    world::World,
};
use nexus_domain::{
    ClusterId, Command, FeatureId, InstanceId, NodeId, ProjectId, Refusal, Reply, SessionId,
    command::{self, FeaturePatch, NewApiKey, NewCheckpoint, NewDecision, NewFeature},
    document::CheckpointKind,
    entity::{ClaimMode, ClusterOrigin, KeyPrefix, Lane, MemberRole, NodeRecord, Role, SessionMetadata},
    ids::{CheckpointId, DecisionId, EngineerId, JoinTokenId, KeyId, LearningId},
    pattern::Case,
    reply_cache::{KeyedRequest, ReplyKey, ReplySlot, Request, SequenceId},
    settings::{Registration, SettingsPatch},
    short_text::{AgentName, Email, IdempotencyKey, Label, Name, Slug, Title},
    time::WallTime,
};
use uuid::Uuid;

/// The usual beginning: a cluster, its first admin, some engineers, and a project of the first of them.
pub(crate) fn team(line: &Line) -> Vec<String> {
    let mut entries = vec!["cluster form bootstrap=first".to_owned()];
    entries.push("anybody register root bootstrap=first".to_owned());
    let names: Vec<&String> = std::iter::once(&line.verb).chain(&line.words).collect();
    entries.extend(names.iter().map(|name| format!("anybody register {name}")));
    let lead = names[0];
    entries.push(format!("{lead} project nexus"));
    entries.extend(names[1..].iter().map(|name| format!("{lead} add-member {name}")));
    entries
}

/// A feature that is ready: `given` its author, its slug and its options.
pub(crate) fn given(line: &Line) -> Vec<String> {
    let (author, slug) = (&line.verb, line.word());
    let options: String = line.options.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    vec![format!("{author} feature {slug}{options}"), format!("{author} ready {slug}")]
}

pub(crate) fn request(world: &World, line: &Line) -> Option<Request> {
    // `slot=2/0/17` is slot 0 of node 2 with sequence 17; `start=1` stands for another start of the node than 0.
    if let Some(slot) = line.option("slot") {
        let [node, number, sequence] = slot.split('/').collect::<Vec<_>>()[..] else { panic!("{slot}") };
        let slot = ReplySlot { node: NodeId(node.parse().unwrap()), number: number.parse().unwrap() };
        let start = line.option("start").map_or(0, |start| start.parse().unwrap());
        return Some(Request::Slotted {
            slot,
            id: SequenceId { sequence: sequence.parse().unwrap(), start },
        });
    }
    let key = line.option("key")?;
    let key = ReplyKey {
        engineer: world.engineers.get(&line.actor).copied(),
        key: IdempotencyKey::parse(key).unwrap(),
    };
    // The FNV-1a of the line stands for method, path and body. The API key is no part of it.
    let request: Vec<&str> = line.text.split(' ').filter(|word| !word.starts_with("with=")).collect();
    let fingerprint = request.join(" ").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Some(Request::Keyed(KeyedRequest { key, fingerprint }))
}

/// The command of a line.
pub(crate) fn command(world: &mut World, line: &Line) -> Command {
    let project = |world: &World| {
        let slug = Slug::parse(line.option("in").unwrap_or("nexus")).unwrap();
        world.state.project_by_slug(&slug).map_or(ProjectId::MAX, |project| project.id)
    };
    match line.verb.as_str() {
        "form" | "tick" | "heartbeat" | "keep-alive" | "admit" | "join-token" | "settings" | "ticket"
        | "redeem" | "operated" => of_cluster(world, line),
        "register" | "key" | "reset-key" | "revoke-key" | "role" | "project" | "case" | "add-member"
        | "remove-member" | "delete-engineer" => {
            let project = project(world);
            of_people(world, line, project)
        }
        _ => {
            let project = project(world);
            of_work(world, line, project)
        }
    }
}

fn of_cluster(world: &mut World, line: &Line) -> Command {
    let sessions = |world: &World| line.words.iter().map(|name| world.session(name)).collect();
    match line.verb.as_str() {
        "form" => command::FormCluster {
            origin: ClusterOrigin {
                cluster: ClusterId(Uuid::from_u128(7)),
                formed_at: WallTime(super::world::DAWN),
                bootstrap: line.option("bootstrap").map(digest),
            },
            nodes: vec![NodeRecord {
                id: NodeId(1),
                instance: InstanceId(Uuid::from_u128(0xd15c)),
                peer_addr: Label::parse("a").unwrap(),
                client_addr: Label::parse("a").unwrap(),
                replaces: None,
                admitted_at: WallTime(super::world::DAWN),
            }],
        }
        .into(),
        "tick" => command::Tick.into(),
        "heartbeat" => command::Heartbeats { heartbeats: sessions(world), keep_alives: Vec::new() }.into(),
        "keep-alive" => command::Heartbeats { heartbeats: Vec::new(), keep_alives: sessions(world) }.into(),
        "admit" => command::AdmitNode {
            instance: InstanceId(Uuid::from_u128(u128::from(line.option("disk").unwrap().as_bytes()[0]))),
            peer_addr: Label::parse(line.option("at").unwrap()).unwrap(),
            client_addr: Label::parse(line.option("at").unwrap()).unwrap(),
            token: line.option("token").map(digest),
            replaces: line.option("replaces").map(|id| NodeId(id.parse().unwrap())),
        }
        .into(),
        "join-token" => command::CreateJoinToken {
            id: JoinTokenId(world.id("join token")),
            digest: digest(line.word()),
            lifetime: span(line.option("for").unwrap()),
        }
        .into(),
        "ticket" => command::IssueTicket { digest: digest(line.word()) }.into(),
        "redeem" => command::RedeemTicket { digest: digest(line.word()) }.into(),
        "operated" => command::KeepAnswer {
            outcome: match line.option("leads") {
                Some(node) => Ok(Box::new(Reply::Leads(NodeId(node.parse().unwrap())))),
                None => Err(Box::new(Refusal::Cluster(line.words.join(" ")))),
            },
        }
        .into(),
        "settings" => command::UpdateSettings { patch: settings(line) }.into(),
        other => panic!("no verb {other}"),
    }
}

fn settings(line: &Line) -> SettingsPatch {
    let mut patch = SettingsPatch::default();
    for (name, value) in &line.options {
        match name.as_str() {
            "registration" => {
                patch.registration = Some(match value.as_str() {
                    "open" => Registration::Open,
                    "invite" => Registration::Invite,
                    _ => Registration::Closed,
                });
            }
            "session.timeout" => patch.session_timeout = Some(span(value)),
            "session.grace" => patch.session_grace = Some(span(value)),
            "session.unattended" => patch.session_unattended = Some(span(value)),
            "events.revisions" => patch.event_revisions = Some(value.parse().unwrap()),
            "replies.count" => patch.replies = Some(value.parse().unwrap()),
            "replies.age" => patch.reply_age = Some(span(value)),
            "events.age" => patch.event_age = Some(span(value)),
            "events.bytes" => patch.event_bytes = Some(value.parse().unwrap()),
            "quota.project.memory" => patch.quotas.project_memory = Some(value.parse().unwrap()),
            "quota.project.texts" => patch.quotas.project_texts = Some(value.parse().unwrap()),
            "quota.engineer.memory" => patch.quotas.engineer_memory = Some(value.parse().unwrap()),
            "quota.engineer.texts" => patch.quotas.engineer_texts = Some(value.parse().unwrap()),
            "quota.engineer.projects" => patch.quotas.engineer_projects = Some(value.parse().unwrap()),
            "quota.cluster.memory" => patch.quotas.cluster_memory = Some(value.parse().unwrap()),
            "quota.cluster.texts" => patch.quotas.cluster_texts = Some(value.parse().unwrap()),
            "with" | "as" | "key" | "slot" | "start" => {}
            other => panic!("no setting {other}"),
        }
    }
    patch
}

fn of_people(world: &mut World, line: &Line, project: ProjectId) -> Command {
    let engineer = |world: &World| world.engineers.get(line.word()).copied().unwrap_or(EngineerId::MAX);
    match line.verb.as_str() {
        "register" => {
            let name = line.word().to_owned();
            let id = EngineerId(world.id(&name));
            let key = api_key(world, line, &name, id, project);
            // A refused engineer gets a key that belongs to nobody.
            world.engineers.entry(name.clone()).or_insert(id);
            let email = line.option("email").map_or_else(|| format!("{name}@example.com"), str::to_owned);
            command::RegisterEngineer {
                id,
                name: Name::parse(&name).unwrap(),
                email: Email::parse(&email).unwrap(),
                key,
                salt: Some([7; 16]),
                bootstrap: line.option("bootstrap").map(digest),
            }
            .into()
        }
        "key" => {
            let owner = world.engineers[&line.actor];
            command::AddKey { key: api_key(world, line, line.word(), owner, project) }.into()
        }
        "reset-key" => {
            let engineer = engineer(world);
            let label = line.option("label").unwrap_or("reset");
            let key = api_key(world, line, label, engineer, project);
            command::ResetKey { engineer, key, keeps_others: line.has("keep") }.into()
        }
        "revoke-key" => command::RevokeKey { key: world.keys[line.word()].1 }.into(),
        "role" => command::ChangeRole {
            engineer: engineer(world),
            role: [Role::Admin, Role::Engineer, Role::Readonly]
                .into_iter()
                .find(|role| line.has(role.name()))
                .unwrap(),
        }
        .into(),
        "project" => command::CreateProject {
            id: ProjectId(world.id(line.word())),
            name: Name::parse(line.word()).unwrap(),
            slug: line.slug(),
            repo_url: None,
            repo_path: None,
            default_branch: Label::parse("main").unwrap(),
        }
        .into(),
        "add-member" => command::AddMember {
            project,
            engineer: engineer(world),
            role: if line.has("lead") { MemberRole::Lead } else { MemberRole::Member },
        }
        .into(),
        "case" => command::UpdateProject {
            project,
            case: [Case::Sensitive, Case::Insensitive]
                .into_iter()
                .find(|case| line.has(case.name()))
                .unwrap(),
        }
        .into(),
        "delete-engineer" => command::DeleteEngineer { engineer: engineer(world) }.into(),
        "remove-member" => command::RemoveMember { project, engineer: engineer(world) }.into(),
        other => panic!("no verb {other}"),
    }
}

fn api_key(
    world: &mut World,
    line: &Line,
    name: &str,
    engineer: EngineerId,
    project: ProjectId,
) -> NewApiKey {
    let id = world.id(&format!("key {name}"));
    world.keys.entry(name.to_owned()).or_insert((engineer, KeyId(id)));
    NewApiKey {
        id: KeyId(id),
        prefix: KeyPrefix(id.as_u128() as u64),
        hash: "hash".into(),
        label: Label::parse(name).unwrap(),
        expires_at: line.option("expires").map(|at| WallTime(super::world::DAWN + millis(at))),
        project: line.option("in").map(|_| project),
        readonly: line.has("readonly"),
    }
}

fn of_work(world: &mut World, line: &Line, project: ProjectId) -> Command {
    let feature = |world: &World, name: &str| {
        let known = world.state.feature_by_slug(project, &Slug::parse(name).unwrap());
        known.map_or(FeatureId::MAX, |feature| feature.id)
    };
    match line.verb.as_str() {
        "feature" => command::CreateFeature {
            project,
            feature: Box::new(NewFeature {
                id: FeatureId(world.id(line.word())),
                slug: line.slug(),
                title: Title::parse(line.word()).unwrap(),
                spec: line.spec().unwrap_or_else(|| "what it is about".into()),
                lane: line.lane().unwrap_or_default(),
                priority: line.priority(),
                touches: line.patterns("touches").unwrap_or_default(),
                reads: line.patterns("reads").unwrap_or_default(),
                depends_on: line.slugs("needs").unwrap_or_default(),
            }),
        }
        .into(),
        "update" => command::UpdateFeature {
            project,
            slug: line.slug(),
            patch: Box::new(FeaturePatch {
                title: line.option("title").map(|title| Title::parse(title).unwrap()),
                spec: line.spec(),
                lane: line.lane(),
                priority: line.priority(),
                touches: line.patterns("touches"),
                reads: line.patterns("reads"),
                depends_on: line.slugs("needs"),
            }),
        }
        .into(),
        "delete" => command::DeleteFeature { project, slug: line.slug(), is_finished: false }.into(),
        "delete-finished" => command::DeleteFeature { project, slug: line.slug(), is_finished: true }.into(),
        "delete-project" => command::DeleteProject { project }.into(),
        "ready" => command::ReadyFeature { project, slug: line.slug() }.into(),
        "draft" => command::DraftFeature { project, slug: line.slug() }.into(),
        "pick" => command::PickFeature { project, slug: line.slug() }.into(),
        "pick-next" => {
            let lanes = line.option("lanes").map(|list| parts(list).map(lane).collect());
            command::PickNext { project, lanes: lanes.unwrap_or_default() }.into()
        }
        "release" => command::ReleaseFeature { project, slug: line.slug() }.into(),
        "done" => command::CompleteFeature { project, slug: line.slug() }.into(),
        "cancel" => command::CancelFeature { project, slug: line.slug() }.into(),
        "claim" => command::ClaimPaths {
            project,
            paths: patterns(line.word()),
            mode: if line.has("shared") { ClaimMode::Shared } else { ClaimMode::Exclusive },
            feature: line.option("for").map(|name| feature(world, name)),
        }
        .into(),
        "free" => {
            command::ReleasePaths { project, paths: line.words.first().map(|list| patterns(list)) }.into()
        }
        "refresh" => command::RefreshClaims { project }.into(),
        "force-release" => command::ForceRelease {
            project,
            paths: patterns(line.word()),
            reason: Label::parse(line.option("because").unwrap()).unwrap(),
        }
        .into(),
        "start" => command::StartSession {
            project,
            id: SessionId(world.id("candidate")),
            agent: line.words.first().map(|name| AgentName::parse(name).unwrap()),
            feature: line.option("on").map(|name| feature(world, name)),
            metadata: SessionMetadata::default(),
        }
        .into(),
        "end" => command::EndSession { project, session: world.session(line.word()) }.into(),
        _ => of_texts(world, line, project),
    }
}

fn of_texts(world: &mut World, line: &Line, project: ProjectId) -> Command {
    let text = |option: &str| line.option(option).map(Into::into);
    match line.verb.as_str() {
        "learn" => command::AddLearning {
            project,
            slug: line.slug(),
            id: LearningId(world.id("learning")),
            content: text("text").unwrap(),
        }
        .into(),
        "decide" => command::AddDecision {
            project,
            decision: Box::new(NewDecision {
                id: DecisionId(world.id(line.word())),
                feature: line.option("about").map(|slug| Slug::parse(slug).unwrap()),
                title: Title::parse(line.word()).unwrap(),
                decision: text("text").unwrap(),
                rationale: text("because"),
                alternatives: None,
                supersedes: line.option("instead").map(|name| DecisionId(world.id_of(name))),
            }),
        }
        .into(),
        "checkpoint" => {
            let known = line.option("on").map(|name| Slug::parse(name).unwrap());
            let feature = known.and_then(|slug| world.state.feature_by_slug(project, &slug));
            let kind = match line.option("kind") {
                Some("manual") => CheckpointKind::Manual,
                Some("crash") => CheckpointKind::CrashRecovery,
                _ => CheckpointKind::AutoPeriodic,
            };
            command::SaveCheckpoint {
                project,
                checkpoint: Box::new(NewCheckpoint {
                    feature: feature.map_or(FeatureId::MAX, |feature| feature.id),
                    id: CheckpointId(world.id("checkpoint")),
                    session: world.session(line.word()),
                    kind,
                    context: text("context").unwrap_or_else(|| "{}".into()),
                    notes: text("notes"),
                }),
            }
            .into()
        }
        "reorder" => {
            let given = Lane::ALL.into_iter().filter_map(|lane| Some((lane, line.slugs(lane.name())?)));
            command::ReorderRoadmap {
                project,
                lanes: given.map(|(lane, slugs)| (lane, slugs.to_vec())).collect(),
            }
            .into()
        }
        "move" => command::MoveFeature {
            project,
            slug: line.slug(),
            lane: line.lane().unwrap(),
            priority: line.priority(),
        }
        .into(),
        _ => by_name::command(world, line, project),
    }
}
