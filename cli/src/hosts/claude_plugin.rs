//! A plugin folder for Claude Code, made from what is installed in its settings otherwise, so that both say one thing.

use super::claude;
use crate::{
    error::Error,
    install::{Base, Plan, signed, skill::SKILL},
};
use serde_json::{Map, Value, json};
use std::path::Path;

const ABOUT: &str = "Coordinates many agents on one codebase: files that another session holds are not edited, committed or pushed.";

/// The files of the plugin folder that have to be changed.
///
/// # Errors
/// When a file that is there cannot be read.
pub(crate) fn claude_plugin(folder: &Path, is_closed: bool) -> Result<Plan, Error> {
    let mut hooks: Map<String, Value> = Map::new();
    for (event, entry) in claude::own_hooks(is_closed) {
        hooks
            .entry(event)
            .or_insert_with(|| json!([]))
            .as_array_mut()
            .expect("it was made a list")
            .push(entry);
    }
    let version = env!("CARGO_PKG_VERSION");
    let about = json!({ "name": "nexus", "version": version, "description": ABOUT });
    let market = json!({ "name": "nexus", "owner": { "name": "nexus" },
        "plugins": [{ "name": "nexus", "source": "./", "description": ABOUT, "version": version }] });
    // The folder need not exist yet.
    let above = folder.ancestors().find(|above| above.is_dir()).unwrap_or(folder);
    let mut plan = Plan::new(Base::Repository(above.to_owned()));
    for (name, value) in [
        (".claude-plugin/plugin.json", about),
        (".claude-plugin/marketplace.json", market),
        ("hooks/hooks.json", json!({ "description": ABOUT, "hooks": hooks })),
        (".mcp.json", json!({ "mcpServers": { "nexus": claude::server() } })),
    ] {
        plan.own(folder.join(name), &format!("{value:#}\n"))?;
    }
    plan.own(folder.join("skills/nexus/SKILL.md"), &signed(SKILL))?;
    Ok(plan)
}
