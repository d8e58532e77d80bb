//! A cluster without nodes: a state, a clock that the story advances, and names for all ids.

use super::{
    line::{self, Line},
    render, script,
};
use nexus_domain::{
    Acting, Actor, Applied, Command, EngineerId, Erasure, Proposal, Revision, Row, RowKey, SessionId, Stamp,
    State, apply,
    entity::Session,
    ids::KeyId,
    time::{ClusterTime, WallTime},
};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The wall time at which every story begins.
pub(crate) const DAWN: i64 = 1_800_000_000_000;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) state: State,
    /// The leader's clock in milliseconds. A story may set it back.
    pub(crate) now: i64,
    revision: u64,
    ids: u128,
    /// The steps that the last entry took.
    pub(crate) work: usize,
    /// The names of ids in scripts and outcomes.
    names: BTreeMap<Uuid, String>,
    pub(crate) engineers: BTreeMap<String, EngineerId>,
    pub(crate) keys: BTreeMap<String, (EngineerId, KeyId)>,
    pub(crate) sessions: BTreeMap<String, SessionId>,
}

impl World {
    /// Plays one line and returns its outcome.
    pub(crate) fn play(&mut self, entry: &str) -> Vec<String> {
        let line = Line::read(entry);
        match line.actor.as_str() {
            "wait" => {
                self.now += line::millis(&line.verb);
                Vec::new()
            }
            "show" => render::state(self, &line.verb),
            "team" | "given" => {
                let entries = if line.actor == "team" { script::team(&line) } else { script::given(&line) };
                for entry in entries {
                    let outcome = self.play(&entry);
                    assert!(outcome[0].starts_with("=>"), "{entry}: {outcome:?}");
                }
                Vec::new()
            }
            _ => self.propose(&line),
        }
    }

    fn propose(&mut self, line: &Line) -> Vec<String> {
        let command = script::command(self, line);
        let actor = self.actor(line);
        let acting = match line.session.as_deref().or(line.option("as")) {
            Some(name) => Acting::Session(self.session(name)),
            None => Acting::Engineer { candidate: SessionId(self.id("candidate")) },
        };
        let cluster = ClusterTime(u64::try_from(self.now).unwrap());
        let stamp = Stamp { cluster, wall: WallTime(DAWN + self.now) };
        let proposal = Proposal { command, actor, acting, request: script::request(self, line), stamp };
        self.revision += 1;
        let applied = self.apply(&proposal);
        self.learn_names(&proposal);
        render::applied(self, &applied)
    }

    /// Applies an entry, and checks what must be true after each.
    fn apply(&mut self, proposal: &Proposal) -> Applied {
        let before = rows(&self.state);
        let mut applied = apply(&mut self.state, Revision(self.revision), proposal);
        for erasure in &applied.erased {
            if let Erasure::Events { project, to, .. } = *erasure {
                applied.touched.extend(self.state.events_erased(project, to));
            }
        }
        self.work = applied.work;
        self.state.check_invariants().unwrap();
        let after = rows(&self.state);
        let keys: BTreeSet<&RowKey> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let is_same = before.get(key) == after.get(key);
            assert!(is_same || applied.touched.contains(key), "{key:?} changed and was not touched");
        }
        applied
    }

    fn actor(&self, line: &Line) -> Actor {
        match line.actor.as_str() {
            "cluster" => Actor::System,
            "anybody" => Actor::Anonymous,
            name => {
                let with = line.option("with").unwrap_or(name);
                let (id, key) = self.keys.get(with).unwrap_or_else(|| panic!("no key {with}"));
                Actor::Engineer { id: *id, key: *key }
            }
        }
    }

    /// A session by its name, also one that is over.
    pub(crate) fn session(&self, name: &str) -> SessionId {
        *self.sessions.get(name).unwrap_or_else(|| panic!("no session {name} was ever started"))
    }

    /// A new id with this name.
    pub(crate) fn id(&mut self, name: &str) -> Uuid {
        self.ids += 1;
        let id = Uuid::from_u128(self.ids);
        self.names.insert(id, format!("<{name}>"));
        id
    }

    /// The id with this name; an id that nothing has if there is none.
    pub(crate) fn id_of(&self, name: &str) -> Uuid {
        let wanted = format!("<{name}>");
        self.names.iter().find(|(_, known)| **known == wanted).map_or(Uuid::max(), |(id, _)| *id)
    }

    /// The id with this name; a new one if there is none.
    pub(crate) fn id_of_or_new(&mut self, name: &str) -> Uuid {
        let in_brackets = format!("<{name}>");
        let known = self.names.iter().find(|(_, known)| *known == name || **known == in_brackets);
        known.map(|(id, _)| *id).unwrap_or_else(|| self.id(name))
    }

    fn learn_names(&mut self, proposal: &Proposal) {
        let sessions: Vec<Session> = self.state.sessions().map(|session| Session::clone(session)).collect();
        for session in sessions {
            let engineer = &self.engineers.iter().find(|(_, id)| **id == session.engineer).unwrap().0;
            let agent = session.agent.as_ref().map_or("default", |agent| agent.as_str());
            let name = format!("{engineer}/{agent}");
            self.names.insert(session.id.0, name.clone());
            self.sessions.insert(name, session.id);
        }
        if let Command::StartSession(start) = &proposal.command
            && let Some(agent) = &start.agent
        {
            assert!(agent.as_str() != "default", "this is the name of the session without an agent");
        }
    }

    /// A text with names instead of ids.
    pub(crate) fn named(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (id, name)| text.replace(id.to_string().as_str(), name))
    }
}

fn rows(state: &State) -> BTreeMap<RowKey, Row> {
    state.rows().map(|row| (row.key(), row)).collect()
}
