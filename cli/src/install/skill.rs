//! What an agent reads about Nexus. Short: it is part of what the agent has in mind all the time.

use super::{
    Plan,
    block::{self, Comment},
    memory::checksum,
};
use crate::error::Error;
use std::path::PathBuf;

/// A skill, as Claude Code finds them.
pub(super) const SKILL: &str = include_str!("skill.md");

/// The same in a few lines, for hosts that read one text.
pub(super) const GUIDE: &str = "\
## Nexus

Several agents work in this repository. Nexus keeps who works on what and which files they hold.

- Before you edit: `nexus next` takes the best free feature with all of its files, `nexus feature pick SLUG` one by name.
- A file that another session holds is refused. `nexus why FILE` says who holds it and how to get it. Do not write
  it by other means; take other work instead: `nexus feature available`.
- A free file that you edit becomes yours alone; `nexus claims --mine` lists yours, `nexus unclaim FILE` gives one back.
- `nexus learn \"…\"` keeps what others should know; `nexus save -n \"…\"` how far you are.
- When it is finished: `nexus feature done SLUG`. To give it back: `nexus feature release SLUG`.
";

/// The beginning of the last line of a text of ours, and its end: the checksum of all before it stands in between.
const SIGN: [&str; 2] = ["<!-- by nexus install ", " -->"];

/// The text, so that it is known as ours as long as nobody changes it.
pub(super) fn signed(text: &str) -> String {
    let text = text.trim_end();
    format!("{text}\n\n{}{}{}\n", SIGN[0], checksum(text), SIGN[1])
}

/// Whether a text is as some version of nexus install wrote it.
pub(super) fn is_ours(text: &str) -> bool {
    let Some((text, last)) = text.trim_end().rsplit_once('\n') else { return false };
    let written = last.strip_prefix(SIGN[0]).and_then(|rest| rest.strip_suffix(SIGN[1]));
    written.is_some_and(|written| written == checksum(text.trim_end()))
}

/// Puts the lines about Nexus into what all agents of a host read.
pub(super) fn add_guide(plan: &mut Plan, path: PathBuf) -> Result<(), Error> {
    plan.put_in(
        path,
        |text| Ok(block::with(text, Comment::Markdown, GUIDE)),
        |text| Ok(block::taken(text, Comment::Markdown)),
    )
}

/// Takes them out.
pub(super) fn remove_guide(plan: &mut Plan, path: PathBuf) -> Result<(), Error> {
    plan.take_out(path, |text| Ok(block::taken(text, Comment::Markdown)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_ours_until_somebody_changes_it() {
        let text = signed(SKILL);
        assert!(text.starts_with("---\n"), "{text}");
        assert!(is_ours(&text) && is_ours(&text.replace('\n', "\r\n")));
        assert!(!is_ours(SKILL) && !is_ours(&text.replacen("Nexus", "Nexus, mostly", 1)));
        assert!(!is_ours("") && !is_ours(&format!("{text}And more.\n")));
    }
}
