//! Answers, reduced to what the model can predict: the kind and the fields that matter, as texts. An outcome is made
//! from a real reply or refusal, or by the model, and the two are compared.

use nexus_domain::{
    Refusal, Reply, SessionId,
    entity::{Feature, LeaseState, Project, Session, Status},
    pattern::Pattern,
    refusal::{Blocker, Conflict, HolderNote, MAX_LISTED},
    short_text::AgentName,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display},
};

/// An answer, reduced to what the model can predict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The kind of the reply, or of the refusal.
    pub kind: String,
    /// The fields that matter, by name.
    pub fields: BTreeMap<String, Value>,
}

/// The value of a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Exactly this text.
    Is(String),
    /// One of these texts. Only the model says so, where the rules leave a choice.
    OneOf(BTreeSet<String>),
    /// Some of these texts. Only the model says so.
    AnyOf(BTreeSet<String>),
    /// These texts in this order. A cached answer may have none of them.
    List(Vec<String>),
    /// These texts in any order. A refusal names at most a hundred of them.
    Set(BTreeSet<String>),
}

impl Outcome {
    /// An outcome of this kind without any field.
    pub(super) fn of_kind(kind: &str) -> Self {
        Self { kind: kind.to_owned(), fields: BTreeMap::new() }
    }

    pub(super) fn is(mut self, name: &str, value: impl Display) -> Self {
        self.fields.insert(name.to_owned(), Value::Is(value.to_string()));
        self
    }

    pub(super) fn list(mut self, name: &str, values: impl IntoIterator<Item: Display>) -> Self {
        let values = values.into_iter().map(|value| value.to_string()).collect();
        self.fields.insert(name.to_owned(), Value::List(values));
        self
    }

    pub(super) fn set(mut self, name: &str, values: impl IntoIterator<Item: Display>) -> Self {
        let values = values.into_iter().map(|value| value.to_string()).collect();
        self.fields.insert(name.to_owned(), Value::Set(values));
        self
    }

    pub(super) fn one_of(mut self, name: &str, values: impl IntoIterator<Item = String>) -> Self {
        self.fields.insert(name.to_owned(), Value::OneOf(values.into_iter().collect()));
        self
    }

    pub(super) fn any_of(mut self, name: &str, values: impl IntoIterator<Item = String>) -> Self {
        self.fields.insert(name.to_owned(), Value::AnyOf(values.into_iter().collect()));
        self
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.fields.extend(other.fields);
        self
    }

    /// The outcome of a real answer.
    pub(super) fn of(outcome: &Result<Reply, Refusal>) -> Self {
        match outcome {
            Ok(reply) => of_reply(reply),
            Err(refusal) => of_refusal(refusal),
        }
    }

    /// How a real outcome differs from this one, field by field; `None` if it agrees. A cut one may lack lists.
    pub(super) fn difference(&self, real: &Self, is_cut: bool) -> Option<String> {
        if self.kind != real.kind {
            return Some(format!("expected {self}, got {real}"));
        }
        let names: BTreeSet<&String> = self.fields.keys().chain(real.fields.keys()).collect();
        let differences: Vec<String> = names
            .into_iter()
            .filter_map(|name| match (self.fields.get(name), real.fields.get(name)) {
                (Some(expected), Some(real)) if expected.admits(real, is_cut) => None,
                (Some(_), None) if is_cut => None,
                (expected, real) => {
                    Some(format!("{name}: expected {}, got {}", shown(expected), shown(real)))
                }
            })
            .collect();
        (!differences.is_empty()).then(|| format!("{}: {}", self.kind, differences.join("; ")))
    }
}

impl Value {
    fn admits(&self, real: &Self, is_cut: bool) -> bool {
        match (self, real) {
            (Self::OneOf(choices), Self::Is(real)) => choices.contains(real),
            (Self::AnyOf(choices), Self::Set(real)) => !real.is_empty() && real.is_subset(choices),
            (Self::List(_), Self::List(_)) if is_cut => true,
            (Self::Set(all), Self::Set(some)) if is_cut || all.len() > MAX_LISTED => some.is_subset(all),
            (expected, real) => expected == real,
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => f.write_str(text),
            Self::OneOf(choices) => write!(f, "one of {choices:?}"),
            Self::AnyOf(choices) => write!(f, "some of {choices:?}"),
            Self::List(list) => write!(f, "{list:?}"),
            Self::Set(set) => write!(f, "{set:?}"),
        }
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        for (name, value) in &self.fields {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

/// A held path in a refusal.
pub(super) fn held(path: impl Display, session: SessionId) -> String {
    format!("{path} by {session}")
}

fn texts(paths: &[Pattern]) -> impl Iterator<Item = &str> {
    paths.iter().map(Pattern::as_str)
}

fn of_reply(reply: &Reply) -> Outcome {
    match reply {
        Reply::Done => Outcome::of_kind("done"),
        Reply::Settings(settings) => Outcome::of_kind("settings").is("settings", format!("{settings:?}")),
        Reply::Registered { engineer, .. } => {
            Outcome::of_kind("registered").is("engineer", engineer.id).is("role", engineer.role.name())
        }
        Reply::KeyAdded(key) => Outcome::of_kind("key added").is("key", key.id).is("owner", key.engineer),
        Reply::Engineer(engineer) => {
            Outcome::of_kind("engineer").is("engineer", engineer.id).is("role", engineer.role.name())
        }
        Reply::Project(project) => of_project(project),
        Reply::Member(member) => {
            Outcome::of_kind("member").is("engineer", member.engineer).is("role", member.role.name())
        }
        Reply::Feature(feature) => Outcome::of_kind("feature").and(of_feature(feature)),
        Reply::Picked { feature, session } => {
            Outcome::of_kind("picked").and(of_feature(feature)).and(of_session(session))
        }
        Reply::Session(session) => Outcome::of_kind("session").and(of_session(session)),
        Reply::Claimed(session) => Outcome::of_kind("claimed").and(of_session(session)),
        Reply::Held { session, paths } => {
            let paths: BTreeSet<&str> = texts(paths).collect();
            Outcome::of_kind("held").and(of_session(session)).list("held", paths)
        }
        Reply::Released { paths, count } => {
            let mut paths: Vec<&str> = texts(paths).collect();
            paths.sort_unstable();
            Outcome::of_kind("released").list("released", paths).is("count", count)
        }
        Reply::Heartbeats { unknown } => Outcome::of_kind("heartbeats").set("unknown", unknown),
        Reply::Text(_) => Outcome::of_kind("text"),
        Reply::DuplicateCheckpoint => Outcome::of_kind("duplicate checkpoint"),
        Reply::Node(_) => Outcome::of_kind("node"),
        Reply::JoinToken(_) => Outcome::of_kind("join token"),
        Reply::Ticket(_) => Outcome::of_kind("ticket"),
        Reply::Leads(node) => Outcome::of_kind("leads").is("node", node),
        Reply::Joined(node) => Outcome::of_kind("joined").is("node", node),
    }
}

fn of_project(project: &Project) -> Outcome {
    Outcome::of_kind("project").is("project", project.id).is("case", project.case.name())
}

fn of_feature(feature: &Feature) -> Outcome {
    let (holder, fence, is_interrupted) = match &feature.status {
        Status::Active { holder, fence, .. } => (Some(holder.session), Some(fence.0), false),
        Status::Done { holder, .. } => (Some(holder.session), None, false),
        Status::Ready { interrupted_at } => (None, None, interrupted_at.is_some()),
        Status::Draft | Status::Cancelled => (None, None, false),
    };
    Outcome::of_kind("")
        .is("feature", feature.id)
        .is("slug", &feature.slug)
        .is("status", feature.status.name())
        .is("holder", format!("{holder:?}"))
        .is("fence", format!("{fence:?}"))
        .is("interrupted", is_interrupted)
        .is("lane", feature.lane.name())
        .is("priority", feature.priority)
        .is("charged to", feature.charged_to)
        .is("lists at", feature.lists_at)
        .list("touches", texts(&feature.touches))
        .list("reads", texts(&feature.reads))
        .list("depends on", feature.depends_on.iter())
}

fn of_session(session: &Session) -> Outcome {
    let lease = match session.lease {
        LeaseState::Active { until } => format!("active until {}", until.0),
        LeaseState::Disconnected { until } => format!("disconnected until {}", until.0),
        LeaseState::Ending { .. } => "ending".to_owned(),
    };
    Outcome::of_kind("")
        .is("session", session.id)
        .is("engineer", session.engineer)
        .is("agent", format!("{:?}", session.agent.as_ref().map(AgentName::as_str)))
        .is("works on", format!("{:?}", session.feature))
        .is("mode", format!("{:?}", session.heartbeat_mode))
        .is("lease", lease)
}

fn of_refusal(refusal: &Refusal) -> Outcome {
    let kind = |kind: &str| Outcome::of_kind(&format!("refused: {kind}"));
    let by = |note: &HolderNote| note.holder.session;
    match refusal {
        Refusal::KeyRevoked => kind("key revoked"),
        Refusal::RoleTooLow { role } => kind("role too low").is("role", role.name()),
        Refusal::MemberRoleTooLow { needed } => kind("member role too low").is("needed", needed.name()),
        Refusal::NotProjectMember => kind("not a member"),
        Refusal::KeyOutOfScope => kind("key out of scope"),
        Refusal::RegistrationClosed(why) => kind("registration closed").is("why", format!("{why:?}")),
        Refusal::JoinTokenInvalid => kind("join token invalid"),
        Refusal::ForeignSession(id) => kind("foreign session").is("session", id),
        Refusal::NotFound { kind: of, name } => kind("not found").is("what", format!("{} {name}", of.name())),
        Refusal::EmailTaken(email) => kind("email taken").is("email", email),
        Refusal::KeyPrefixTaken => kind("key prefix taken"),
        Refusal::SlugTaken { kind: of, slug } => {
            kind("slug taken").is("what", format!("{} {slug}", of.name()))
        }
        Refusal::MemberExists => kind("member exists"),
        Refusal::InvalidTransition { slug, from, to } => {
            kind("invalid transition").is("slug", slug).is("from", from).is("to", to)
        }
        Refusal::NotADraft { slug, status } => kind("not a draft").is("slug", slug).is("status", status),
        Refusal::NotFinished { slug, status } => kind("not finished").is("slug", slug).is("status", status),
        Refusal::DependenciesOpen { slug, open } => {
            kind("dependencies open").is("slug", slug).set("open", open)
        }
        Refusal::DependencyCycle { slug, through } => {
            kind("dependency cycle").is("slug", slug).is("through", through)
        }
        Refusal::FeatureClaimed { slug, by: note } => {
            kind("feature claimed").is("slug", slug).is("by", by(note))
        }
        Refusal::FilesClaimed { conflicts } => {
            kind("files claimed").set("conflicts", conflicts.iter().map(of_conflict))
        }
        Refusal::NotHolder { slug, by: note } => kind("not the holder").is("slug", slug).is("by", by(note)),
        Refusal::NothingAvailable { blocked } => {
            let blocked = blocked.iter().enumerate().map(|(at, one)| (blocked_name(at, &one.slug), &one.by));
            blocked.fold(kind("nothing available"), |outcome, (name, by)| match by {
                Blocker::Dependencies(open) => outcome.set(&name, open),
                Blocker::Claim(conflict) => outcome.is(&name, of_conflict(conflict)),
            })
        }
        Refusal::TooMany { limit, .. } => kind("too many").is("limit", limit),
        Refusal::QuotaExceeded { owner, resource, used, more, quota } => kind("quota exceeded")
            .is("owner", format!("{owner:?}"))
            .is("resource", resource)
            .is("used", used)
            .is("more", more)
            .is("quota", quota),
        Refusal::IdempotencyKeyReused => kind("idempotency key reused"),
        Refusal::Cluster(_) => kind("cluster"),
        Refusal::SettingOutOfRange { setting, .. } => kind("setting out of range").is("setting", setting),
        Refusal::SlugReserved(slug) => kind("slug reserved").is("slug", slug),
        Refusal::NotActive { slug, status } => kind("not active").is("slug", slug).is("status", status),
        Refusal::KeyReadonly => kind("key readonly"),
        Refusal::NamedTwice(slug) => kind("named twice").is("slug", slug),
        Refusal::TicketInvalid => kind("ticket invalid"),
        Refusal::Superseded => kind("superseded"),
        Refusal::TooMuchWork { .. } => kind("too much work"),
        Refusal::KeyReset(why) => kind("key reset").is("why", format!("{why:?}")),
    }
}

/// The name of the field about a blocked feature: the order of the board matters.
pub(super) fn blocked_name(at: usize, slug: impl Display) -> String {
    format!("blocked {at:03} {slug}")
}

fn of_conflict(conflict: &Conflict) -> String {
    held(conflict.path.as_str(), conflict.by.holder.session)
}
