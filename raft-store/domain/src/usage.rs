//! Counts the storage of each project, each engineer and the whole cluster, in bytes, for comparison with the quotas.
//! It is an index of the state: built from the rows, and updated whenever one of them changes.
//!
//! The figures are estimates, the same on every node, and not what an allocator reports.

use crate::{
    document::Document,
    entity::Feature,
    ids::{EngineerId, ProjectId},
    pattern::Pattern,
    settings::Quotas,
};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Memory of a feature without its texts and lists: the record and its index entries.
const FEATURE_BYTES: u64 = 800;
/// Memory of a path in a feature's lists without its text.
const LISTED_PATH_BYTES: u64 = 110;
/// Memory of a claim without its path: its key, its row's key and its entry in the index of paths.
const CLAIM_BYTES: u64 = 300;
/// Memory of a session with its client's metadata.
pub(crate) const SESSION_BYTES: u64 = 1_500;
/// Memory of a project with its names.
const PROJECT_BYTES: u64 = 1_500;
/// Memory of a member of a project.
pub(crate) const MEMBER_BYTES: u64 = 300;
/// Memory of a text, whose content is on disk: its count, and its entry where rules look it up.
pub(crate) const MEMORY_OF_TEXT: u64 = 150;
/// Bytes on disk of a text without its content.
const TEXT_BYTES: u64 = 300;

/// The storage of one owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Estimated bytes that each node keeps in memory: features with their paths, claims, sessions and the like.
    pub memory: u64,
    /// Estimated bytes on each node's disk: specs, checkpoints, learnings and decisions.
    pub texts: u64,
    /// Projects that the owner created.
    pub projects: u64,
}

impl Usage {
    /// A usage of memory alone.
    pub(crate) const fn of_memory(memory: u64) -> Self {
        Self { memory, texts: 0, projects: 0 }
    }

    /// The storage of a feature and its spec.
    pub(crate) fn of_feature(feature: &Feature) -> Self {
        let paths = feature.touches.iter().chain(&*feature.reads).map(path_bytes);
        let slugs = feature.depends_on.iter().map(|slug| LISTED_PATH_BYTES + slug.as_str().len() as u64);
        let names = (feature.slug.as_str().len() + feature.title.as_str().len()) as u64;
        let memory = FEATURE_BYTES + names + paths.chain(slugs).sum::<u64>();
        Self { memory, texts: TEXT_BYTES + u64::from(feature.spec_bytes), projects: 0 }
    }

    /// The storage of a claim.
    pub(crate) fn of_claim(path: &Pattern) -> Self {
        // A glob has two automata: of the text as written, and of the spelling that is compared.
        Self::of_memory(CLAIM_BYTES + path.as_str().len() as u64 + 2 * path.automaton_bytes())
    }

    /// The storage of an empty project.
    pub(crate) const fn of_project() -> Self {
        Self { memory: PROJECT_BYTES, texts: 0, projects: 1 }
    }

    /// The storage of a text; `None` for a text that is counted with its feature or decision.
    pub(crate) fn of_text(document: &Document) -> Option<Self> {
        let bytes = match document {
            // The feature knows the length of its spec, so that a replacement can be counted.
            Document::Spec(_) | Document::Mark => return None,
            Document::Checkpoint(checkpoint) => {
                let claims = checkpoint.claims.iter().map(|path| path.as_str().len() + 8);
                let notes = checkpoint.notes.as_deref().map_or(0, str::len);
                checkpoint.context.len() + notes + claims.sum::<usize>()
            }
            Document::Lists(lists) => {
                let paths = lists.touches.iter().chain(&*lists.reads).map(|path| path.as_str().len() + 8);
                let slugs = lists.depends_on.iter().map(|slug| slug.as_str().len() + 8);
                paths.chain(slugs).sum()
            }
            Document::Learning(learning) => learning.content.len(),
            Document::Decision(decision) => {
                let optional = [&decision.rationale, &decision.alternatives];
                let optional = optional.into_iter().flatten().map(|text| text.len());
                decision.title.as_str().len() + decision.decision.len() + optional.sum::<usize>()
            }
        };
        Some(Self { memory: MEMORY_OF_TEXT, texts: TEXT_BYTES + bytes as u64, projects: 0 })
    }

    /// How much this exceeds `other`, resource by resource; zero where it does not.
    pub(crate) const fn beyond(self, other: Self) -> Self {
        Self {
            memory: self.memory.saturating_sub(other.memory),
            texts: self.texts.saturating_sub(other.texts),
            projects: self.projects.saturating_sub(other.projects),
        }
    }

    /// Adds to every resource.
    pub(crate) fn add(&mut self, more: Self) {
        self.memory += more.memory;
        self.texts += more.texts;
        self.projects += more.projects;
    }

    fn subtract(&mut self, less: Self) {
        self.memory -= less.memory;
        self.texts -= less.texts;
        self.projects -= less.projects;
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum.add(one);
            sum
        })
    }
}

fn path_bytes(path: &Pattern) -> u64 {
    LISTED_PATH_BYTES + path.as_str().len() as u64 + path.automaton_bytes()
}

/// Counts the texts that one engineer wrote about a feature, or about a project as a whole. The state holds this count
/// instead of the texts, which no rule reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TextCount {
    /// The number of texts.
    pub count: u64,
    /// Their estimated bytes on disk.
    pub bytes: u64,
}

impl TextCount {
    /// The storage of these texts.
    pub(crate) const fn usage(self) -> Usage {
        Usage { memory: MEMORY_OF_TEXT * self.count, texts: self.bytes, projects: 0 }
    }
}

/// The owner of a quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Owner {
    /// The whole cluster.
    Cluster,
    /// One project with everything in it.
    Project(ProjectId),
    /// One engineer, over all projects.
    Engineer(EngineerId),
}

/// A resource that a quota limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Resource {
    /// Bytes in memory.
    Memory,
    /// Bytes of texts on disk.
    Texts,
    /// Projects that an engineer created.
    Projects,
}

impl Resource {
    /// All resources that quotas limit.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Texts, Self::Projects];

    /// The resource's name in settings, metrics and responses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Texts => "texts",
            Self::Projects => "projects",
        }
    }

    /// The amount of this resource in a usage.
    pub const fn of(self, usage: Usage) -> u64 {
        match self {
            Self::Memory => usage.memory,
            Self::Texts => usage.texts,
            Self::Projects => usage.projects,
        }
    }
}

impl Owner {
    /// The kind of owner, as it appears in the names of settings.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Project(_) => "project",
            Self::Engineer(_) => "engineer",
        }
    }

    /// How much of a resource this owner may use; `None` if there is no quota.
    pub const fn quota(self, quotas: &Quotas, resource: Resource) -> Option<u64> {
        match (self, resource) {
            (Self::Cluster, Resource::Memory) => Some(quotas.cluster_memory),
            (Self::Cluster, Resource::Texts) => Some(quotas.cluster_texts),
            (Self::Project(_), Resource::Memory) => Some(quotas.project_memory),
            (Self::Project(_), Resource::Texts) => Some(quotas.project_texts),
            (Self::Engineer(_), Resource::Memory) => Some(quotas.engineer_memory),
            (Self::Engineer(_), Resource::Texts) => Some(quotas.engineer_texts),
            (Self::Engineer(_), Resource::Projects) => Some(quotas.engineer_projects),
            (Self::Cluster | Self::Project(_), Resource::Projects) => None,
        }
    }
}

impl Resource {
    /// An amount of this resource, formatted for people.
    pub fn amount(self, of: u64) -> String {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        if self == Self::Projects {
            return of.to_string();
        }
        match UNITS.into_iter().find(|(size, _)| of >= *size) {
            Some((size, unit)) => format!("{}.{} {unit}", of / size, of % size * 10 / size),
            None => format!("{of} bytes"),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The storage of every owner.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct UsageIndex {
    cluster: Usage,
    projects: OrdMap<ProjectId, Usage>,
    engineers: OrdMap<EngineerId, Usage>,
}

impl UsageIndex {
    /// The storage of one owner.
    pub(crate) fn of(&self, owner: Owner) -> Usage {
        match owner {
            Owner::Cluster => self.cluster,
            Owner::Project(id) => self.projects.get(&id).copied().unwrap_or_default(),
            Owner::Engineer(id) => self.engineers.get(&id).copied().unwrap_or_default(),
        }
    }

    /// All owners that store anything, the cluster first.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Owner, Usage)> + '_ {
        let projects = self.projects.iter().map(|(id, usage)| (Owner::Project(*id), *usage));
        let engineers = self.engineers.iter().map(|(id, usage)| (Owner::Engineer(*id), *usage));
        std::iter::once((Owner::Cluster, self.cluster)).chain(projects).chain(engineers)
    }

    /// Replaces the storage of one thing, which belongs to a project and counts against an engineer.
    pub(crate) fn replace(&mut self, project: ProjectId, engineer: EngineerId, before: Usage, after: Usage) {
        if before == after {
            return;
        }
        let change = |usage: &mut Usage| {
            usage.add(after);
            usage.subtract(before);
        };
        change(&mut self.cluster);
        // An owner that stores nothing has no entry, so that the index is a function of the rows alone.
        let usage = self.projects.entry(project).or_default();
        change(usage);
        if *usage == Usage::default() {
            self.projects.remove(&project);
        }
        let usage = self.engineers.entry(engineer).or_default();
        change(usage);
        if *usage == Usage::default() {
            self.engineers.remove(&engineer);
        }
    }
}
