//! Storage quotas: everything that an owner stores is added up anew whenever it is asked for.

use super::{
    outcome::Outcome,
    world::{Amount, Feature, World},
};
use nexus_domain::{
    EngineerId, ProjectId,
    pattern::Pattern,
    usage::{Owner, Resource},
};

const FEATURE_BYTES: u64 = 800;
const LISTED_BYTES: u64 = 110;
const CLAIM_BYTES: u64 = 300;
const SESSION_BYTES: u64 = 1_500;
const PROJECT_BYTES: u64 = 1_500;
const MEMBER_BYTES: u64 = 300;
const MEMORY_OF_TEXT: u64 = 150;
/// Bytes on disk of a text without its content.
pub(super) const TEXT_BYTES: u64 = 300;

impl Amount {
    pub(super) const SESSION: Self = Self::of_memory(SESSION_BYTES);
    pub(super) const MEMBER: Self = Self::of_memory(MEMBER_BYTES);
    pub(super) const PROJECT: Self = Self { memory: PROJECT_BYTES, texts: 0, projects: 1 };

    const fn of_memory(memory: u64) -> Self {
        Self { memory, texts: 0, projects: 0 }
    }

    /// The storage of a text with this many bytes on disk.
    pub(super) const fn of_text(bytes: u64) -> Self {
        Self { memory: MEMORY_OF_TEXT, texts: bytes, projects: 0 }
    }

    pub(super) fn of_claims<'a>(paths: impl IntoIterator<Item = &'a Pattern>) -> Self {
        let of = |path: &Pattern| CLAIM_BYTES + path.as_str().len() as u64 + 2 * path.automaton_bytes();
        Self::of_memory(paths.into_iter().map(of).sum())
    }

    pub(super) fn of_feature(feature: &Feature) -> Self {
        let paths: u64 = feature
            .paths()
            .map(|path| LISTED_BYTES + path.as_str().len() as u64 + path.automaton_bytes())
            .sum();
        let slugs: u64 = feature.depends_on.iter().map(|slug| LISTED_BYTES + slug.len() as u64).sum();
        let names = (feature.slug.len() + feature.title.len()) as u64;
        let memory = FEATURE_BYTES + names + paths + slugs;
        Self { memory, texts: TEXT_BYTES + feature.spec_bytes, projects: 0 }
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            memory: self.memory + other.memory,
            texts: self.texts + other.texts,
            projects: self.projects + other.projects,
        }
    }

    pub(super) const fn beyond(self, other: Self) -> Self {
        Self {
            memory: self.memory.saturating_sub(other.memory),
            texts: self.texts.saturating_sub(other.texts),
            projects: self.projects.saturating_sub(other.projects),
        }
    }
}

/// Adds up anew what is stored. Quotas are compared with it until stock is taken again: all parts of one command are
/// compared with what was stored before it.
pub(super) fn take_stock(world: &mut World) {
    let mut stored = Vec::new();
    for (id, project) in &world.projects {
        stored.push((*id, project.created_by, Amount::PROJECT));
    }
    for ((project, _), member) in &world.members {
        stored.push((*project, member.added_by, Amount::MEMBER));
    }
    for feature in &world.features {
        stored.push((feature.project, feature.charged_to, Amount::of_feature(feature)));
    }
    for session in world.sessions.values() {
        stored.push((session.project, session.engineer, Amount::SESSION));
    }
    for claim in &world.claims {
        let engineer = world.sessions.get(&claim.session).map(|session| session.engineer);
        stored.push((claim.project, engineer.unwrap_or_default(), Amount::of_claims([&claim.path])));
    }
    for text in &world.texts {
        stored.push((text.project, text.engineer, Amount::of_text(text.bytes)));
    }
    world.stored = stored.into();
}

/// Everything that an owner stores.
fn used_by(world: &World, owner: Owner) -> Amount {
    let counts = |project: ProjectId, engineer: EngineerId| match owner {
        Owner::Cluster => true,
        Owner::Project(of) => of == project,
        Owner::Engineer(of) => of == engineer,
    };
    let stored = world.stored.iter().filter(|(project, engineer, _)| counts(*project, *engineer));
    stored.fold(Amount::default(), |used, (.., amount)| used.and(*amount))
}

/// Refuses what would exceed the quota of one of these owners, who are asked in this order.
pub(super) fn within(
    world: &World,
    owners: impl IntoIterator<Item = Owner>,
    more: Amount,
) -> Result<(), Outcome> {
    for owner in owners {
        let used = used_by(world, owner);
        let resources = [
            (Resource::Memory, used.memory, more.memory),
            (Resource::Texts, used.texts, more.texts),
            (Resource::Projects, used.projects, more.projects),
        ];
        for (resource, used, more) in resources {
            let Some(quota) = owner.quota(&world.settings.quotas, resource) else { continue };
            if more > 0 && used + more > quota {
                return Err(Outcome::of_kind("refused: quota exceeded")
                    .is("owner", format!("{owner:?}"))
                    .is("resource", resource)
                    .is("used", used)
                    .is("more", more)
                    .is("quota", quota));
            }
        }
    }
    Ok(())
}

/// The owners whose quotas limit what an engineer stores in a project.
pub(super) const fn owners(project: ProjectId, engineer: EngineerId) -> [Owner; 3] {
    [Owner::Project(project), Owner::Engineer(engineer), Owner::Cluster]
}
