//! Reads a command by its own name, with its fields as options: `ana pick_feature slug=billing`. So the story of a new
//! command needs no verb.

use super::{line::Line, world::World};
use nexus_domain::{Command, ProjectId};
use serde_json::{Value, json};

/// The command of a line. Its fields are JSON or plain text, `<name>` is the id with this name, and the project is that
/// of the line.
pub(crate) fn command(world: &mut World, line: &Line, project: ProjectId) -> Command {
    let mut fields = json!({ "project": project });
    for (name, value) in line.fields() {
        fields[name] = match value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
            Some(id) => json!(world.id_of_or_new(id)),
            None => serde_json::from_str(value).unwrap_or_else(|_| Value::from(value)),
        };
    }
    let words = line.verb.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
    let command = json!({ words.collect::<String>(): fields });
    serde_json::from_value(command)
        .unwrap_or_else(|error| panic!("no verb or command {}: {error}", line.verb))
}
