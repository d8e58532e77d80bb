//! Claims that a run could not make again after its session had ended, such as while the machine slept.

use crate::text::format;
use nexus_api_types::{claim::Conflict, holder::HolderSession};
use serde::{Deserialize, Serialize};

/// A feature or path that the run held and could not claim again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LostClaim {
    /// The slug of the feature, or the path.
    pub(crate) what: String,
    /// Whether it is a feature.
    #[serde(default)]
    pub(crate) is_feature: bool,
    /// The message of the refusal.
    pub(crate) why: String,
    /// The path that another session holds: one of the feature's, or the lost one as it is claimed.
    #[serde(default)]
    pub(crate) path: Option<String>,
    /// The present holder, if there is one.
    #[serde(default)]
    pub(crate) by: Option<PresentHolder>,
}

/// The present holder of a claim that a run has lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PresentHolder {
    /// The engineer's name.
    pub(crate) engineer_name: String,
    /// The agent of the session; none for the engineer's own session.
    pub(crate) agent: Option<String>,
    /// The feature that a path is held for.
    #[serde(default)]
    pub(crate) feature_slug: Option<String>,
    /// The place in which its session works.
    #[serde(flatten)]
    pub(crate) session: HolderSession,
}

impl PresentHolder {
    /// The holder of a path.
    pub(crate) fn of_conflict(conflict: &Conflict) -> Self {
        let by = &conflict.claimed_by;
        Self {
            engineer_name: by.engineer_name.clone(),
            agent: by.agent.clone(),
            feature_slug: by.feature_slug.clone(),
            session: by.holder.clone(),
        }
    }

    fn name(&self) -> String {
        format::holder(&self.engineer_name, self.agent.as_deref(), &self.session)
    }
}

impl LostClaim {
    /// `file theirs.rs: ana's agent "build" holds it now`
    pub(crate) fn sentence(&self) -> String {
        let Self { what, is_feature, why, path, by } = self;
        let kind = match (is_feature, what.contains(['*', '?', '[', '{']) || what.ends_with('/')) {
            (true, _) => "feature",
            (false, true) => "files",
            (false, false) => "file",
        };
        let reason = match (is_feature, path, by) {
            (_, _, None) => why.clone(),
            (true, None, Some(by)) => format!("{} works on it now", by.name()),
            (true, Some(path), Some(by)) => {
                let slug = by.feature_slug.as_ref().map(|slug| format!(" for feature {slug}"));
                let slug = slug.unwrap_or_default();
                format!("its file {path} is held by {} now{slug}", by.name())
            }
            (false, _, Some(by)) => format!("{} holds it now", by.name()),
        };
        format!("{kind} {what}: {reason}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_says_what_is_a_feature_and_what_is_a_file() {
        let by = PresentHolder {
            engineer_name: "ana".to_owned(),
            agent: Some("codex-1".to_owned()),
            feature_slug: Some("styles".to_owned()),
            session: HolderSession::default(),
        };
        let lost = |what: &str, is_feature, path: Option<&str>, by| {
            LostClaim {
                what: what.to_owned(),
                is_feature,
                why: "it is over".to_owned(),
                path: path.map(str::to_owned),
                by,
            }
            .sentence()
        };
        assert_eq!(
            lost("missing", true, Some("web/style.css"), Some(by.clone())),
            "feature missing: its file web/style.css is held by ana's agent \"codex-1\" now for feature styles"
        );
        assert_eq!(
            lost("missing", true, None, Some(by.clone())),
            "feature missing: ana's agent \"codex-1\" works on it now"
        );
        assert_eq!(
            lost("src/**", false, Some("src/db.rs"), Some(by)),
            "files src/**: ana's agent \"codex-1\" holds it now"
        );
        assert_eq!(lost("missing", true, None, None), "feature missing: it is over");
    }
}
