//! Bookkeeping for texts whose content the state does not hold: the number and bytes of each author's texts, and
//! which replaced lists of features are stored for past events.

use super::State;
use crate::{
    document::{Document, DocumentKey},
    entity::{Feature, ReplacedLists},
    ids::{FeatureId, ProjectId},
    row::{RowKey, TextKey},
    time::Revision,
    usage::{MEMORY_OF_TEXT, TextCount, Usage},
};
use std::collections::BTreeSet;

impl State {
    /// Counts a text that is written, unless it is counted with its feature or decision.
    pub(crate) fn count_text(
        &mut self,
        key: &DocumentKey,
        document: &Document,
        touched: &mut BTreeSet<RowKey>,
    ) {
        let Some(key) = text_key(key, document) else { return };
        let Some(usage) = Usage::of_text(document) else { return };
        let before = self.text_counts.get(&key).copied().unwrap_or_default();
        self.put_text_count(key, TextCount { count: before.count + 1, bytes: before.bytes + usage.texts });
        touched.insert(RowKey::TextCount(key));
    }

    pub(super) fn put_text_count(&mut self, key: TextKey, after: TextCount) {
        let before = if after == TextCount::default() {
            self.text_counts.remove(&key)
        } else {
            self.text_counts.insert(key, after)
        };
        let before = before.unwrap_or_default();
        self.usage.replace(key.project, key.engineer, before.usage(), after.usage());
    }

    pub(crate) fn put_replaced_lists(
        &mut self,
        project: ProjectId,
        feature: FeatureId,
        at: Revision,
        kept: ReplacedLists,
    ) {
        self.remove_replaced_lists(project, feature, at);
        self.replaced_lists_by_age.insert((at, project, feature));
        self.replaced_lists.insert((project, feature, at), kept);
        self.usage.replace(project, kept.replaced_by, Usage::default(), usage_of(kept));
    }

    pub(crate) fn remove_replaced_lists(&mut self, project: ProjectId, feature: FeatureId, at: Revision) {
        if let Some(kept) = self.replaced_lists.remove(&(project, feature, at)) {
            self.replaced_lists_by_age.remove(&(at, project, feature));
            self.usage.replace(project, kept.replaced_by, usage_of(kept), Usage::default());
        }
    }

    /// The replaced lists of a feature with the revisions that replaced them, oldest first.
    pub(crate) fn replaced_lists_of(
        &self,
        project: ProjectId,
        feature: FeatureId,
    ) -> impl Iterator<Item = (Revision, ReplacedLists)> {
        let all = (project, feature, Revision(0))..=(project, feature, Revision(u64::MAX));
        self.replaced_lists.range(all).map(|((_, _, at), kept)| (*at, *kept))
    }

    /// The oldest replaced lists, if they were replaced before `revision`.
    pub(crate) fn lists_replaced_before(
        &self,
        revision: Revision,
    ) -> Option<(ProjectId, FeatureId, Revision, ReplacedLists)> {
        let (at, project, feature) =
            *self.replaced_lists_by_age.get_min().filter(|(at, ..)| *at < revision)?;
        let kept = *self.replaced_lists.get(&(project, feature, at))?;
        Some((project, feature, at, kept))
    }

    /// Removes everything that the state stores about the texts of a feature.
    pub(super) fn remove_texts_of(&mut self, feature: &Feature, touched: &mut BTreeSet<RowKey>) {
        for key in self.text_counts_of(feature.project, Some(feature.id)) {
            self.put_text_count(key, TextCount::default());
            touched.insert(RowKey::TextCount(key));
        }
        let replaced: Vec<Revision> =
            self.replaced_lists_of(feature.project, feature.id).map(|(at, _)| at).collect();
        for at in replaced {
            self.remove_replaced_lists(feature.project, feature.id, at);
            touched.insert(RowKey::ReplacedLists(feature.project, feature.id, at));
        }
    }
}

const fn usage_of(kept: ReplacedLists) -> Usage {
    Usage { memory: MEMORY_OF_TEXT, texts: kept.bytes, projects: 0 }
}

/// The key under which a text is counted; `None` if it is counted with its feature or decision.
fn text_key(key: &DocumentKey, document: &Document) -> Option<TextKey> {
    let (project, feature) = match key {
        DocumentKey::Checkpoint(project, feature, _) | DocumentKey::Learning(project, feature, _) => {
            (*project, Some(*feature))
        }
        DocumentKey::Decision(project, _) => (*project, None),
        DocumentKey::Spec(..) | DocumentKey::Lists(..) | DocumentKey::DecisionAbout(..) => return None,
    };
    let engineer = match document {
        Document::Checkpoint(checkpoint) => checkpoint.engineer,
        Document::Learning(learning) => learning.engineer,
        Document::Decision(decision) => decision.engineer,
        Document::Spec(_) | Document::Lists(_) | Document::Mark => return None,
    };
    Some(TextKey { project, feature, engineer })
}
