//! The interface of every command: the facts about it, the right to see its reply again, and its decision.

use super::context::Context;
use crate::{
    document::{Document, DocumentKey},
    erasure::Erasure,
    event::Event,
    ids::ProjectId,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};

/// The refusal of a command that some nodes do not know yet.
pub const TOO_NEW: &str = "not every node of the cluster knows how to do this yet: upgrade them all";

/// The rule of one command.
pub(crate) trait Decide {
    /// The facts about the command.
    fn facts(&self) -> Facts;

    /// Whether deciding may take much work in this state. The node that receives such a command computes beforehand how
    /// much, and proposes one of them at a time. A usual pick is not expensive: it is decided once, in the log.
    fn may_be_expensive(&self, state: &State) -> bool;

    /// Checks that the actor has the right to send this command now, before a retry gets the cached answer. The right
    /// may have been lost since the first request, or the API key of the retry may be narrower. It checks rights and
    /// nothing else. It is not asked about the cluster and anonymous clients: their requests are the cluster's own, or
    /// have a token that is part of them.
    ///
    /// # Errors
    /// The refusal that a new request would get.
    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal>;

    /// Decides the command, within the budget of one entry. Deciding never changes the state.
    ///
    /// # Errors
    /// The refusal. Then nothing changes.
    fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal>;
}

/// The facts about a command that other crates need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The version of the rules that introduced it. It must not be in the log of a cluster with older rules.
    pub since: RulesVersion,
    /// Whether the cluster stores more than before when it is applied. Such commands are refused while disks are full;
    /// those that make room are not.
    pub grows: bool,
    /// Whether only the cluster itself proposes it, and never a client.
    pub is_internal: bool,
    /// The project that the command is about. `None` if it is about the cluster or about engineers, or makes a project.
    pub project: Option<ProjectId>,
}

/// The outcome of a command that is carried out.
#[derive(Debug)]
pub(crate) struct Decision {
    /// The events, in order.
    pub(crate) events: Vec<Event>,
    /// Documents to write, or to delete.
    pub(crate) documents: Vec<(DocumentKey, Option<Document>)>,
    /// Ranges of texts or events to erase.
    pub(crate) erased: Vec<Erasure>,
    /// The reply to the client.
    pub(crate) reply: Reply,
}

impl Decision {
    pub(crate) fn new(events: Vec<Event>, reply: Reply) -> Self {
        Self { events, documents: Vec::new(), erased: Vec::new(), reply }
    }

    pub(crate) fn with_document(mut self, key: DocumentKey, document: Option<Document>) -> Self {
        self.documents.push((key, document));
        self
    }

    pub(crate) fn with_documents(mut self, documents: Vec<(DocumentKey, Option<Document>)>) -> Self {
        self.documents.extend(documents);
        self
    }

    pub(crate) fn erasing(mut self, erasure: Erasure) -> Self {
        self.erased.push(erasure);
        self
    }
}

/// Events, and documents to write or to delete.
pub(crate) type Effects = (Vec<Event>, Vec<(DocumentKey, Option<Document>)>);
