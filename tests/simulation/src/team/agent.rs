//! An agent: starts a session, picks features, claims files, beats, finishes or gives back, and sometimes dies. What
//! got no certain answer, it asks again with the same key, through whichever node it finds.

use super::{
    ask::{Operation, Outcome, What},
    people::{ENGINEERS, FEATURES, LEASE, PATHS, PROJECT, People},
};
use nexus_api::cluster::{Consistency, WriteRequest};
use nexus_domain::{
    Acting, Actor, Command, FeatureId, ProjectId, Refusal, Reply, SessionId,
    command::{self, NewFeature},
    entity::{ClaimMode, Lane, Role, SessionMetadata},
    ids::KeyId,
    refusal::EntityKind,
    reply_cache::{KeyedRequest, ReplyKey},
    short_text::{AgentName, IdempotencyKey, Label, Name, Slug, Title},
};
use rand::{RngExt, rngs::SmallRng};
use std::sync::Arc;
use uuid::Uuid;

/// The time after which a client gives up on a node, in milliseconds.
pub const PATIENCE: u64 = 7_000;
/// Requests with the same key before an agent gives up on it.
const ATTEMPTS: u32 = 4;

/// An agent of an engineer.
pub struct Agent {
    number: usize,
    engineer: usize,
    name: AgentName,
    actor: Actor,
    session: Option<SessionId>,
    /// The feature that it works on.
    active: Option<Slug>,
    /// The last time it heard that its session lives.
    last_beat: u64,
    /// A request without a certain answer, which it asks again.
    again: Option<(WriteRequest, u32)>,
    /// When it does something next.
    pub(super) next: u64,
    /// The request that it waits for.
    pub(super) waits_for: Option<usize>,
    /// Requests so far, from which keys and names are made.
    asked: u64,
    /// The feature that it wrote last, while nobody can pick it yet.
    draft: Option<Slug>,
    /// The key that it has asked for.
    key_to_come: Option<KeyId>,
}

fn id(rng: &mut SmallRng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid()
}

impl Agent {
    pub(super) fn new(number: usize, people: &People, next: u64) -> Self {
        let engineer = number % ENGINEERS;
        Self {
            number,
            engineer,
            name: AgentName::parse(&format!("agent-{number}")).expect("a good name"),
            actor: people.actor(engineer),
            session: None,
            active: None,
            last_beat: 0,
            again: None,
            next,
            waits_for: None,
            asked: 0,
            draft: None,
            key_to_come: None,
        }
    }

    /// Chooses the next request.
    pub(super) fn choose(&mut self, people: &People, rng: &mut SmallRng) -> What {
        if let Some((write, _)) = &self.again {
            return What::Write(Box::new(write.clone()));
        }
        let Some(session) = self.session else {
            let command = command::StartSession {
                project: PROJECT,
                id: SessionId(id(rng)),
                agent: Some(self.name.clone()),
                feature: None,
                metadata: SessionMetadata::default(),
            };
            return self.write(command.into(), people, rng);
        };
        if self.next > self.last_beat + LEASE / 4 && rng.random_bool(0.7) {
            return What::Beat(session);
        }
        if let Some(slug) = self.draft.take() {
            return self.write(command::ReadyFeature { project: PROJECT, slug }.into(), people, rng);
        }
        let any_slug = people.slug(rng.random_range(0..FEATURES.len()));
        let project = PROJECT;
        let command: Command = match (rng.random_range(0..100_u32), self.active.clone()) {
            (0..8, _) => return What::Read(Consistency::Linearizable),
            (8..12, _) => return What::Read(Consistency::Stale),
            (12..20, _) => return What::Beat(session),
            (20..35, None) => command::PickFeature { project, slug: any_slug }.into(),
            (35..55, None) => command::PickNext { project, lanes: Vec::new() }.into(),
            (55..64, None) => self.new_feature(people, rng),
            (20..40, Some(slug)) => command::ReleaseFeature { project, slug }.into(),
            (40..55, Some(slug)) => command::CompleteFeature { project, slug }.into(),
            (55..60, _) => command::PickFeature { project, slug: any_slug }.into(),
            (60..64, Some(_)) => command::RefreshClaims { project }.into(),
            (64..84, _) => {
                let paths = people.paths(&[rng.random_range(0..PATHS.len())]);
                let mode = if rng.random_bool(0.6) { ClaimMode::Exclusive } else { ClaimMode::Shared };
                command::ClaimPaths { project, paths, mode, feature: None }.into()
            }
            (84..91, _) => {
                let some = people.paths(&[rng.random_range(0..PATHS.len())]);
                command::ReleasePaths { project, paths: rng.random_bool(0.7).then_some(some) }.into()
            }
            (91..92, _) => command::EndSession { project, session }.into(),
            (92..94, _) => self.change_of_rights(people, rng),
            (96..98, _) => self.new_project(rng),
            (94..96, _) => {
                let paths = people.paths(&[rng.random_range(0..PATHS.len())]);
                let reason = Label::parse("needed elsewhere").expect("a good reason");
                command::ForceRelease { project, paths, reason }.into()
            }
            _ => command::ReadyFeature { project, slug: any_slug }.into(),
        };
        self.write(command, people, rng)
    }

    /// Another key for itself or for somebody else, the end of the one that it uses, or another role for somebody.
    fn change_of_rights(&mut self, people: &People, rng: &mut SmallRng) -> Command {
        match rng.random_range(0..5_u32) {
            0 => {
                let key = KeyId(id(rng));
                self.key_to_come = Some(key);
                command::AddKey { key: people.key(key, rng.random()) }.into()
            }
            // Newer rules have a limit of their own for it. Nobody uses the key.
            2 => {
                self.key_to_come = None;
                command::AddKey { key: people.key_for_project(KeyId(id(rng)), rng.random()) }.into()
            }
            // Newer rules alone know it. Nobody uses the key, and nobody is locked out.
            3 => {
                let engineer = people.engineer(rng.random_range(0..ENGINEERS));
                let key = if rng.random_bool(0.5) {
                    people.key(KeyId(id(rng)), rng.random())
                } else {
                    people.key_for_project(KeyId(id(rng)), rng.random())
                };
                command::ResetKey { engineer, key, keeps_others: true }.into()
            }
            // The first one stays, so that nobody is locked out for good.
            1 if self.actor != people.actor(self.engineer) => {
                let Actor::Engineer { key, .. } = self.actor else { return command::Tick.into() };
                command::RevokeKey { key }.into()
            }
            _ => {
                let role = if rng.random_bool(0.6) { Role::Engineer } else { Role::Readonly };
                let engineer = people.engineer(rng.random_range(1..ENGINEERS));
                command::ChangeRole { engineer, role }.into()
            }
        }
    }

    fn new_project(&mut self, rng: &mut SmallRng) -> Command {
        let slug = format!("project-{}-{}", self.number, self.asked);
        let (id, name) = (ProjectId(id(rng)), Name::parse(&slug).expect("a good name"));
        let slug = Slug::parse(&slug).expect("a good name");
        let default_branch = Label::parse("main").expect("a good name");
        command::CreateProject { id, name, slug, repo_url: None, repo_path: None, default_branch }.into()
    }

    fn new_feature(&mut self, people: &People, rng: &mut SmallRng) -> Command {
        let some = |rng: &mut SmallRng, most| {
            let numbers: Vec<usize> =
                (0..rng.random_range(0..most)).map(|_| rng.random_range(0..PATHS.len())).collect();
            people.paths(&numbers)
        };
        let slug = format!("work-{}-{}", self.number, self.asked);
        let feature = NewFeature {
            id: FeatureId(id(rng)),
            slug: Slug::parse(&slug).expect("a good name"),
            title: Title::parse(&slug).expect("a good title"),
            spec: "".into(),
            lane: Lane::ALL[rng.random_range(0..Lane::ALL.len())],
            priority: None,
            touches: some(rng, 4),
            reads: some(rng, 3),
            depends_on: Arc::new([]),
        };
        command::CreateFeature { project: PROJECT, feature: Box::new(feature) }.into()
    }

    fn write(&mut self, command: Command, people: &People, rng: &mut SmallRng) -> What {
        self.asked += 1;
        let acting = match self.session {
            Some(session) => Acting::Session(session),
            None => Acting::Engineer { candidate: SessionId(id(rng)) },
        };
        let key = format!("agent-{}-{}", self.number, self.asked);
        let request = rng.random_bool(0.8).then(|| KeyedRequest {
            key: ReplyKey {
                engineer: Some(people.engineer(self.engineer)),
                key: IdempotencyKey::parse(&key).expect("a good key"),
            },
            fingerprint: self.asked,
        });
        What::Write(Box::new(WriteRequest { command, actor: self.actor, acting, request }))
    }

    /// Learns from what became of its request, and decides when it goes on.
    pub(super) fn learn(&mut self, operation: &Operation, now: u64, rng: &mut SmallRng) {
        self.next = now + rng.random_range(5..400);
        let attempts = self.again.take().map_or(0, |(_, attempts)| attempts);
        match (&operation.what, &operation.outcome) {
            (What::Write(write), Some(Outcome::Answered(answer, _))) => {
                self.last_beat = now;
                match &answer.outcome {
                    Ok(reply) => self.believe(&write.command, reply),
                    // Its lease has ended.
                    Err(Refusal::NotFound { kind: EntityKind::Session, .. }) => self.die(),
                    // Its key has ended: it goes on with the first one, which may have ended, too.
                    Err(Refusal::KeyRevoked) => self.actor = People.actor(self.engineer),
                    Err(_) => {}
                }
            }
            // Without a key, a second request would be another one.
            (What::Write(write), Some(Outcome::Unknown | Outcome::Silence))
                if write.request.is_some() && attempts < ATTEMPTS =>
            {
                self.again = Some(((**write).clone(), attempts + 1));
            }
            (What::Beat(_), Some(Outcome::Beat(true))) => self.last_beat = operation.called,
            (What::Beat(_), Some(Outcome::Beat(false))) => self.die(),
            _ => {}
        }
        // A crash: it forgets everything, and its session is left to its lease.
        if rng.random_bool(0.01) {
            self.die();
            self.next = now + rng.random_range(500..LEASE * 2);
        }
    }

    fn die(&mut self) {
        (self.session, self.active, self.again) = (None, None, None);
    }

    fn believe(&mut self, command: &Command, reply: &Reply) {
        match (command, reply) {
            (Command::StartSession(_), Reply::Session(session)) => self.session = Some(session.id),
            (Command::EndSession(_), _) => self.die(),
            (Command::AddKey(_), _) => {
                if let (Some(key), Actor::Engineer { id, .. }) = (self.key_to_come.take(), self.actor) {
                    self.actor = Actor::Engineer { id, key };
                }
            }
            (Command::CreateFeature(create), _) => self.draft = Some(create.feature.slug.clone()),
            (_, Reply::Picked { feature, .. }) => self.active = Some(feature.slug.clone()),
            (Command::ReleaseFeature(_) | Command::CompleteFeature(_), _) => self.active = None,
            _ => {}
        }
    }
}

/// The session of a write, if it names one.
pub fn session_of(write: &WriteRequest) -> Option<SessionId> {
    match write.acting {
        Acting::Session(session) => Some(session),
        Acting::Engineer { .. } => None,
    }
}
