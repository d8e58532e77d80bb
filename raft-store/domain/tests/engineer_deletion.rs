//! A deleted engineer leaves all projects, however many, in bounded parts with each entry.
#![allow(clippy::unwrap_used)]

use nexus_domain::{
    Acting, Actor, Applied, Command, EngineerId, ProjectId, Proposal, Revision, SessionId, Stamp, State,
    apply,
    command::{self, NewApiKey},
    entity::{KeyPrefix, MemberRole, SessionMetadata},
    ids::KeyId,
    settings::{QuotasPatch, SettingsPatch},
    short_text::{Email, Label, Name, Slug},
};
use uuid::Uuid;

const PROJECTS: u128 = 5_000;
/// The most events of one entry, which bounds its time.
const MOST_EVENTS: usize = 1_100;

struct Cluster {
    state: State,
    revision: u64,
}

impl Cluster {
    fn ask(&mut self, actor: Actor, command: Command) -> Applied {
        self.revision += 1;
        let candidate = SessionId(Uuid::from_u128(u128::from(self.revision)));
        let proposal = Proposal {
            command,
            actor,
            acting: Acting::Engineer { candidate },
            request: None,
            stamp: Stamp::default(),
        };
        apply(&mut self.state, Revision(self.revision), &proposal)
    }

    fn does(&mut self, actor: Actor, command: Command) {
        self.ask(actor, command).answer.outcome.unwrap();
    }

    fn register(&mut self, name: &str, id: u128) -> (EngineerId, Actor) {
        let (engineer, key_id) = (EngineerId(Uuid::from_u128(id)), KeyId(Uuid::from_u128(id)));
        let key = NewApiKey {
            id: key_id,
            prefix: KeyPrefix(u64::try_from(id).unwrap()),
            hash: "hash".into(),
            label: Label::parse(name).unwrap(),
            expires_at: None,
            project: None,
            readonly: false,
        };
        let command = command::RegisterEngineer {
            id: engineer,
            name: Name::parse(name).unwrap(),
            email: Email::parse(&format!("{name}@example.com")).unwrap(),
            key,
            salt: None,
            bootstrap: None,
        }
        .into();
        self.does(Actor::Anonymous, command);
        (engineer, Actor::Engineer { id: engineer, key: key_id })
    }
}

#[test]
fn a_member_of_thousands_of_projects_can_be_deleted() {
    let mut cluster = Cluster { state: State::default(), revision: 0 };
    let quotas = QuotasPatch { engineer_projects: Some(10_000), ..QuotasPatch::default() };
    let patch = SettingsPatch { quotas, ..SettingsPatch::default() };
    cluster.does(Actor::System, command::UpdateSettings { patch }.into());
    let (_, ana) = cluster.register("ana", 1);
    let (ben, as_ben) = cluster.register("ben", 2);
    let project = |n| ProjectId(Uuid::from_u128(1_000 + n));
    for n in 0..PROJECTS {
        let create = command::CreateProject {
            id: project(n),
            name: Name::parse("Project").unwrap(),
            slug: Slug::parse(&format!("project-{n}")).unwrap(),
            repo_url: None,
            repo_path: None,
            default_branch: Label::parse("main").unwrap(),
        }
        .into();
        cluster.does(ana, create);
        let role = MemberRole::Member;
        cluster.does(ana, command::AddMember { project: project(n), engineer: ben, role }.into());
    }
    let start = command::StartSession {
        project: project(PROJECTS - 1),
        id: SessionId(Uuid::from_u128(77)),
        agent: None,
        feature: None,
        metadata: SessionMetadata::default(),
    }
    .into();
    cluster.does(as_ben, start);

    let deleted = cluster.ask(as_ben, command::DeleteEngineer { engineer: ben }.into());
    deleted.answer.outcome.unwrap();
    assert!(deleted.events.len() <= MOST_EVENTS, "{}", deleted.events.len());
    assert_eq!(cluster.state.sessions().count(), 0, "the sessions end first");
    let mut parts = 1;
    while cluster.state.projects_of(ben).next().is_some() {
        // A copy from a snapshot continues from the same point.
        cluster.state.check_invariants().unwrap();
        assert_eq!(
            cluster.state.next_deadline(),
            Some(cluster.state.clock().cluster),
            "no request is needed"
        );
        let part = cluster.ask(Actor::System, command::Tick.into());
        assert!(part.events.len() <= MOST_EVENTS, "{}", part.events.len());
        parts += 1;
    }
    assert_eq!(parts, 6);
    assert_eq!(cluster.state.next_deadline(), None);
    assert!((0..PROJECTS).all(|n| cluster.state.members(project(n)).count() == 1));
}
