//! The paths that a command is given, as the cluster names them, with a note about those that match nothing: a slip of
//! the pen would protect nothing, in silence.

use crate::{
    context::Context,
    error::Error,
    repository::{self, Unmatched, as_typed},
    text::format,
};

/// Paths as they are typed in the current folder.
///
/// # Errors
/// When one leads out of the repository.
pub(super) fn typed(context: &Context<'_>, typed: &[String]) -> Result<Vec<String>, Error> {
    noted(context, repository::from_here(typed)?)
}

/// Paths as a file says them, from the root of the repository.
///
/// # Errors
/// When one leads out of the repository.
pub(super) fn written(context: &Context<'_>, written: &[String]) -> Result<Vec<String>, Error> {
    noted(context, repository::from_root(written)?)
}

fn noted(context: &Context<'_>, paths: Vec<String>) -> Result<Vec<String>, Error> {
    let mut others = Vec::new();
    for Unmatched { path, nearest } in repository::unmatched(&paths) {
        match nearest {
            Some(nearest) => context.out.note(format_args!(
                "{path} matches nothing in the work tree: is {} meant?",
                as_typed(&nearest)
            )),
            None => others.push(path),
        }
    }
    if !others.is_empty() {
        let matches = if others.len() == 1 { "matches" } else { "match" };
        context.out.note(format_args!("{} {matches} nothing in the work tree yet", format::list(&others)));
    }
    Ok(paths)
}
