//! Refusals: why a command was not carried out. A refusal changes nothing. It is replicated and cached like any reply.

use crate::{
    entity::{Holder, MemberRole, Role, SessionNote},
    ids::{FeatureId, SessionId},
    pattern::Pattern,
    short_text::{Email, Name, Slug},
    time::WallTime,
    usage::{Owner, Resource},
};
use serde::{Deserialize, Serialize};

/// Conflicts or blocked features in one refusal: people read ten, and the reply cache stores every refusal.
pub const MAX_LISTED: usize = 100;

/// A holder with the engineer's name, as it was when the command was refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HolderNote {
    /// The session, its engineer and its agent.
    pub holder: Holder,
    /// The engineer's name.
    pub engineer_name: Name,
    /// The session, as people recognise it; `None` if it is over.
    pub session: Option<Box<SessionNote>>,
}

/// A wanted path that collides with the claim of another session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Conflict {
    /// The path as its holder claimed it.
    pub path: Pattern,
    /// The path that the command wanted.
    pub wanted: Pattern,
    /// The holder of the claim.
    pub by: HolderNote,
    /// The feature that it is claimed for; `None` for a claim of the session alone.
    pub feature: Option<(FeatureId, Slug)>,
    /// The wall time at which it was claimed.
    pub claimed_at: WallTime,
    /// The estimated wall time at which it is released if its session sends nothing more.
    pub expires_at: WallTime,
    /// Whether the collision is assumed: deciding it would take more steps than one pair of patterns may take.
    pub is_assumed: bool,
}

/// A ready feature that cannot be picked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Blocked {
    /// The slug of the feature.
    pub slug: Slug,
    /// The first thing that blocks it.
    pub by: Blocker,
}

/// Why a feature cannot be picked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Blocker {
    /// Its dependencies that are neither done nor cancelled.
    Dependencies(Vec<Slug>),
    /// A claim of another session on one of its paths.
    Claim(Box<Conflict>),
}

/// The kind of an entity, for messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum EntityKind {
    /// An engineer of the cluster.
    Engineer,
    /// An API key.
    Key,
    /// A project of the cluster.
    Project,
    /// A member of a project.
    Member,
    /// A feature of a project.
    Feature,
    /// A session of an engineer.
    Session,
    /// A node of the cluster.
    Node,
    /// A decision about a project.
    Decision,
}

impl EntityKind {
    /// The kind's name in a sentence.
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

/// Why a command was not carried out. The text says what happened, to what, and what to do next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The key was revoked or expired before the command was applied.
    #[error("the API key is no longer valid")]
    KeyRevoked,
    /// The engineer's role in the cluster does not allow it.
    #[error("your role is {}, which may not do this", role.name())]
    RoleTooLow {
        /// The engineer's role.
        role: Role,
    },
    /// The engineer's role in the project does not allow it.
    #[error("only a {} of the project may do this", needed.name())]
    MemberRoleTooLow {
        /// The role that is needed.
        needed: MemberRole,
    },
    /// The engineer is not in the project.
    #[error("you are not a member of this project; ask one of its leads to add you")]
    NotProjectMember,
    /// The API key is restricted to another project.
    #[error("this API key is limited to one project, and this is not in it")]
    KeyOutOfScope,
    /// Registration is not open, or the bootstrap token is wrong or used.
    #[error("{0}")]
    RegistrationClosed(RegistrationRefusal),
    /// The join token is unknown or expired.
    #[error("the join token is unknown or expired; make a new one with: nexus cluster join-token")]
    JoinTokenInvalid,
    /// The session belongs to another engineer.
    #[error("session {0} belongs to another engineer")]
    ForeignSession(SessionId),
    /// The entity does not exist.
    #[error("no {} {name}", kind.name())]
    NotFound {
        /// The kind of the entity.
        kind: EntityKind,
        /// The id, slug or name in the request.
        name: String,
    },
    /// The e-mail address is taken.
    #[error("{0} is registered already")]
    EmailTaken(Email),
    /// Another API key has the same lookup prefix: the client creates another one.
    #[error("this key collides with another; try again")]
    KeyPrefixTaken,
    /// The slug is taken.
    #[error("the {} slug {slug} is taken", kind.name())]
    SlugTaken {
        /// The kind of the entity that has the slug.
        kind: EntityKind,
        /// The slug in the request.
        slug: Slug,
    },
    /// The engineer is a member of the project already.
    #[error("this engineer is a member already")]
    MemberExists,
    /// A feature cannot change from its status to the requested one.
    #[error("feature {slug} is {}{}", stage(.from), beyond(.from, .to))]
    InvalidTransition {
        /// The slug of the feature.
        slug: Slug,
        /// The current status.
        from: String,
        /// The requested status.
        to: String,
    },
    /// Only drafts can be deleted as drafts.
    #[error(
        "feature {slug} is {}: only drafts can be deleted; {}",
        stage(status),
        instead_of_deleting(status)
    )]
    NotADraft {
        /// The slug of the feature.
        slug: Slug,
        /// The current status.
        status: String,
    },
    /// Only done or cancelled features can be deleted as finished.
    #[error("feature {slug} is {}: only what is done or cancelled can be deleted as finished", stage(status))]
    NotFinished {
        /// The slug of the feature.
        slug: Slug,
        /// The current status.
        status: String,
    },
    /// A dependency is neither done nor cancelled.
    #[error("feature {slug} waits for {}", list(open))]
    DependenciesOpen {
        /// The slug of the feature.
        slug: Slug,
        /// The open dependencies.
        open: Vec<Slug>,
    },
    /// The dependencies would form a cycle.
    #[error("feature {slug} would depend on itself through {through}")]
    DependencyCycle {
        /// The slug of the feature.
        slug: Slug,
        /// A dependency that leads back to it.
        through: Slug,
    },
    /// Another session has picked the feature.
    #[error("feature {slug} is held by {}", describe(by))]
    FeatureClaimed {
        /// The slug of the feature.
        slug: Slug,
        /// The session that holds it.
        by: Box<HolderNote>,
    },
    /// Other sessions hold colliding claims.
    #[error("file conflicts with {}", conflict_holders(conflicts))]
    FilesClaimed {
        /// The first collisions, at most [`MAX_LISTED`].
        conflicts: Vec<Conflict>,
    },
    /// Only the holder may release or complete a feature.
    #[error("feature {slug} is held by {}; only its holder can do this", describe(by))]
    NotHolder {
        /// The slug of the feature.
        slug: Slug,
        /// The session that holds it.
        by: Box<HolderNote>,
    },
    /// No ready feature can be picked.
    #[error("no feature is free to pick{}", blocked_note(blocked))]
    NothingAvailable {
        /// The first ready features and what blocks them, at most [`MAX_LISTED`].
        blocked: Vec<Blocked>,
    },
    /// A fixed limit on a number of things would be exceeded.
    #[error("{what}: at most {limit} are allowed")]
    TooMany {
        /// The counted things, for the end of a sentence.
        what: String,
        /// The number that is allowed.
        limit: u64,
    },
    /// A storage quota would be exceeded.
    #[error("{}", quota_note(*owner, *resource, *used, *more, *quota))]
    QuotaExceeded {
        /// The owner of the quota.
        owner: Owner,
        /// The resource that the quota limits.
        resource: Resource,
        /// The amount in use, in bytes or projects.
        used: u64,
        /// The amount that the command would add.
        more: u64,
        /// The amount that is allowed.
        quota: u64,
    },
    /// The idempotency key was used with another request.
    #[error("this Idempotency-Key was used for another request; use a new one")]
    IdempotencyKeyReused,
    /// The state of the cluster does not allow it, for the reason given.
    #[error("{0}")]
    Cluster(String),
    /// A setting is out of its range.
    #[error("{setting} {problem}")]
    SettingOutOfRange {
        /// The name of the setting or field.
        setting: String,
        /// The range that is allowed.
        problem: String,
    },
    /// The slug has another meaning in the API's addresses.
    #[error("the slug {0} is reserved; choose another one")]
    SlugReserved(Slug),
    /// Paths can be claimed for a feature only while it is picked.
    #[error("feature {slug} is {}: paths can be claimed for it once it is picked", stage(status))]
    NotActive {
        /// The slug of the feature.
        slug: Slug,
        /// The current status.
        status: String,
    },
    /// The API key is read-only.
    #[error("this API key is for reading only")]
    KeyReadonly,
    /// The request names a feature twice.
    #[error("feature {0} is named twice: it can have only one place")]
    NamedTwice(Slug),
    /// The ticket is unknown, used or expired.
    #[error("the ticket is unknown, used or expired; get a new one with POST /api/auth/ws-ticket")]
    TicketInvalid,
    /// The slot of the request was used by a later one: the node gave the request up, or its data folder was restored
    /// from an older copy.
    #[error("the node that took this request in has given it up; send it again")]
    Superseded,
    /// The command would take more steps than a [`WorkBudget`](crate::WorkBudget) has.
    #[error("{doing} takes more work than one request may cause: {instead}")]
    TooMuchWork {
        /// The part that takes so long.
        doing: String,
        /// The alternative, as a sentence part.
        instead: String,
    },
    /// The engineer may not give this key.
    #[error("{0}")]
    KeyReset(KeyResetRefusal),
}

/// Why a registration was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum RegistrationRefusal {
    /// The setting `registration` is `invite`, and no admin asks.
    #[error("registration is by invitation; ask an admin")]
    InviteOnly,
    /// The setting `registration` is `closed`.
    #[error("registration is closed; ask an admin")]
    Closed,
    /// The bootstrap token is wrong or was used.
    #[error("the bootstrap token is wrong or was used already")]
    BootstrapToken,
}

/// Why an engineer may not give another one a new API key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum KeyResetRefusal {
    /// The engineer asks for themselves.
    #[error("this is yourself; make another key of yours instead")]
    OwnKey,
    /// No admin asks, and the key is not limited to a project.
    #[error(
        "only an admin gives a key for everything; a lead gives one for a project of theirs, named as projectId"
    )]
    LeadWithoutProject,
    /// A lead asks for an admin.
    #[error("only an admin gives an admin a new key")]
    AdminsKey,
    /// A lead asks that other keys stay.
    #[error("only an admin lets the former keys stay valid")]
    LeadKeepsOthers,
}

impl Refusal {
    /// The refusal of a command that would take too many steps: what takes so long, and what to do instead.
    pub(crate) fn too_much_work(doing: &str, instead: &str) -> Self {
        Self::TooMuchWork { doing: doing.to_owned(), instead: instead.to_owned() }
    }

    /// The same refusal with only the first items of its list, at most `most` bytes; `None` if all items fit.
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

    /// The approximate bytes of its list.
    pub(crate) fn list_bytes(&self) -> usize {
        match self {
            Self::FilesClaimed { conflicts } => conflicts.iter().map(conflict_bytes).sum(),
            Self::NothingAvailable { blocked } => blocked.iter().map(blocked_bytes).sum(),
            Self::DependenciesOpen { open, .. } => open.iter().map(|slug| slug.as_str().len()).sum(),
            _ => 0,
        }
    }
}

/// Keeps the first items that fit, and at least one.
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
    /// Bytes of the ids, times and names.
    const REST: usize = 200;
    let session = conflict.by.session.as_ref().map_or(0, |session| session.bytes());
    REST + conflict.path.as_str().len() + conflict.wanted.as_str().len() + session
}

fn blocked_bytes(blocked: &Blocked) -> usize {
    let by = match &blocked.by {
        Blocker::Dependencies(open) => open.iter().map(|slug| slug.as_str().len()).sum(),
        Blocker::Claim(conflict) => conflict_bytes(conflict),
    };
    blocked.slug.as_str().len() + by
}

/// A status after "is".
fn stage(status: &str) -> &str {
    if status == "draft" { "a draft" } else { status }
}

fn beyond(from: &str, to: &str) -> String {
    if from == to { " already".to_owned() } else { format!(": it cannot become {}", stage(to)) }
}

fn instead_of_deleting(status: &str) -> &'static str {
    match status {
        "done" | "cancelled" => "delete it as a finished one",
        _ => "cancel it instead",
    }
}

/// Says which quota is full, by how much, and what frees some of it.
fn quota_note(owner: Owner, resource: Resource, used: u64, more: u64, quota: u64) -> String {
    let [used, more, quota] = [used, more, quota].map(|amount| resource.amount(amount));
    let whose = match owner {
        Owner::Cluster => "the cluster's quota",
        Owner::Project(_) => "this project's quota",
        Owner::Engineer(_) => "this engineer's quota",
    };
    let advice = match (owner, resource) {
        (_, Resource::Projects) => "delete projects that are over",
        (Owner::Cluster, _) => "delete projects and features that are over",
        (Owner::Project(_) | Owner::Engineer(_), _) => "delete features that are over, or give claims back",
    };
    let setting = format!("quota.{}.{resource}", owner.kind());
    format!(
        "{whose} of {resource} is full: {used} of {quota} are used, and this takes {more}; {advice}, or ask an admin to \
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
    /// Holders in one message: more would hide the first.
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
