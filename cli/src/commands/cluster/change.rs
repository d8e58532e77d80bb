//! The plan that all changes of the membership begin with, and the question before the cluster bears fewer losses.

use crate::{
    answer::Answer, client::Request, context::Context, error::Error, output::Table, output::Tone,
    text::format,
};
use clap::Args;
use nexus_api_types::{
    Code,
    change_plan::{ChangePlan, PlanChange, Voters},
    cluster::Operated,
};
use serde_json::Value;
use std::io::{self, BufRead, IsTerminal};

/// The path that plans are asked for at.
const PLAN: &str = "/cluster/plan";

/// How a change of the membership is asked for.
#[derive(Args)]
pub(super) struct ChangeArgs {
    /// Print the steps, the voters, and how many of them may be lost before and after; do nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask, even if the cluster bears fewer losses afterwards
    #[arg(long)]
    yes: bool,
}

impl ChangeArgs {
    /// Whether nothing is to be done.
    pub(super) const fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Sends a change with `request`, or prints its plan, which `planned` asks for. Returns the answer; none when
    /// nothing was done.
    ///
    /// # Errors
    /// The refusal of the change. Without a person to ask, it is misused to make the cluster bear fewer losses without
    /// `--yes`.
    pub(super) async fn send(
        &self,
        context: &Context<'_>,
        planned: &PlanChange,
        request: impl Fn() -> Request,
    ) -> Result<Option<Answer>, Error> {
        if !self.yes {
            // A path of its own: an earlier server does not have it, and would ignore a parameter.
            let asked = context.client.send(Request::post(PLAN).body(planned)).await;
            let planned =
                asked.map_err(|error| if is_without_plans(&error) { plans_nothing() } else { error })?;
            let Some(plan) = planned.parse::<Operated>()?.plan else {
                return Err(Error::local("the server answered with no plan; nothing was done"));
            };
            if self.dry_run {
                let shown = planned.data().get("plan").cloned().unwrap_or(Value::Null);
                context.out.answer(&Answer::new(shown), |plan: ChangePlan| print(context, &plan))?;
                context.out.note("Nothing was done: this was a dry run.");
                return Ok(None);
            }
            if plan.bears_fewer_losses() && !agreed(context, &plan)? {
                context.out.note("Nothing was done.");
                return Ok(None);
            }
        }
        context.client.send(request()).await.map(Some)
    }
}

/// Whether a server has no route for plans. Of a node that does not exist, the error says so.
fn is_without_plans(error: &Error) -> bool {
    matches!(error, Error::Refused(refused) if refused.body.code == Code::NotFound && refused.missing().is_none())
}

fn plans_nothing() -> Error {
    Error::local("this server is of an earlier version, which plans nothing; nothing was done")
        .hint("--yes carries the change out without a plan")
}

/// Prints a plan: the voters before and after, and the steps.
fn print(context: &Context<'_>, plan: &ChangePlan) -> Result<(), Error> {
    context.out.table(&table(plan))?;
    context.out.line("")?;
    if plan.steps.is_empty() {
        return context.out.line("There is nothing left to do");
    }
    plan.steps
        .iter()
        .enumerate()
        .try_for_each(|(at, step)| context.out.line(format_args!("{}. {step}", at + 1)))
}

fn table(plan: &ChangePlan) -> Table {
    let mut table = Table::new(&["", "VOTERS", "QUORUM", "ANSWERING", "MAY BE LOST"]);
    let mut row = |when: &str, of: &Voters, tone: Tone| {
        let ids = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        table.row([
            (when.to_owned(), Tone::Faint),
            (ids(&of.voters), Tone::Plain),
            (of.quorum.to_string(), Tone::Plain),
            (ids(&of.answering), Tone::Plain),
            (of.may_lose.to_string(), tone),
        ]);
    };
    row("before", &plan.before, Tone::Plain);
    row("after", &plan.after, if plan.bears_fewer_losses() { Tone::Warn } else { Tone::Plain });
    table
}

/// `the cluster would bear the loss of 0 nodes instead of 1`
fn warning(plan: &ChangePlan) -> String {
    let after = format::count(usize::try_from(plan.after.may_lose).unwrap_or(usize::MAX), "node");
    format!("afterwards the cluster bears the loss of {after} instead of {}", plan.before.may_lose)
}

/// Whether the person agrees. Without a terminal, `--yes` is needed.
fn agreed(context: &Context<'_>, plan: &ChangePlan) -> Result<bool, Error> {
    let warning = warning(plan);
    if context.out.is_json() || !io::stdin().is_terminal() {
        return Err(Error::misused(warning).hint("--yes does it all the same; --dry-run shows the plan"));
    }
    print(context, plan)?;
    eprint!("\n{}{}. Go on? [y/N] ", warning[..1].to_uppercase(), &warning[1..]);
    let mut line = String::new();
    let read = context.asking(|| io::stdin().lock().read_line(&mut line));
    read.map_err(|error| Error::local(format!("cannot read the answer: {error}")))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn plan(before: &[u64], after: &[u64], answering: &[u64]) -> ChangePlan {
        let set = |ids: &[u64]| ids.iter().copied().collect::<BTreeSet<u64>>();
        let voters = |of: &[u64]| Voters::new(&set(of), &set(answering));
        ChangePlan {
            steps: vec!["node 3 leaves the cluster".to_owned()],
            before: voters(before),
            after: voters(after),
        }
    }

    #[test]
    fn a_plan_shows_the_voters_before_and_after() {
        let plan = plan(&[1, 2, 3], &[1, 2], &[1, 2, 3]);
        assert_eq!(
            table(&plan).stripped(),
            [
                "        VOTERS   QUORUM  ANSWERING  MAY BE LOST",
                "before  1, 2, 3  2       1, 2, 3    1",
                "after   1, 2     2       1, 2       0",
            ]
        );
        assert_eq!(warning(&plan), "afterwards the cluster bears the loss of 0 nodes instead of 1");
    }

    #[test]
    fn whoever_removes_a_dead_node_is_not_asked() {
        assert!(!plan(&[1, 2, 3], &[1, 2], &[1, 2]).bears_fewer_losses());
    }
}
