//! Lists that come in pages, put together as one.

use crate::{answer::Answer, client::Request, context::Context, error::Error};
use nexus_api_types::Page;
use serde_json::{Value, json};

/// Items of one page: as many as a server gives at most.
const PAGE: usize = 100;

/// Reads pages until there are `limit` items, and returns them with the cursor of the rest.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(super) async fn pages(
    context: &Context<'_>,
    request: Request,
    limit: usize,
    from: Option<String>,
) -> Result<Answer, Error> {
    let (mut items, mut cursor) = (Vec::new(), from);
    loop {
        let page = request
            .clone()
            .query("limit", Some((limit - items.len()).min(PAGE)))
            .query("cursor", cursor.take());
        let page: Page<Value> = context.client.send(page).await?.parse()?;
        let is_empty = page.items.is_empty();
        items.extend(page.items);
        cursor = page.next_cursor;
        if items.len() >= limit || !page.has_more || cursor.is_none() || is_empty {
            return Ok(Answer::new(
                json!({ "items": items, "nextCursor": cursor, "hasMore": page.has_more }),
            ));
        }
    }
}
