//! Why a command was not carried out. A refusal changes nothing, and is an answer like any other.

use crate::{
    entity::{Holder, MemberRole, Role},
    ids::{FeatureId, SessionId},
    pattern::Pattern,
    short_text::{Email, Name, Slug},
    time::WallTime,
    usage::{Owner, Resource},
};
use serde::{Deserialize, Serialize};

/// At most this many conflicts or blocked features are listed in one refusal: people read ten,
/// and a refusal is kept in the reply table.
pub const MAX_LISTED: usize = 100;

/// Who stands in the way, as people know them at that moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HolderNote {
    /// Session, engineer and agent.
    pub holder: Holder,
    /// The engineer's name.
    pub engineer_name: Name,
}

/// One path that somebody else holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Conflict {
    /// The path as its holder claimed it.
    pub path: Pattern,
    /// The path that was wanted.
    pub wanted: Pattern,
    /// Who holds it.
    pub by: HolderNote,
    /// For which feature.
    pub feature: Option<(FeatureId, Slug)>,
    /// Since when.
    pub claimed_at: WallTime,
    /// When it is released if its holder stays silent: in wall time, an estimate.
    pub expires_at: WallTime,
    /// Whether the two only may collide: settling it would take more work than one pair may.
    pub is_assumed: bool,
}

/// A feature that could not be picked, and what is in its way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Blocked {
    /// The feature.
    pub slug: Slug,
    /// What is in its way.
    pub by: Blocker,
}

/// What keeps a feature from being picked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Blocker {
    /// Features that it depends on and that are not over.
    Dependencies(Vec<Slug>),
    /// A path that somebody else holds.
    Claim(Box<Conflict>),
}

/// A kind of thing, for messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum EntityKind {
    /// An engineer.
    Engineer,
    /// An API key.
    Key,
    /// A project.
    Project,
    /// A member of a project.
    Member,
    /// A feature.
    Feature,
    /// A session.
    Session,
    /// A node.
    Node,
    /// A decision.
    Decision,
}

impl EntityKind {
    /// Its name in a sentence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Engineer => "engineer",
            Self::Key => "API key",
            Self::Project => "project",
            Self::Member => "member",
            Self::Feature => "feature",
            Self::Session => "session",
            Self::Node => "node",
            Self::Decision => "decision",
        }
    }
}

/// Why a command was not carried out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The key was revoked or expired before the command was applied.
    #[error("the API key is no longer valid")]
    KeyRevoked,
    /// The engineer may only read.
    #[error("your role is {}, which may not do this", role.name())]
    RoleTooLow {
        /// The role.
        role: Role,
    },
    /// Only some members may do it.
    #[error("only a {} of the project may do this", needed.name())]
    MemberRoleTooLow {
        /// What is needed.
        needed: MemberRole,
    },
    /// The engineer is not in the project.
    #[error("you are not a member of this project; ask one of its leads to add you")]
    NotProjectMember,
    /// The key is for one project, and this is not in it.
    #[error("this API key is limited to one project, and this is not in it")]
    KeyOutOfScope,
    /// Registration is not open, or the bootstrap token is wrong or used.
    #[error("{0}")]
    RegistrationClosed(RegistrationRefusal),
    /// A join token is unknown or expired.
    #[error("the join token is unknown or expired; make a new one with: nexus cluster join-token")]
    JoinTokenInvalid,
    /// The session belongs to another engineer.
    #[error("session {0} belongs to another engineer")]
    ForeignSession(SessionId),
    /// There is no such thing.
    #[error("no {} {name}", kind.name())]
    NotFound {
        /// What kind of thing.
        kind: EntityKind,
        /// As it was asked for.
        name: String,
    },
    /// The e-mail address is taken.
    #[error("{0} is registered already")]
    EmailTaken(Email),
    /// The key's lookup prefix is taken: mint another.
    #[error("this key collides with another; try again")]
    KeyPrefixTaken,
    /// The slug is taken.
    #[error("the {} slug {slug} is taken", kind.name())]
    SlugTaken {
        /// Of what kind.
        kind: EntityKind,
        /// The slug.
        slug: Slug,
    },
    /// The engineer is in the project already.
    #[error("this engineer is a member already")]
    MemberExists,
    /// A feature cannot go from where it is to there.
    #[error("feature {slug} is {from}{}", beyond(.from, .to))]
    InvalidTransition {
        /// The feature.
        slug: Slug,
        /// Its stage.
        from: String,
        /// The stage asked for.
        to: String,
    },
    /// Only drafts can be thrown away.
    #[error("feature {slug} is {status}: only drafts can be deleted; {}", instead_of_deleting(status))]
    NotADraft {
        /// The feature.
        slug: Slug,
        /// Its stage.
        status: String,
    },
    /// Only what is done or cancelled can be deleted as finished.
    #[error("feature {slug} is {status}: only what is done or cancelled can be deleted as finished")]
    NotFinished {
        /// The feature.
        slug: Slug,
        /// Its stage.
        status: String,
    },
    /// Features that must be over first are not.
    #[error("feature {slug} waits for {}", list(open))]
    DependenciesOpen {
        /// The feature.
        slug: Slug,
        /// What it waits for.
        open: Vec<Slug>,
    },
    /// Dependencies would go round in a circle.
    #[error("feature {slug} would depend on itself through {through}")]
    DependencyCycle {
        /// The feature.
        slug: Slug,
        /// A dependency that leads back to it.
        through: Slug,
    },
    /// Somebody works on it already.
    #[error("feature {slug} is held by {}", describe(by))]
    FeatureClaimed {
        /// The feature.
        slug: Slug,
        /// By whom.
        by: Box<HolderNote>,
    },
    /// Paths are held by others.
    #[error("file conflicts with {}", conflict_holders(conflicts))]
    FilesClaimed {
        /// The first of them, at most [`MAX_LISTED`].
        conflicts: Vec<Conflict>,
    },
    /// Only the holder may release or finish.
    #[error("feature {slug} is held by {}; only its holder can do this", describe(by))]
    NotHolder {
        /// The feature.
        slug: Slug,
        /// Who holds it.
        by: Box<HolderNote>,
    },
    /// No feature is free.
    #[error("no feature is free to pick{}", blocked_note(blocked))]
    NothingAvailable {
        /// Ready features and what is in their way, at most [`MAX_LISTED`].
        blocked: Vec<Blocked>,
    },
    /// More than is allowed.
    #[error("{what}: at most {limit} are allowed")]
    TooMany {
        /// Of what.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// More than somebody may store.
    #[error("{}", quota_note(*owner, *resource, *used, *more, *quota))]
    QuotaExceeded {
        /// Whose quota it is.
        owner: Owner,
        /// Of what.
        resource: Resource,
        /// How much is used.
        used: u64,
        /// How much more was asked for.
        more: u64,
        /// How much may be used.
        quota: u64,
    },
    /// The same idempotency key with another request.
    #[error("this Idempotency-Key was used for another request; use a new one")]
    IdempotencyKeyReused,
    /// The cluster exists already, or does not yet.
    #[error("{0}")]
    Cluster(String),
    /// A setting is out of its range.
    #[error("{setting} {problem}")]
    SettingOutOfRange {
        /// Which.
        setting: String,
        /// What is wrong.
        problem: String,
    },
    /// The slug is a word of the API's own addresses.
    #[error("the slug {0} is reserved; choose another one")]
    SlugReserved(Slug),
    /// Paths are claimed for a feature only while somebody works on it.
    #[error("feature {slug} is {status}: paths can be claimed for it once it is picked")]
    NotActive {
        /// The feature.
        slug: Slug,
        /// Its stage.
        status: String,
    },
    /// The key is for reading only, whatever its owner may do.
    #[error("this API key is for reading only")]
    KeyReadonly,
    /// A feature has one place on the roadmap.
    #[error("feature {0} is named twice: it can have only one place")]
    NamedTwice(Slug),
    /// A ticket is unknown, used or expired.
    #[error("the ticket is unknown, used or expired; get a new one with POST /api/auth/ws-ticket")]
    TicketInvalid,
    /// The slot of the request has answered a later one: its node has given it up, or counts from an older copy of
    /// its data folder.
    #[error("the node that took this request in has given it up; send it again")]
    Superseded,
    /// It would take more work than one request may cause.
    #[error("{doing} takes more work than one request may cause: {instead}")]
    TooMuchWork {
        /// What takes it.
        doing: String,
        /// What to do.
        instead: String,
    },
}

/// Why somebody could not register.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum RegistrationRefusal {
    /// Needs an invitation.
    #[error("registration is by invitation; ask an admin")]
    InviteOnly,
    /// Is closed.
    #[error("registration is closed; ask an admin")]
    Closed,
    /// The bootstrap token is wrong, or was used.
    #[error("the bootstrap token is wrong or was used already")]
    BootstrapToken,
}

impl Refusal {
    /// With only the first items of its list, in so many bytes; none when all of them fit.
    pub(crate) fn cut(&self, most: usize) -> Option<Self> {
        if self.list_bytes() <= most {
            return None;
        }
        let mut cut = self.clone();
        match &mut cut {
            Self::FilesClaimed { conflicts } => first_of(conflicts, most, conflict_bytes),
            Self::NothingAvailable { blocked } => first_of(blocked, most, blocked_bytes),
            Self::DependenciesOpen { open, .. } => first_of(open, most, |slug| slug.as_str().len()),
            _ => return None,
        }
        Some(cut)
    }

    /// About how many bytes its list takes.
    pub(crate) fn list_bytes(&self) -> usize {
        match self {
            Self::FilesClaimed { conflicts } => conflicts.iter().map(conflict_bytes).sum(),
            Self::NothingAvailable { blocked } => blocked.iter().map(blocked_bytes).sum(),
            Self::DependenciesOpen { open, .. } => open.iter().map(|slug| slug.as_str().len()).sum(),
            _ => 0,
        }
    }
}

/// Keeps the first items, one of them in any case.
fn first_of<T>(items: &mut Vec<T>, most: usize, bytes: fn(&T) -> usize) {
    let mut total = 0;
    let fits = |item: &&T| {
        total += bytes(item);
        total <= most
    };
    let count = items.iter().take_while(fits).count();
    items.truncate(count.max(1));
}

fn conflict_bytes(conflict: &Conflict) -> usize {
    /// Ids, times and names.
    const REST: usize = 200;
    REST + conflict.path.as_str().len() + conflict.wanted.as_str().len()
}

fn blocked_bytes(blocked: &Blocked) -> usize {
    let by = match &blocked.by {
        Blocker::Dependencies(open) => open.iter().map(|slug| slug.as_str().len()).sum(),
        Blocker::Claim(conflict) => conflict_bytes(conflict),
    };
    blocked.slug.as_str().len() + by
}

fn beyond(from: &str, to: &str) -> String {
    if from == to { " already".to_owned() } else { format!(": it cannot become {to}") }
}

fn instead_of_deleting(status: &str) -> &'static str {
    match status {
        "done" | "cancelled" => "delete it as a finished one",
        _ => "cancel it instead",
    }
}

/// Which quota is full, by how much, and what makes place.
fn quota_note(owner: Owner, resource: Resource, used: u64, more: u64, quota: u64) -> String {
    let [used, more, quota] = [used, more, quota].map(|amount| resource.amount(amount));
    let whose = match owner {
        Owner::Cluster => "the cluster's quota",
        Owner::Project(_) => "this project's quota",
        Owner::Engineer(_) => "this engineer's quota",
    };
    let place = match (owner, resource) {
        (_, Resource::Projects) => "delete projects that are over",
        (Owner::Cluster, _) => "delete projects and features that are over",
        (Owner::Project(_) | Owner::Engineer(_), _) => "delete features that are over, or give claims back",
    };
    let setting = format!("quota.{}.{resource}", owner.kind());
    format!(
        "{whose} of {resource} is full: {used} of {quota} are used, and this takes {more}; {place}, or ask an admin to \
         raise {setting}"
    )
}

fn describe(note: &HolderNote) -> String {
    match &note.holder.agent {
        Some(agent) => format!("{}'s agent \"{agent}\"", note.engineer_name),
        None => note.engineer_name.to_string(),
    }
}

fn list(slugs: &[Slug]) -> String {
    slugs.iter().map(Slug::as_str).collect::<Vec<_>>().join(", ")
}

fn conflict_holders(conflicts: &[Conflict]) -> String {
    /// Holders named in one message: more would hide the first.
    const NAMED: usize = 10;
    let mut names: Vec<String> = Vec::new();
    for conflict in conflicts {
        let by = describe(&conflict.by);
        let path = match conflict.is_assumed {
            false => conflict.path.to_string(),
            true => format!(
                "{}, too complex to tell apart from {}, so that it counts as a collision",
                conflict.path, conflict.wanted
            ),
        };
        let name = match &conflict.feature {
            Some((_, slug)) => format!("{by} on {slug} ({path})"),
            None => format!("{by} ({path})"),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let named = names.join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

fn blocked_note(blocked: &[Blocked]) -> String {
    match blocked.len() {
        0 => ": none is ready".to_owned(),
        1 => ": the one that is ready is blocked".to_owned(),
        MAX_LISTED => format!(": the first {MAX_LISTED} that are ready are blocked"),
        n => format!(": all {n} that are ready are blocked"),
    }
}
