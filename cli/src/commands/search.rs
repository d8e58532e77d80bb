//! `nexus search`: what was learnt and decided, by words.

use super::pages::pages;
use crate::{answer::Answer, client::Request, context::Context, error::Error, text::format};
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use nexus_api_types::{
    Page,
    feature::Feature,
    holder::HolderSession,
    knowledge::{Decision, Learning},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// Features and decisions that are looked through at most.
const MOST: usize = 10_000;

/// Learnings of one feature that are looked through at most.
const MOST_OF_FEATURE: usize = 1_000;

/// Questions at once: enough to hide the way to the server.
const AT_ONCE: usize = 8;

/// Find learnings and decisions by their words
///
/// A text is found when it contains all of the words, in any order and in upper or lower case. The newest comes first.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus search migration
  nexus search stripe webhook --limit 5
  nexus search cents --json")]
pub(crate) struct Search {
    /// Words that a text must contain
    #[arg(required = true, value_name = "WORD")]
    words: Vec<String>,
    /// Number of results to show at most
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
}

/// Something that was found.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
enum Hit {
    /// Something that was learnt.
    Learning {
        /// The slug of the feature that it belongs to.
        feature_slug: String,
        /// The learning whose text was found.
        learning: Learning,
    },
    /// Something that was decided.
    Decision {
        /// The decision whose text was found.
        decision: Box<Decision>,
    },
}

impl Hit {
    fn at(&self) -> i64 {
        match self {
            Self::Learning { learning, .. } => learning.created_at.as_millis(),
            Self::Decision { decision } => decision.created_at.as_millis(),
        }
    }

    fn has(&self, words: &[String]) -> bool {
        let text = match self {
            Self::Learning { feature_slug, learning } => format!("{feature_slug} {}", learning.content),
            Self::Decision { decision } => {
                let more = [&decision.feature_slug, &decision.rationale, &decision.alternatives];
                let more: Vec<&str> = more.into_iter().flatten().map(String::as_str).collect();
                format!("{} {} {}", decision.title, decision.decision, more.join(" "))
            }
        };
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    }
}

impl Search {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let wanted: Vec<String> = self.words.iter().map(|word| word.to_lowercase()).collect();
        let mut hits = everything(context, project).await?;
        hits.retain(|hit| hit.has(&wanted));
        hits.sort_by_key(|hit| std::cmp::Reverse(hit.at()));
        hits.truncate(usize::from(self.limit));
        context.out.answer(&Answer::new(json!(hits)), |hits: Vec<Hit>| {
            if hits.is_empty() {
                context.out.note("Nothing has all of these words");
            }
            hits.iter().enumerate().try_for_each(|(at, hit)| {
                if at > 0 {
                    context.out.line("")?;
                }
                print(context, hit)
            })
        })
    }
}

async fn everything(context: &Context<'_>, project: Uuid) -> Result<Vec<Hit>, Error> {
    let decisions = Request::get(format!("/projects/{project}/decisions"));
    let decisions: Page<Decision> = pages(context, decisions, MOST, None).await?.parse()?;
    let features = Request::get(format!("/projects/{project}/features"));
    let features: Page<Feature> = pages(context, features, MOST, None).await?.parse()?;
    let learnings = stream::iter(features.items)
        .map(|feature| async move {
            let request = Request::get(format!("/projects/{project}/features/{}/learnings", feature.slug));
            let page: Page<Learning> = pages(context, request, MOST_OF_FEATURE, None).await?.parse()?;
            Ok::<_, Error>((feature.slug, page.items))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    let decided = decisions.items.into_iter().map(|decision| Hit::Decision { decision: Box::new(decision) });
    let learnt = learnings.into_iter().flat_map(|(feature_slug, learnings)| {
        let hit = move |learning| Hit::Learning { feature_slug: feature_slug.clone(), learning };
        learnings.into_iter().map(hit)
    });
    Ok(decided.chain(learnt).collect())
}

fn print(context: &Context<'_>, hit: &Hit) -> Result<(), Error> {
    let out = context.out;
    let (title, by, at, text) = match hit {
        Hit::Learning { feature_slug, learning } => (
            format!("Learnt with {feature_slug}"),
            &learning.engineer_name,
            learning.created_at,
            &learning.content,
        ),
        Hit::Decision { decision } => (
            format!("Decided: {}", decision.title),
            &decision.engineer_name,
            decision.created_at,
            &decision.decision,
        ),
    };
    out.title(&title)?;
    out.line(text.trim_end())?;
    if let Hit::Decision { decision } = hit {
        for (name, text) in [("Why", &decision.rationale), ("Instead of", &decision.alternatives)] {
            if let Some(text) = text {
                out.field(name, text)?;
            }
        }
    }
    out.field(
        "By",
        format_args!("{}, {}", format::holder(by, None, &HolderSession::default()), out.clock().ago(at)),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_learning_refers_to_its_feature_as_rest_does() {
        let id = Uuid::nil();
        let learning = json!({ "id": id, "featureId": id, "engineerId": id, "engineerName": "Ana", "content": "Cents",
            "createdAt": "2026-01-31T14:00:00.000Z" });
        let written = json!({ "kind": "learning", "featureSlug": "billing", "learning": learning });
        let hit: Hit = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(json!(hit), written);
    }
}
