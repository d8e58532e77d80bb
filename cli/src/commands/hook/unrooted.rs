//! Claims of others on files that a command may create in a folder that is not known. Claims nothing.

use crate::{
    context::Context,
    error::Error,
    guard::{held_file::HeldFile, write_access},
    hosts::shell::claim_conflicts,
};
use uuid::Uuid;

/// The claims of others that conflict with creating files of these patterns, one for each pattern.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(super) async fn held(
    context: &Context<'_>,
    project: Uuid,
    patterns: &[String],
) -> Result<Vec<HeldFile>, Error> {
    let met = write_access::held_by_others(context, project, patterns).await?;
    if met.is_empty() {
        return Ok(met);
    }
    let met: Vec<String> = met.into_iter().map(|held_file| held_file.wanted).collect();
    let session = context.client.session();
    let claims = write_access::claims_on(context, project, &met).await?;
    let held = claims.iter().filter_map(|(pattern, claims)| {
        let mut others = claims.iter().filter(|claim| Some(claim.session_id) != session);
        let claim = others.find(|claim| claim_conflicts(&claim.file_path, pattern))?;
        Some(HeldFile::of_claim(pattern, claim))
    });
    Ok(held.collect())
}
