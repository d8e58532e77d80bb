//! Pages of lists: limits, cursors, and the JSON of a page, which also ends by bytes.

use crate::{documents, failure::ApiError, read::Read};
use bytes::Bytes;
use nexus_api_types::feature as wire;
use nexus_domain::{
    Document, DocumentKey, EngineerId, ProjectId, Revision, WallTime,
    document::LogPosition,
    entity::{BoardKey, Feature},
    ids::FeatureId,
};
use serde::Serialize;
use std::{cmp::Reverse, collections::HashMap, sync::Arc};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

/// Default of `limit`.
const DEFAULT_LIMIT: usize = 50;
/// Largest accepted value of `limit`.
const MAX_LIMIT: usize = 100;
/// A page ends after this many bytes of items, and the next one continues there. An item has at most a MiB.
const MAX_PAGE_BYTES: usize = 4 << 20;
/// Bytes of specs that are read at once for a page. The last one may exceed them by a MiB.
const SPECS_AT_ONCE: usize = 1 << 20;
/// Other texts that are read at once for a page. Their lengths are not known before.
const TEXTS_AT_ONCE: usize = 4;
/// Permits for pages that are written at once in this process. Each page takes up to twice [`MAX_PAGE_BYTES`] with its
/// texts.
static LIST_PAGE_PERMITS: Semaphore = Semaphore::const_new(8);

/// The `limit` of a query.
pub(crate) fn limit(query: &HashMap<String, String>) -> Result<usize, ApiError> {
    let Some(text) = query.get("limit") else { return Ok(DEFAULT_LIMIT) };
    text.parse()
        .ok()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| ApiError::field("limit", format_args!("must be a whole number from 1 to {MAX_LIMIT}")))
}

/// The `cursor` of a query, unless it is empty.
fn cursor(query: &HashMap<String, String>) -> Option<&String> {
    query.get("cursor").filter(|cursor| !cursor.is_empty())
}

/// A position on the board as an opaque cursor. It names the position and not a number of items, so that features that
/// move meanwhile neither hide nor repeat others.
pub(crate) fn board_cursor(place: &BoardKey) -> String {
    let Reverse((created, id)) = place.newest;
    hex::encode(format!("b1.{}.{}.{}.{}", place.lane as u8, place.priority, created.0, id))
}

/// The position on the board in the `cursor` of a query.
pub(crate) fn board_place(
    project: ProjectId,
    query: &HashMap<String, String>,
) -> Result<Option<BoardKey>, ApiError> {
    let Some(cursor) = cursor(query) else { return Ok(None) };
    read_board_cursor(project, cursor)
        .map(Some)
        .ok_or_else(|| ApiError::field("cursor", "is none that this list gave"))
}

fn read_board_cursor(project: ProjectId, cursor: &str) -> Option<BoardKey> {
    let text = String::from_utf8(hex::decode(cursor).ok()?).ok()?;
    let mut parts = text.split('.');
    if parts.next()? != "b1" {
        return None;
    }
    let lane = nexus_domain::entity::Lane::ALL.get(parts.next()?.parse::<usize>().ok()?)?;
    let priority = parts.next()?.parse().ok()?;
    let created = WallTime(parts.next()?.parse().ok()?);
    let id = FeatureId(parts.next()?.parse::<Uuid>().ok()?);
    parts.next().is_none().then_some(BoardKey {
        project,
        lane: *lane,
        priority,
        newest: Reverse((created, id)),
    })
}

/// An engineer as an opaque cursor: the next page begins after them.
pub(crate) fn engineer_cursor(last: Uuid) -> String {
    hex::encode(format!("e1.{last}"))
}

/// The engineer in the `cursor` of a query.
pub(crate) fn engineer_place(query: &HashMap<String, String>) -> Result<Option<EngineerId>, ApiError> {
    let Some(cursor) = cursor(query) else { return Ok(None) };
    let text = hex::decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let id = text.and_then(|text| text.strip_prefix("e1.")?.parse().ok());
    id.map(|id| Some(EngineerId(id))).ok_or_else(|| ApiError::field("cursor", "is none that this list gave"))
}

/// The JSON of a page that is being written: a [`Page`](nexus_api_types::Page) in its envelope. Each item is serialized
/// when it is added, so that the page is in memory once.
pub(crate) struct PageText {
    text: Vec<u8>,
    items: usize,
    /// The cursor of the next page; none on the last one.
    pub(crate) next_cursor: Option<String>,
    _permit: Option<SemaphorePermit<'static>>,
}

impl PageText {
    /// Waits for a permit, and begins an empty page.
    async fn begin() -> Self {
        // The semaphore is never closed.
        let permit = LIST_PAGE_PERMITS.acquire().await.ok();
        Self { text: br#"{"data":{"items":["#.to_vec(), items: 0, next_cursor: None, _permit: permit }
    }

    /// Whether the page has its maximum of bytes.
    fn is_full(&self) -> bool {
        self.text.len() >= MAX_PAGE_BYTES
    }

    fn push(&mut self, item: &impl Serialize) -> Result<(), ApiError> {
        if self.items > 0 {
            self.text.push(b',');
        }
        self.items += 1;
        serde_json::to_writer(&mut self.text, item).map_err(|error| ApiError::internal(&error))
    }

    /// Finishes the JSON.
    pub(crate) fn end(mut self) -> Result<Bytes, ApiError> {
        let cursor = serde_json::to_string(&self.next_cursor).map_err(|error| ApiError::internal(&error))?;
        let rest = format!(r#"],"nextCursor":{cursor},"hasMore":{}}}}}"#, self.next_cursor.is_some());
        self.text.extend_from_slice(rest.as_bytes());
        Ok(self.text.into())
    }
}

/// A page of features. `found` has one more than `limit` if there is a next page.
pub(crate) async fn features(
    read: &Read,
    limit: usize,
    found: &[Arc<Feature>],
) -> Result<PageText, ApiError> {
    let mut page = PageText::begin().await;
    let mut left = found.iter().take(limit).peekable();
    while left.peek().is_some() && !page.is_full() {
        let (mut now, mut bytes) = (Vec::new(), 0);
        while bytes < SPECS_AT_ONCE
            && let Some(feature) = left.next()
        {
            bytes += feature.spec_bytes as usize + feature.list_bytes();
            now.push(feature);
        }
        let texts = read.view().documents(documents::spec_keys(now.iter().copied())).await;
        let texts = texts.map_err(|failure| ApiError::internal(&failure))?;
        for (feature, spec) in now.into_iter().zip(documents::specs(texts)) {
            if page.is_full() {
                break;
            }
            page.push(&wire::Feature::of(feature, spec))?;
        }
    }
    let shown = page.items;
    page.next_cursor =
        found[..shown].last().filter(|_| found.len() > shown).map(|last| board_cursor(&last.board_key()));
    Ok(page)
}

/// The argument for [`texts`] when the list contains the texts themselves instead of marks.
pub(crate) const NO_MARKS: Option<fn(LogPosition) -> DocumentKey> = None;

/// The requested page of a list of texts, newest first. It has no text that is newer than the state that answers. In a
/// list of marks, `marked` gives the text of each mark.
pub(crate) async fn texts<T: Serialize>(
    read: &Read,
    list: impl Fn(LogPosition) -> DocumentKey,
    marked: Option<impl Fn(LogPosition) -> DocumentKey>,
    show: impl Fn(&Document) -> Option<T>,
) -> Result<PageText, ApiError> {
    let limit = limit(&read.query)?;
    let mut last = match cursor(&read.query) {
        Some(cursor) => {
            let seen = read_place_cursor(cursor)
                .ok_or_else(|| ApiError::field("cursor", "is none that this list gave"))?;
            seen.before()
        }
        None => LogPosition::end_of(read.view().revision()),
    };
    let internal = |failure| ApiError::internal(&failure);
    let mut page = PageText::begin().await;
    let (mut shown, mut end) = (0, None);
    loop {
        // One more than the limit shows whether there is a next page.
        let wanted = (limit + 1 - shown).min(TEXTS_AT_ONCE);
        let found =
            read.view().newest(list(LogPosition::FIRST)..=list(last), wanted).await.map_err(internal)?;
        let is_all = found.len() < wanted;
        let mut places = Vec::with_capacity(found.len());
        let mut texts = Vec::with_capacity(found.len());
        for (place, text) in found.into_iter().filter_map(|(key, text)| Some((key.position()?, text))) {
            places.push(place);
            texts.push(Some(text));
        }
        if let Some(marked) = &marked {
            texts = read
                .view()
                .documents(places.iter().map(|place| marked(*place)).collect())
                .await
                .map_err(internal)?;
        }
        for (place, text) in places.into_iter().zip(texts) {
            if shown == limit || page.is_full() {
                page.next_cursor = end.map(place_cursor);
                return Ok(page);
            }
            if let Some(item) = text.as_ref().and_then(&show) {
                page.push(&item)?;
            }
            (shown, end, last) = (shown + 1, Some(place), place.before());
        }
        if is_all {
            return Ok(page);
        }
    }
}

/// A position in a list of texts as an opaque cursor.
fn place_cursor(place: LogPosition) -> String {
    hex::encode(format!("p1.{}.{}", place.revision, place.seq))
}

fn read_place_cursor(cursor: &str) -> Option<LogPosition> {
    let text = String::from_utf8(hex::decode(cursor).ok()?).ok()?;
    let (revision, seq) = text.strip_prefix("p1.")?.split_once('.')?;
    Some(LogPosition { revision: Revision(revision.parse().ok()?), seq: seq.parse().ok()? })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sockets::tests::stage::{ANA, Stage, caller, project};
    use nexus_api_types::Page;
    use nexus_domain::entity::Lane;
    use serde_json::{Value, json};

    #[test]
    fn a_cursor_names_its_place() {
        let project = ProjectId(Uuid::from_u128(1));
        let newest = Reverse((WallTime(-5), FeatureId(Uuid::from_u128(7))));
        let place = BoardKey { project, lane: Lane::Later, priority: 42, newest };
        assert_eq!(read_board_cursor(project, &board_cursor(&place)), Some(place));
    }

    #[test]
    fn a_made_up_cursor_is_none() {
        for cursor in ["", "zz", "00", &hex::encode("b1.9.1.1.x"), &hex::encode("b1.1.1.1")] {
            assert_eq!(read_board_cursor(ProjectId::MIN, cursor), None, "{cursor}");
            assert_eq!(read_place_cursor(cursor), None, "{cursor}");
        }
    }

    /// All items of a list, page by page, and how many each page has.
    async fn all_pages<P: Future<Output = Result<PageText, ApiError>>>(
        page_after: impl Fn(Option<String>) -> P,
    ) -> (Vec<Value>, Vec<usize>) {
        let (mut items, mut counts, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let text = page_after(cursor).await.unwrap().end().unwrap();
            assert!(text.len() < MAX_PAGE_BYTES + LONG + 10_000, "{}", text.len());
            let mut answer: Value = serde_json::from_slice(&text).unwrap();
            let page: Page<Value> = serde_json::from_value(answer["data"].take()).unwrap();
            assert_eq!(page.has_more, page.next_cursor.is_some());
            counts.push(page.items.len());
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return (items, counts);
            }
        }
    }

    /// Bytes of a long text.
    const LONG: usize = 900_000;

    fn read(stage: &Arc<Stage>, cursor: Option<String>) -> Read {
        let query = cursor.into_iter().map(|cursor| ("cursor".to_owned(), cursor)).collect();
        Read::of(caller(ANA), query, stage.clone())
    }

    #[tokio::test]
    async fn a_page_of_features_ends_by_bytes_and_the_next_one_goes_on_from_there() {
        let stage = Stage::set();
        let found: Vec<_> = (0..12).map(|number| stage.feature(number, &"s".repeat(LONG))).collect();
        let after = |cursor: Option<String>| {
            let (stage, found) = (stage.clone(), found.clone());
            async move {
                let read = read(&stage, cursor);
                let place = board_place(project(1), &read.query)?;
                let from = found.iter().position(|feature| Some(feature.board_key()) == place);
                features(&read, 100, &found[from.map_or(0, |last| last + 1)..]).await
            }
        };
        let (items, counts) = all_pages(after).await;
        assert_eq!(counts, [5, 5, 2]);
        let slugs: Vec<_> = items.iter().map(|item| item["slug"].as_str().unwrap()).collect();
        assert_eq!(slugs, found.iter().map(|feature| feature.slug.as_str()).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_page_of_texts_ends_by_bytes_and_few_are_read_at_once() {
        let stage = Stage::set();
        let feature = stage.feature(1, "s");
        (0..12).for_each(|number| stage.write_decision(number, &feature, &"d".repeat(LONG)));
        for is_about_a_feature in [false, true] {
            let decision = |place| DocumentKey::Decision(project(1), place);
            let about = |place| DocumentKey::DecisionAbout(project(1), FeatureId(Uuid::from_u128(1)), place);
            let after = |cursor: Option<String>| {
                let stage = stage.clone();
                async move {
                    let read = read(&stage, cursor);
                    let show = |document: &Document| match document {
                        Document::Decision(decision) => Some(decision.id.0),
                        _ => None,
                    };
                    let show = |document: &Document| Some((show(document)?, "d".repeat(LONG)));
                    if is_about_a_feature {
                        texts(&read, about, Some(decision), show).await
                    } else {
                        texts(&read, decision, NO_MARKS, show).await
                    }
                }
            };
            let (items, counts) = all_pages(after).await;
            assert_eq!(counts, [5, 5, 2]);
            let ids: Vec<_> = items.iter().map(|item| item[0].clone()).collect();
            let newest_first: Vec<_> = (0..12).rev().map(|id| json!(Uuid::from_u128(id))).collect();
            assert_eq!(ids, newest_first);
        }
        assert!(stage.read_at_once().iter().all(|count| *count <= TEXTS_AT_ONCE));
    }

    #[test]
    fn the_cursor_of_a_text_names_its_place_and_the_next_page_begins_right_before_it() {
        for (revision, seq) in [(0, 0), (7, 0), (7, 1), (u64::MAX, u32::MAX)] {
            let place = LogPosition { revision: Revision(revision), seq };
            assert_eq!(read_place_cursor(&place_cursor(place)), Some(place));
        }
        let at = |revision, seq| LogPosition { revision: Revision(revision), seq };
        assert_eq!(at(7, 1).before(), at(7, 0));
        assert_eq!(at(7, 0).before(), at(6, u32::MAX));
        assert_eq!(at(0, 0).before(), at(0, 0));
    }
}
