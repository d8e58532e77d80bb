//! The text that an agent gets when it starts: what it works on, which files it and others hold, and how to go on. It
//! is short, since an agent pays for it in every step.

use super::confinement::Confinement;
use crate::{
    client::Request,
    context::Context,
    error::Error,
    saved_work::{SavedWork, saved_work},
    text::{format, plain},
};
use futures::future::try_join_all;
use nexus_api_types::{
    Page,
    claim::Claim,
    feature::{Available, Feature},
    knowledge::Learning,
    session::ProjectStatus,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Bytes of a brief. A token is two and a half bytes or more of such text, so that these are fewer than
/// 2,000 tokens.
const MAX_BYTES: usize = 5_000;

/// Bytes of one line: one long title must not push out the rest.
const MAX_LINE: usize = 400;

/// Bytes of the spec: the beginning says what it is about, and the rest can be asked for.
const MAX_SPEC: usize = 800;

/// Learnings that it lists; and holders and free features.
const MOST_LEARNINGS: usize = 5;
const MOST_HOLDERS: usize = 12;
const MOST_FREE: usize = 5;

/// Interrupted features whose saved work it says: each is one more request.
const MOST_INTERRUPTED: usize = 3;

/// Bytes of what happened meanwhile: it comes first, and must leave room for the rest.
const MAX_NEWS: usize = 2_000;

/// The brief of the session that acts. `news` is what happened since its agent was informed last.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(crate) async fn brief(
    context: &Context<'_>,
    project: Uuid,
    name: &str,
    news: &str,
) -> Result<String, Error> {
    let client = &context.client;
    let base = format!("/projects/{project}");
    let status: ProjectStatus = client.send(Request::get(format!("{base}/status"))).await?.parse()?;
    let session = client.session();
    let own: Vec<&Feature> = status
        .active_features
        .iter()
        .filter(|feature| session.is_some() && feature.session_id == session)
        .collect();
    let mut known =
        Known { status: &status, session, own, learnings: Vec::new(), work: Vec::new(), free: Vec::new() };
    match known.own.first() {
        Some(feature) => {
            let learnings = Request::get(format!("{base}/features/{}/learnings", feature.slug))
                .query("limit", Some(MOST_LEARNINGS));
            known.learnings = client.send(learnings).await?.parse::<Page<Learning>>()?.items;
            known.work.push(saved_work(context, project, feature.id).await?);
        }
        None => {
            let available: Vec<Available> =
                client.send(Request::get(format!("{base}/features/available"))).await?.parse()?;
            let free = available.into_iter().filter(|one| one.blocked_by.is_none());
            known.free = free.map(|one| one.feature).take(MOST_FREE).collect();
            let interrupted = status.interrupted.iter().take(MOST_INTERRUPTED);
            known.work = try_join_all(interrupted.map(|one| saved_work(context, project, one.id))).await?;
        }
    }
    Ok(written(context, &known, name, news))
}

/// The answers of the cluster.
struct Known<'a> {
    status: &'a ProjectStatus,
    session: Option<Uuid>,
    own: Vec<&'a Feature>,
    learnings: Vec<Learning>,
    /// The checkpoints of the feature that it works on; if there is none, of those that were interrupted.
    work: Vec<SavedWork>,
    free: Vec<Feature>,
}

fn written(context: &Context<'_>, known: &Known<'_>, name: &str, news: &str) -> String {
    let clock = context.out.clock();
    let mut sheet = Sheet::default();
    sheet.line("Nexus coordinates the agents in this repository. Files that another session holds cannot be edited, committed or pushed.");
    sheet.line(&format!(
        "You are {name}{}.",
        agent(known).map_or_else(String::new, |agent| format!(", as \"{agent}\""))
    ));
    sheet.news(news);
    if Confinement::here(&context.login) == Confinement::Commands {
        sheet.line("Commands that write files of their own accord, such as scripts, builds and git stash pop, are to be run as: nexus exec -- COMMAND. It keeps them from writing what others hold.");
    }
    for feature in &known.own {
        sheet.line(&format!("You work on {}: {}", feature.slug, feature.title));
    }
    let mine: Vec<&str> = claims(known, true).map(|claim| claim.file_path.as_str()).collect();
    if !mine.is_empty() {
        sheet.line(&format!("Yours: {}", mine.join(", ")));
    }
    if let Some(feature) = known.own.first() {
        sheet.text(&format!("Spec: {}", cut(&feature.spec, MAX_SPEC)), MAX_SPEC + 100);
        for (name, value) in known.work.iter().flat_map(|work| work.lines(clock)) {
            sheet.line(&format!("{name}: {value}"));
        }
        sheet.line(&format!("When it is finished: nexus feature done {0}; to give it back: nexus feature release {0}. What others should know: nexus learn \"…\"", feature.slug));
    } else {
        sheet.line("You work on no feature. nexus next takes the best free one with its files; nexus feature pick SLUG one by name. A free file that you edit without one becomes yours alone.");
        for feature in &known.free {
            sheet.line(&format!("Free: {}: {}", feature.slug, feature.title));
        }
        for (at, feature) in known.status.interrupted.iter().take(MOST_FREE).enumerate() {
            sheet.line(&format!("Interrupted, may be taken up again: {}: {}", feature.slug, feature.title));
            for (name, value) in known.work.get(at).into_iter().flat_map(|work| work.lines(clock)) {
                sheet.line(&format!("  {name}: {value}"));
            }
        }
    }
    for learning in &known.learnings {
        sheet.line(&format!("Learned: {}", learning.content));
    }
    let holders = holders(known);
    for ((holder, feature), (paths, until)) in holders.iter().take(MOST_HOLDERS) {
        let feature = feature.as_ref().map_or_else(String::new, |feature| format!(" for {feature}"));
        sheet.line(&format!(
            "Held by {holder}{feature}: {}, until {}",
            format::list(paths),
            clock.short(*until)
        ));
    }
    if holders.len() > MOST_HOLDERS {
        sheet.line(&format!("and {} more: nexus claims", holders.len() - MOST_HOLDERS));
    }
    sheet.line("nexus why FILE says who holds a file and how to get it; nexus status shows everybody.");
    sheet.text
}

fn agent(known: &Known<'_>) -> Option<String> {
    let mut sessions = known.status.sessions.iter();
    sessions
        .find(|found| Some(found.session.id) == known.session)
        .and_then(|found| found.session.agent.clone())
}

fn claims<'a>(known: &'a Known<'_>, mine: bool) -> impl Iterator<Item = &'a Claim> {
    known.status.claims.iter().filter(move |claim| (Some(claim.session_id) == known.session) == mine)
}

type Holders<'a> = BTreeMap<(String, Option<String>), (Vec<&'a str>, nexus_api_types::Moment)>;

fn holders<'a>(known: &'a Known<'_>) -> Holders<'a> {
    let mut holders: Holders<'a> = BTreeMap::new();
    for claim in claims(known, false) {
        let holder = format::holder(&claim.engineer_name, claim.agent.as_deref(), &claim.holder);
        let mut features = known.status.active_features.iter();
        let feature = features.find(|feature| Some(feature.id) == claim.feature_id);
        let key = (holder, feature.map(|feature| feature.slug.clone()));
        holders.entry(key).or_insert_with(|| (Vec::new(), claim.expires_at)).0.push(&claim.file_path);
    }
    holders
}

/// A text that grows line by line up to its limit.
#[derive(Default)]
struct Sheet {
    text: String,
    is_full: bool,
}

/// The last line of a brief that was cut off.
const CUT: &str = "… nexus status shows the rest.\n";

impl Sheet {
    fn line(&mut self, line: &str) {
        self.text(&line.replace('\n', " "), MAX_LINE);
    }

    /// Adds as many lines as there is room for, and the number of the others.
    fn news(&mut self, news: &str) {
        let lines: Vec<&str> = news.lines().filter(|line| !line.trim().is_empty()).collect();
        let end = self.text.len() + MAX_NEWS;
        for (at, line) in lines.iter().enumerate() {
            if self.text.len() + cut(line, MAX_LINE).len() > end {
                let more = lines.len() - at;
                self.line(&format!("and {more} more: nexus claims --mine shows what is still yours"));
                return;
            }
            self.line(line);
        }
    }

    fn text(&mut self, text: &str, longest: usize) {
        let text = plain(text);
        let line = cut(&text, longest);
        if self.is_full {
            return;
        }
        if self.text.len() + line.len() + 1 + CUT.len() > MAX_BYTES {
            self.is_full = true;
            self.text.push_str(CUT);
            return;
        }
        self.text.push_str(&line);
        self.text.push('\n');
    }
}

/// The beginning of a text, of at most `longest` bytes with the ellipsis.
fn cut(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let mut end = longest.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brief_never_grows_beyond_its_limit() {
        let mut sheet = Sheet::default();
        for number in 0..1_000 {
            sheet.line(&format!("{number} {}", "länge".repeat(number)));
        }
        assert!(sheet.text.len() <= MAX_BYTES, "{}", sheet.text.len());
        assert!(sheet.text.ends_with(CUT));
        assert!(sheet.text.lines().all(|line| line.len() <= MAX_LINE));
    }

    #[test]
    fn news_leave_room_for_the_rest() {
        let mut sheet = Sheet::default();
        let lost: String = (0..50).map(|at| format!("\nLOST: src/{at}/{}", "x".repeat(200))).collect();
        sheet.news(&lost);
        assert!(sheet.text.len() <= MAX_NEWS + MAX_LINE, "{}", sheet.text.len());
        assert!(sheet.text.starts_with("LOST: src/0/"));
        assert!(sheet.text.lines().last().is_some_and(|line| line.starts_with("and ")), "{}", sheet.text);
        sheet.line("Yours: a.rs");
        assert!(sheet.text.ends_with("Yours: a.rs\n"));
    }

    #[test]
    fn a_text_is_cut_between_letters() {
        assert_eq!(cut("äöü", 5), "ä…");
        assert_eq!(cut("abc", 3), "abc");
    }
}
