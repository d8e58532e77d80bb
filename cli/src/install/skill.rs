//! What an agent reads about Nexus. Short: it is part of what the agent has in mind all the time.

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
