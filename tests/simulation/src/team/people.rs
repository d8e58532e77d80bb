//! The people of a team, and what their cluster begins with.

use nexus_api::cluster::WriteRequest;
use nexus_domain::{
    Acting, Actor, Command, EngineerId, FeatureId, ProjectId, SessionId,
    command::{self, NewApiKey, NewFeature},
    entity::{KeyPrefix, Lane, MemberRole, TokenDigest},
    ids::KeyId,
    pattern::Pattern,
    settings::{QuotasPatch, SettingsPatch},
    short_text::{Email, Label, Name, Slug, Title},
    time::Millis,
};
use std::sync::Arc;
use uuid::Uuid;

/// The project that everybody works on.
pub const PROJECT: ProjectId = ProjectId(Uuid::from_u128(0x50));
/// The engineers; the first one is an admin and leads the project.
pub const ENGINEERS: usize = 3;
/// The time for which a session lives without a sign of its agent, in milliseconds.
pub const LEASE: u64 = 10_000;
/// The projects that one engineer may have.
const PROJECTS: u64 = 2;
/// The keys for the project that one engineer begins with: as many as newer rules allow. Older ones have no limit for
/// a project, so that an answer to one more depends on the rules.
const KEYS_FOR_PROJECT: u128 = 10;
/// The engineer who has them.
const ENGINEER_WITH_KEYS: usize = 2;
/// The files, and sets of files, that are worked on.
pub const PATHS: [&str; 10] = [
    "README.md",
    "src/main.rs",
    "src/db.rs",
    "src/api/",
    "src/api/users.rs",
    "src/*.rs",
    "docs/**/*.md",
    "docs/guide/start.md",
    "tests/",
    "Cargo.toml",
];
/// The features, each with the numbers of the paths that it touches and of those that it reads.
pub const FEATURES: [(&str, &[usize], &[usize]); 8] = [
    ("auth", &[1, 3], &[0]),
    ("users", &[4], &[2]),
    ("storage", &[2], &[9]),
    ("cleanup", &[5], &[]),
    ("guide", &[6], &[3]),
    ("start", &[7, 0], &[]),
    ("testing", &[8], &[1]),
    ("build", &[9], &[0, 7]),
];

/// The people of a team.
#[derive(Clone, Copy, Debug, Default)]
pub struct People;

impl People {
    /// The id of an engineer.
    pub fn engineer(self, number: usize) -> EngineerId {
        EngineerId(Uuid::from_u128(0x100 + number as u128))
    }

    /// An engineer, with the first key.
    pub fn actor(self, number: usize) -> Actor {
        Actor::Engineer { id: self.engineer(number), key: KeyId(Uuid::from_u128(0x200 + number as u128)) }
    }

    /// An engineer by their id, with the first key.
    pub fn actor_of(self, engineer: EngineerId) -> Actor {
        Actor::Engineer { id: engineer, key: KeyId(Uuid::from_u128(engineer.0.as_u128() + 0x100)) }
    }

    /// A feature's name in addresses.
    ///
    /// # Panics
    /// When there is no such feature.
    pub fn slug(self, feature: usize) -> Slug {
        Slug::parse(FEATURES[feature].0).expect("the names are good ones")
    }

    /// Paths by their numbers.
    pub fn paths(self, numbers: &[usize]) -> Arc<[Pattern]> {
        numbers
            .iter()
            .map(|number| Pattern::parse(PATHS[*number]).expect("the paths are good ones"))
            .collect()
    }

    /// A new key.
    pub fn key(self, id: KeyId, prefix: u64) -> NewApiKey {
        NewApiKey {
            id,
            prefix: KeyPrefix(prefix),
            hash: "hash".into(),
            label: label("key"),
            expires_at: None,
            project: None,
            readonly: false,
        }
    }

    /// A new key that is accepted for the project alone.
    pub fn key_for_project(self, id: KeyId, prefix: u64) -> NewApiKey {
        NewApiKey { project: Some(PROJECT), ..self.key(id, prefix) }
    }

    /// The writes that make the cluster ready for work, in order. `bootstrap` is the digest of the token for the first
    /// admin.
    pub fn beginnings(self, bootstrap: TokenDigest) -> Vec<WriteRequest> {
        let mut all = Vec::new();
        let mut add = |actor: Actor, command: Command| {
            let acting = Acting::Engineer { candidate: SessionId(Uuid::from_u128(0x300)) };
            all.push(WriteRequest { command, actor, acting, request: None });
        };
        for number in 0..ENGINEERS {
            add(Actor::Anonymous, self.registration(number, (number == 0).then_some(bootstrap)));
        }
        let lead = self.actor(0);
        let patch = SettingsPatch {
            session_timeout: Some(Millis(LEASE)),
            session_grace: Some(Millis(0)),
            quotas: QuotasPatch { engineer_projects: Some(PROJECTS), ..QuotasPatch::default() },
            ..SettingsPatch::default()
        };
        add(lead, command::UpdateSettings { patch }.into());
        let project = command::CreateProject {
            id: PROJECT,
            name: name("Simulated"),
            slug: Slug::parse("simulated").expect("a good name"),
            repo_url: None,
            repo_path: None,
            default_branch: label("main"),
        };
        add(lead, project.into());
        for number in 1..ENGINEERS {
            let engineer = self.engineer(number);
            add(lead, command::AddMember { project: PROJECT, engineer, role: MemberRole::Member }.into());
        }
        for number in 0..KEYS_FOR_PROJECT {
            let key = self.key_for_project(KeyId(Uuid::from_u128(0x600 + number)), 1_000 + number as u64);
            add(self.actor(ENGINEER_WITH_KEYS), command::AddKey { key }.into());
        }
        for (number, (slug, touches, reads)) in FEATURES.iter().enumerate() {
            let feature = NewFeature {
                id: FeatureId(Uuid::from_u128(0x400 + number as u128)),
                slug: self.slug(number),
                title: Title::parse(slug).expect("a good title"),
                spec: "".into(),
                lane: Lane::ALL[0],
                priority: None,
                touches: self.paths(touches),
                reads: self.paths(reads),
                depends_on: Arc::new([]),
            };
            add(lead, command::CreateFeature { project: PROJECT, feature: Box::new(feature) }.into());
            add(lead, command::ReadyFeature { project: PROJECT, slug: self.slug(number) }.into());
        }
        all
    }

    fn registration(self, number: usize, bootstrap: Option<TokenDigest>) -> Command {
        let key = self.key(KeyId(Uuid::from_u128(0x200 + number as u128)), number as u64);
        let email = format!("engineer-{number}@example.com");
        command::RegisterEngineer {
            id: self.engineer(number),
            name: name(&format!("Engineer {number}")),
            email: Email::parse(&email).expect("a good address"),
            key,
            salt: None,
            bootstrap,
        }
        .into()
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a good name")
}

fn label(text: &str) -> Label {
    Label::parse(text).expect("a good label")
}
