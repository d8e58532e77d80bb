//! `nexus exec --explain`: prints what would be protected, and what cannot be.

use super::{
    launch_plan::{self, LaunchPlan},
    protection::ProtectionPlan,
};
use crate::{
    context::Context,
    error::Error,
    output::{Table, Tone},
    text::plain,
};
use serde_json::{Value, json};
use std::env;

/// Prints what would be protected.
///
/// # Errors
/// When no server answers, or the output was closed.
pub(crate) async fn explain(context: &Context<'_>) -> Result<(), Error> {
    let here = env::current_dir()
        .map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))?;
    let mut launch_plan = launch_plan::ask_cluster(context, &launch_plan::linked_checkouts(&here)?).await;
    launch_plan.plans.iter_mut().for_each(ProtectionPlan::add_missing_to_uncovered);
    if let Some(failure) = &launch_plan.failure {
        return Err(Error::local(failure.lines.join("\n  ")));
    }
    let obstacle = obstacle();
    if context.out.is_json() {
        return context.out.json_line(&as_json(&launch_plan, obstacle.as_deref()));
    }
    launch_plan.notes.iter().for_each(|note| context.out.note(plain(note)));
    if let Some(why) = &obstacle {
        context.out.note(format_args!("Nothing can be protected on this machine: {why}"));
    }
    if launch_plan.plans.is_empty() {
        context.out.note("No project is linked here: nexus project link SLUG links one");
    } else if launch_plan.plans.iter().all(|plan| plan.paths.is_empty() && plan.uncovered.is_empty()) {
        context.out.note("Nobody else holds anything here");
    } else {
        context.out.table(&table(&launch_plan))?;
    }
    Ok(())
}

fn table(launch_plan: &LaunchPlan) -> Table {
    let mut table = Table::new(&["PATH", "PROTECTION"]);
    for plan in &launch_plan.plans {
        for path in &plan.paths {
            table.row([(path.display().to_string(), Tone::Plain), ("read-only".to_owned(), Tone::Good)]);
        }
        for (what, gap) in &plan.uncovered {
            table.row([(what.clone(), Tone::Plain), (format!("none: {}", gap.reason()), Tone::Bad)]);
        }
    }
    table
}

fn as_json(launch_plan: &LaunchPlan, obstacle: Option<&str>) -> Value {
    let plans = launch_plan.plans.iter().map(|plan| {
        // A name that is not Unicode is shown with replacement characters.
        let protected = plan.paths.iter().map(|path| path.display().to_string());
        let uncovered = plan.uncovered.iter().map(|(what, gap)| json!({ "path": what, "reason": gap }));
        json!({
            "root": plan.root.display().to_string(),
            "protected": protected.collect::<Vec<_>>(),
            "uncovered": uncovered.collect::<Vec<_>>(),
        })
    });
    json!({ "available": obstacle.is_none(), "obstacle": obstacle, "checkouts": plans.collect::<Vec<_>>() })
}

/// Why nothing can be protected here.
#[cfg(target_os = "linux")]
fn obstacle() -> Option<String> {
    super::linux::obstacle()
}

#[cfg(target_os = "macos")]
fn obstacle() -> Option<String> {
    (!std::path::Path::new(super::seatbelt::PROGRAM).exists()).then(|| "there is no sandbox-exec".to_owned())
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn obstacle() -> Option<String> {
    Some("nexus knows no way to do it on this system".to_owned())
}
