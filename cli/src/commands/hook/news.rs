//! The events since the agent was informed last: files that were lost while the machine slept, and files that were
//! written while no server answered.

use crate::{
    context::Context,
    guard::{
        held_file,
        journal::{Journal, Reconciled},
    },
    text::format,
};
use uuid::Uuid;

/// The news as lines of text; empty where there is none. What cannot be settled now is reported another time.
pub(super) async fn news(context: &Context<'_>, project: Uuid) -> String {
    let mut reconciled = Reconciled::default();
    // If it fails, the journal stays as it is for the next time.
    let _ = Journal::of(context, project).reconcile(context, &mut reconciled).await;
    let mut text = describe(context, &reconciled);
    for lost in context.take_lost_claims(project) {
        text += &format!("\nLOST while this machine slept: {}. Do not edit it any more.", lost.sentence());
    }
    text
}

/// The result of a journal's reconciliation, as text.
pub(super) fn describe(context: &Context<'_>, reconciled: &Reconciled) -> String {
    let mut text = String::new();
    if !reconciled.held.is_empty() {
        text += &format!(
            "\nWARNING: written while no server answered, and held by somebody else:\n{}\nDo not commit them; \
             take the changes back, or settle it with the holder.",
            held_file::lines(&reconciled.held, context.out.clock())
        );
    }
    if !reconciled.taken.is_empty() {
        text += &format!(
            "\nWritten while no server answered, and yours now: {}.",
            format::list(&reconciled.taken)
        );
    }
    text
}
