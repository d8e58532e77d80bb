//! Entries in JSON settings of others. Comments, order and layout of everything else stay. Entries of Nexus are
//! recognised by their command.

use super::plan::{Plan, WithoutOurs};
use crate::error::Error;
use jsonc_parser::{
    ParseOptions,
    cst::{CstInputValue, CstNode, CstObject, CstRootNode},
};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A hook to install: the event, and its entry.
pub(crate) type Hook = (String, Value);

/// Adds entries to settings. `ours` is the rest of a file that was created for them.
///
/// # Errors
/// When they cannot be read, or are no JSON object.
pub(crate) fn put_in(
    plan: &mut Plan,
    path: PathBuf,
    ours: &Value,
    change: impl FnOnce(&CstObject) -> Result<(), String>,
) -> Result<(), Error> {
    let named = path.clone();
    plan.put_in(path, |text| edit(&named, text, change), |text| taken(&named, text, ours))
}

/// Removes hooks and tools of Nexus from settings. A file that was created for them is deleted.
///
/// # Errors
/// When they cannot be read, or are no JSON object.
pub(crate) fn take_out(plan: &mut Plan, path: PathBuf, ours: &Value) -> Result<(), Error> {
    let named = path.clone();
    plan.take_out(path, |text| taken(&named, text, ours))
}

/// Changes settings.
///
/// # Errors
/// When they are no JSON object, or `change` finds an unexpected value. The message names the file.
fn edit(
    path: &Path,
    text: Option<&str>,
    change: impl FnOnce(&CstObject) -> Result<(), String>,
) -> Result<String, Error> {
    let refused = |problem: String| {
        Error::local(format!("{} is left as it is: {problem}", path.display()))
            .hint("repair it, then run the command again")
    };
    let text = text.filter(|text| !text.trim().is_empty()).unwrap_or("{}\n");
    let options = ParseOptions { allow_missing_commas: false, ..ParseOptions::default() };
    let root = CstRootNode::parse(text, &options)
        .map_err(|error| refused(format!("line {}: {}", error.line_display(), error.kind())))?;
    let object = root.object_value().ok_or_else(|| refused("it is no object".to_owned()))?;
    change(&object).map_err(refused)?;
    Ok(root.to_string())
}

/// Adds the missing hooks among these, and replaces hooks of Nexus that differ from them.
pub(crate) fn add_hooks(root: &CstObject, wanted: &[Hook]) -> Result<(), String> {
    let hooks = root.object_value_or_create("hooks").ok_or("\"hooks\" is no object")?;
    for (event, entry) in wanted {
        let list = hooks.array_value_or_create(event).ok_or_else(|| format!("hooks.{event} is no list"))?;
        let of_event = wanted.iter().filter(|(other, _)| other == event);
        let expected: Vec<&Value> = of_event.map(|(_, entry)| entry).collect();
        for element in list.elements() {
            if is_ours(&element) && !value(&element).is_some_and(|value| expected.contains(&&value)) {
                element.remove();
            }
        }
        if !list.elements().iter().any(|element| value(element).as_ref() == Some(entry)) {
            list.append(input(entry));
        }
    }
    Ok(())
}

/// Removes all hooks of Nexus, and the lists that were created for them. Settings without one stay as they are.
fn remove_hooks(root: &CstObject) {
    let Some(hooks) = root.object_value("hooks") else { return };
    let mut had_any = false;
    let mut remove = |node: CstNode| {
        had_any = true;
        node.remove();
    };
    for property in hooks.properties() {
        let Some(list) = property.array_value() else { continue };
        let had = list.elements().len();
        for element in list.elements() {
            if is_ours(&element) {
                remove(element);
            } else if let Some(inner) = element.as_object().and_then(|entry| entry.array_value("hooks")) {
                // The user added a hook of their own to the same entry.
                inner.elements().into_iter().filter(is_ours).for_each(&mut remove);
            }
        }
        if had > 0 && list.elements().is_empty() {
            property.remove();
        }
    }
    if had_any
        && hooks.properties().is_empty()
        && let Some(property) = root.get("hooks")
    {
        property.remove();
    }
}

/// Adds the MCP server, unless the user has one of that name.
pub(crate) fn add_server(root: &CstObject, entry: &Value) -> Result<(), String> {
    let servers = root.object_value_or_create("mcpServers").ok_or("\"mcpServers\" is no object")?;
    match servers.get("nexus") {
        Some(property) if property.value().and_then(|found| value(&found)).as_ref() == Some(entry) => {}
        Some(property) if property.value().is_some_and(|found| is_our_server(&found)) => {
            property.set_value(input(entry));
        }
        Some(_) => {}
        None => drop(servers.append("nexus", input(entry))),
    }
    Ok(())
}

/// Removes the MCP server, and the object that was created for it.
fn remove_server(root: &CstObject) {
    let Some(servers) = root.object_value("mcpServers") else { return };
    if let Some(property) = servers.get("nexus")
        && property.value().is_some_and(|found| is_our_server(&found))
    {
        property.remove();
        if servers.properties().is_empty()
            && let Some(property) = root.get("mcpServers")
        {
            property.remove();
        }
    }
}

/// Settings without hooks and tools of Nexus. `ours` is the rest of a file that was created for them.
///
/// # Errors
/// When they are no JSON object. The message names the file.
fn taken(path: &Path, text: &str, ours: &Value) -> Result<WithoutOurs, Error> {
    let left = edit(path, Some(text), |root| {
        remove_hooks(root);
        remove_server(root);
        Ok(())
    })?;
    // An empty file has no entries of Nexus, and stays as it is.
    if text.trim().is_empty() {
        return Ok(WithoutOurs { text: text.to_owned(), is_nothing: false });
    }
    let is_nothing = serde_json::from_str::<Value>(&left).is_ok_and(|left| left == *ours);
    Ok(WithoutOurs { is_nothing, text: left })
}

fn value(node: &CstNode) -> Option<Value> {
    node.to_serde_value()
}

/// Whether an entry, or all entries within it, call Nexus.
fn is_ours(element: &CstNode) -> bool {
    value(element).is_some_and(|value| calls_us(&value))
}

fn calls_us(entry: &Value) -> bool {
    if let Some(inner) = entry.get("hooks").and_then(Value::as_array) {
        return !inner.is_empty() && inner.iter().all(calls_us);
    }
    let command = entry.get("command").and_then(Value::as_str).unwrap_or_default();
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default().trim_matches(['"', '\'']);
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    matches!(name, "nexus" | "nexus.exe") && words.next() == Some("hook")
}

fn is_our_server(node: &CstNode) -> bool {
    let Some(entry) = value(node) else { return false };
    let command = entry.get("command").and_then(Value::as_str).unwrap_or_default();
    command.rsplit(['/', '\\']).next() == Some("nexus") && entry["args"][0] == "mcp"
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(fields) => {
            CstInputValue::Object(fields.iter().map(|(name, value)| (name.clone(), input(value))).collect())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted() -> Vec<Hook> {
        let entry = |event: &str| json!({ "matcher": "Edit", "hooks": [{ "type": "command", "command": format!("nexus hook claude {event}"), "timeout": 10 }] });
        vec![("PreToolUse".to_owned(), entry("pre-tool-use")), ("Stop".to_owned(), entry("stop"))]
    }

    fn installed(text: &str) -> String {
        edit(Path::new("settings.json"), Some(text), |root| add_hooks(root, &wanted())).unwrap()
    }

    fn uninstalled(text: &str) -> String {
        let remove = |root: &CstObject| {
            remove_hooks(root);
            Ok(())
        };
        edit(Path::new("settings.json"), Some(text), remove).unwrap()
    }

    #[test]
    fn what_others_wrote_stays_as_it_is() {
        for text in [
            "{\n  // mine\n  \"model\": \"opus\", /* why not */\n  \"permissions\": { \"allow\": [\"Bash(ls:*)\"] }\n}\n",
            "{\n\t\"hooks\": {\n\t\t\"PreToolUse\": [\n\t\t\t{ \"matcher\": \"Bash\", \"hooks\": [{ \"type\": \"command\", \"command\": \"./check.sh\" }] }\n\t\t]\n\t},\n\t\"x\": 1\n}",
            "{\n    \"hooks\": {\n        \"Stop\": [\n            {\"hooks\": [{\"type\": \"command\", \"command\": \"say done\"}]}\n        ]\n    }\n}\n",
        ] {
            let with_ours = installed(text);
            assert!(with_ours.contains("nexus hook claude pre-tool-use"), "{with_ours}");
            assert_eq!(installed(&with_ours), with_ours, "twice is once");
            assert_eq!(uninstalled(&with_ours), text);
        }
    }

    #[test]
    fn what_has_nothing_of_ours_is_not_touched() {
        for text in [
            "{}",
            "{\"hooks\":{}}",
            "{ \"hooks\": { \"Stop\": [] }, \"x\": 1 }",
            "{\"hooks\":{\"Stop\":[{\"hooks\":[]}]}}",
        ] {
            assert_eq!(uninstalled(text), text);
        }
    }

    #[test]
    fn a_compact_file_says_the_same_afterwards() {
        for text in [
            "{}",
            "{\"model\":\"opus\"}",
            "{\"hooks\":{\"Stop\":[{\"hooks\":[{\"type\":\"command\",\"command\":\"x\"}]}]}}",
        ] {
            let left: Value = serde_json::from_str(&uninstalled(&installed(text))).unwrap();
            assert_eq!(left, serde_json::from_str::<Value>(text).unwrap());
        }
    }

    #[test]
    fn an_older_entry_of_ours_is_replaced() {
        let old =
            r#"{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"/opt/nexus hook claude stop"}]}]}}"#;
        let new: Value = serde_json::from_str(&installed(old)).unwrap();
        assert_eq!(new["hooks"]["Stop"], json!([wanted()[1].1]));
    }

    #[test]
    fn broken_settings_are_left_alone_and_named() {
        let broken = edit(Path::new("settings.json"), Some("{\n  \"a\": 1\n  \"b\": 2\n}"), |_| Ok(()));
        let message = broken.unwrap_err().to_string();
        assert!(message.starts_with("settings.json is left as it is: line "), "{message}");
        let odd = edit(Path::new("s"), Some("{\"hooks\": 7}"), |root| add_hooks(root, &wanted()));
        assert!(odd.unwrap_err().to_string().contains("\"hooks\" is no object"));
    }

    #[test]
    fn a_server_of_the_same_name_is_not_touched() {
        let theirs = "{\"mcpServers\":{\"nexus\":{\"command\":\"npx\",\"args\":[\"nexus-other\"]}}}";
        let entry = json!({ "command": "nexus", "args": ["mcp"] });
        let edited = edit(Path::new("s"), Some(theirs), |root| add_server(root, &entry)).unwrap();
        assert_eq!(edited, theirs);
        let remove = |root: &CstObject| {
            remove_server(root);
            Ok(())
        };
        assert_eq!(edit(Path::new("s"), Some(theirs), remove).unwrap(), theirs);
    }
}
