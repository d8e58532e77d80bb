//! The document as a page for people: plain HTML without scripts, which loads nothing from other hosts.

use serde_json::Value;
use std::fmt::Write;
use utoipa::openapi::OpenApi;

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
code,pre{font:14px/1.4 ui-monospace,monospace}details{border-top:1px solid #8884;padding:.4rem 0}\
summary{cursor:pointer}summary b{display:inline-block;min-width:4.5rem}summary span{opacity:.75}\
table{border-collapse:collapse;margin:.5rem 0}td,th{text-align:left;vertical-align:top;padding:.15rem 1rem .15rem 0}\
h2{margin-top:2.5rem}pre{overflow:auto;padding:.75rem;background:#8881;border-radius:.4rem}";

/// The reference as HTML.
pub(crate) fn page(document: &OpenApi) -> String {
    let value = serde_json::to_value(document).unwrap_or_default();
    let mut html = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut html, &value);
    html
}

fn write(html: &mut String, document: &Value) -> std::fmt::Result {
    let info = &document["info"];
    write!(
        html,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Nexus API</title><style>{STYLE}</style><h1>Nexus API <small>{}</small></h1>",
        escaped(text(&info["version"]))
    )?;
    for paragraph in text(&info["description"]).split("\n\n") {
        write!(html, "<p>{}</p>", marked(paragraph))?;
    }
    html.push_str("<p>For programs: <a href=openapi.json>openapi.json</a>, OpenAPI 3.1. Paths are below <code>/api</code>.</p>");
    let mut operations = operations(document);
    operations.sort_by_key(|(tag, ..)| *tag);
    let mut section = "";
    for (tag, method, path, operation) in operations {
        if tag != section {
            section = tag;
            write!(html, "<h2 id=\"{0}\">{0}</h2>", escaped(tag))?;
        }
        write_operation(html, method, path, operation)?;
    }
    html.push_str("<h2 id=types>Types</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        write!(html, "<details id=\"type-{0}\"><summary><code>{0}</code> <span>", escaped(name))?;
        write!(html, "{}</span></summary>", marked(text(&schema["description"])))?;
        write!(html, "<pre>{}</pre></details>", escaped(&pretty(schema)))?;
    }
    html.push_str("</html>");
    Ok(())
}

type Listed<'a> = (&'a str, &'a str, &'a str, &'a Value);

/// Tag, method, path and description of every operation.
fn operations(document: &Value) -> Vec<Listed<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.map(move |(method, operation)| {
                (text(&operation["tags"][0]), method.as_str(), path.as_str(), operation)
            })
        })
        .collect()
}

fn write_operation(html: &mut String, method: &str, path: &str, operation: &Value) -> std::fmt::Result {
    write!(
        html,
        "<details id=\"{}\"><summary><b>{}</b><code>{}</code> <span>{}</span></summary>",
        escaped(text(&operation["operationId"])),
        escaped(&method.to_uppercase()),
        escaped(path),
        escaped(text(&operation["summary"]))
    )?;
    write!(html, "<p>{}</p><table>", marked(text(&operation["description"])))?;
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let about = text(&parameter["description"]);
        write!(
            html,
            "<tr><td><code>{}</code><td>{}<td>{}",
            escaped(text(&parameter["name"])),
            escaped(text(&parameter["in"])),
            marked(about)
        )?;
    }
    html.push_str("</table>");
    if let Some(schema) = operation["requestBody"]["content"]["application/json"].get("schema") {
        write!(html, "<p>Body: {}</p>", kind(schema))?;
    }
    html.push_str("<table>");
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let schema = answer["content"].as_object().and_then(|content| content.values().next());
        let schema = schema.map(|content| kind(&content["schema"])).unwrap_or_default();
        write!(
            html,
            "<tr><td><b>{}</b><td>{}<td>{}",
            escaped(status),
            schema,
            marked(text(&answer["description"]))
        )?;
    }
    html.push_str("</table></details>");
    Ok(())
}

/// A short description of a schema, with links.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#type-{0}\"><code>{0}</code></a>", escaped(name));
    }
    if let Some(data) = schema["properties"].get("data") {
        return format!("{{data: {}}}", kind(data));
    }
    if let Some(items) = schema["properties"].get("items") {
        return format!("{{items: {}, nextCursor, hasMore}}", kind(items));
    }
    if let Some(kinds) = schema["oneOf"].as_array() {
        return kinds.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    match schema.get("items") {
        Some(items) => format!("list of {}", kind(items)),
        None => format!("<code>{}</code>", escaped(text(&schema["type"]))),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text as HTML, with `<code>` for what stands between backticks.
fn marked(text: &str) -> String {
    let escaped = escaped(text);
    let parts = escaped.split('`').enumerate();
    parts
        .map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() })
        .collect()
}
