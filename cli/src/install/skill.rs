//! The text about Nexus for agents. It is short, since it is always part of an agent's context.

use super::{
    Plan,
    block::{self, Comment},
};
use crate::error::Error;
use std::path::PathBuf;

/// A skill, as Claude Code finds them.
pub(crate) const SKILL: &str = include_str!("skill.md");

/// The same in a few lines, for hosts that read one text.
pub(crate) const GUIDE: &str = "\
## Nexus

Several agents work in this repository. Nexus keeps who works on what and which files they hold.

- Before you edit: `nexus next` takes the best free feature with all of its files, `nexus feature pick SLUG` one by name.
- A file that another session holds is refused. `nexus why FILE` says who holds it and how to get it. Do not write
  it by other means; take other work instead: `nexus feature available`.
- A free file that you edit becomes yours alone; `nexus claims --mine` lists yours, `nexus unclaim FILE` gives one back.
- `nexus learn \"…\"` keeps what others should know; `nexus save -n \"…\"` how far you are.
- When it is finished: `nexus feature done SLUG`. To give it back: `nexus feature release SLUG`.
";

/// Puts the lines about Nexus into what all agents of a host read.
pub(crate) fn add_guide(plan: &mut Plan, path: PathBuf) -> Result<(), Error> {
    plan.put_in(
        path,
        |text| Ok(block::with(text, Comment::Markdown, GUIDE)),
        |text| Ok(block::taken(text, Comment::Markdown)),
    )
}

/// Takes them out.
pub(crate) fn remove_guide(plan: &mut Plan, path: PathBuf) -> Result<(), Error> {
    plan.take_out(path, |text| Ok(block::taken(text, Comment::Markdown)))
}
