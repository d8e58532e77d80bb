//! Pages of lists: limits and cursors.

use crate::{failure::ApiError, read::Read};
use nexus_domain::{
    Document, DocumentKey, ProjectId, Revision, WallTime, document::Place, entity::BoardKey, ids::FeatureId,
};
use std::{cmp::Reverse, collections::HashMap};
use uuid::Uuid;

/// Items of a page when nothing is said.
const DEFAULT_LIMIT: usize = 50;
/// Items of a page at most.
const MAX_LIMIT: usize = 100;

/// The `limit` of a query.
pub(crate) fn limit(query: &HashMap<String, String>) -> Result<usize, ApiError> {
    let Some(text) = query.get("limit") else { return Ok(DEFAULT_LIMIT) };
    text.parse()
        .ok()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| ApiError::field("limit", format_args!("must be a whole number from 1 to {MAX_LIMIT}")))
}

/// The `cursor` of a query; an empty one is none.
fn cursor(query: &HashMap<String, String>) -> Option<&String> {
    query.get("cursor").filter(|cursor| !cursor.is_empty())
}

/// A place on the board as an opaque cursor. It names the place and not a number of items, so
/// that what moves meanwhile neither hides nor repeats what does not.
pub(crate) fn board_cursor(place: &BoardKey) -> String {
    let Reverse((created, id)) = place.newest;
    hex::encode(format!("b1.{}.{}.{}.{}", place.lane as u8, place.priority, created.0, id))
}

/// The place that a cursor names.
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

/// A page of texts.
pub(crate) struct Texts {
    pub(crate) found: Vec<(DocumentKey, Document)>,
    pub(crate) next_cursor: Option<String>,
}

/// The page of a list of texts that a request asks for, newest first. Shows nothing that is newer
/// than the state that answers.
pub(crate) async fn texts(read: &Read, list: impl Fn(Place) -> DocumentKey) -> Result<Texts, ApiError> {
    let limit = limit(&read.query)?;
    let last = match cursor(&read.query) {
        Some(cursor) => {
            let seen = read_place_cursor(cursor)
                .ok_or_else(|| ApiError::field("cursor", "is none that this list gave"))?;
            seen.before()
        }
        None => Place::end_of(read.view().revision()),
    };
    let range = list(Place::FIRST)..=list(last);
    let found = read.view().newest(range, limit + 1).await;
    let mut found = found.map_err(|failure| ApiError::internal(&failure))?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let end = found.last().filter(|_| has_more).and_then(|(key, _)| key.place());
    Ok(Texts { found, next_cursor: end.map(place_cursor) })
}

/// A place in a list of texts as an opaque cursor.
fn place_cursor(place: Place) -> String {
    hex::encode(format!("p1.{}.{}", place.revision, place.seq))
}

fn read_place_cursor(cursor: &str) -> Option<Place> {
    let text = String::from_utf8(hex::decode(cursor).ok()?).ok()?;
    let (revision, seq) = text.strip_prefix("p1.")?.split_once('.')?;
    Some(Place { revision: Revision(revision.parse().ok()?), seq: seq.parse().ok()? })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nexus_domain::entity::Lane;

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

    #[test]
    fn the_cursor_of_a_text_names_its_place_and_the_next_page_begins_right_before_it() {
        for (revision, seq) in [(0, 0), (7, 0), (7, 1), (u64::MAX, u32::MAX)] {
            let place = Place { revision: Revision(revision), seq };
            assert_eq!(read_place_cursor(&place_cursor(place)), Some(place));
        }
        let at = |revision, seq| Place { revision: Revision(revision), seq };
        assert_eq!(at(7, 1).before(), at(7, 0));
        assert_eq!(at(7, 0).before(), at(6, u32::MAX));
        assert_eq!(at(0, 0).before(), at(0, 0));
    }
}
