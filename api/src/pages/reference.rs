//! `/docs`: the OpenAPI document as a page for people, with an example in curl and in the command line for each route.
//! It can be read without scripts; with them, it can be searched.

use super::{
    example,
    html::{self, escaped, marked},
};
use crate::openapi;
use nexus_api_types::Code;
use serde_json::Value;
use std::{collections::HashMap, fmt::Write};
use utoipa::openapi::OpenApi;

/// The errors that at least this many routes have, with the same meaning, are described once for all.
const SHARED_BY: usize = 10;

/// The reference as HTML.
pub(super) fn page(document: &OpenApi) -> String {
    let value = serde_json::to_value(document).unwrap_or_default();
    let mut html = html::head("The API of Nexus");
    // Writing to a string cannot fail.
    let _ = write(&mut html, &value);
    html
}

struct Entry<'a> {
    tag: &'a str,
    method: &'a str,
    path: &'a str,
    operation: &'a Value,
}

/// The errors that many routes share: status and meaning.
type SharedErrors<'a> = HashMap<(&'a str, &'a str), usize>;

fn write(html: &mut String, document: &Value) -> std::fmt::Result {
    let info = &document["info"];
    write!(html, "<h1>The API of Nexus <small>{}</small></h1>", escaped(text(&info["version"])))?;
    for paragraph in text(&info["description"]).split("\n\n") {
        write!(html, "<p>{}</p>", marked(paragraph))?;
    }
    html.push_str(
        "<p>For programs: <a href=openapi.json>openapi.json</a>, OpenAPI 3.1. Paths are below <code>/api</code>. The \
         examples take the address of a node from <code>$NEXUS</code>, such as <code>http://127.0.0.1:7401</code>, and \
         an API key from <code>$KEY</code>.</p>\
         <input type=search id=search hidden placeholder=\"Search: a word of a route, a field, a command; / goes here\" \
         aria-label=Search>",
    );
    let mut entries = entries(document);
    entries.sort_by_key(|entry| entry.tag);
    let mut shared = SharedErrors::new();
    for entry in &entries {
        for error in errors(entry.operation) {
            *shared.entry(error).or_default() += 1;
        }
    }
    shared.retain(|_, routes| *routes >= SHARED_BY);

    html.push_str("<nav>");
    for tag in tags(&entries) {
        write!(html, "<a href=\"#{0}\">{0}</a>", escaped(tag))?;
    }
    html.push_str("<a href=\"#tools\">tools (MCP)</a><a href=\"#errors\">errors</a><a href=\"#types\">types</a></nav><main>");
    for tag in tags(&entries) {
        write!(html, "<section><h2 id=\"{0}\">{0}</h2>", escaped(tag))?;
        for entry in entries.iter().filter(|entry| entry.tag == tag) {
            write_operation(html, document, entry, &shared)?;
        }
        html.push_str("</section>");
    }
    write_tools(html)?;
    write_errors(html)?;
    html.push_str("<section><h2 id=types>types</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        write!(html, "<details id=\"type-{0}\"><summary><code>{0}</code> <span>", escaped(name))?;
        write!(html, "{}</span></summary>", marked(text(&schema["description"])))?;
        write_fields(html, schema)?;
        write!(html, "<pre>{}</pre></details>", escaped(&pretty(schema)))?;
    }
    html.push_str(
        "</section><p id=nothing hidden>Nothing has all of these words.</p></main>\
         <script src=\"docs/search.js\"></script></html>",
    );
    Ok(())
}

/// Every operation of the document.
fn entries(document: &Value) -> Vec<Entry<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.map(move |(method, operation)| Entry {
                tag: text(&operation["tags"][0]),
                method: method.as_str(),
                path: path.as_str(),
                operation,
            })
        })
        .collect()
}

/// The tags in order, each once.
fn tags<'a>(entries: &[Entry<'a>]) -> Vec<&'a str> {
    let mut tags: Vec<_> = entries.iter().map(|entry| entry.tag).collect();
    tags.dedup();
    tags
}

/// Status and meaning of the errors of an operation.
fn errors(operation: &Value) -> impl Iterator<Item = (&str, &str)> {
    let responses = operation["responses"].as_object().into_iter().flatten();
    responses
        .map(|(status, response)| (status.as_str(), text(&response["description"])))
        .filter(|(status, _)| status.starts_with(['4', '5']))
}

fn write_operation(
    html: &mut String,
    document: &Value,
    entry: &Entry<'_>,
    shared: &SharedErrors<'_>,
) -> std::fmt::Result {
    let Entry { method, path, operation, .. } = *entry;
    write!(
        html,
        "<details id=\"{}\"><summary><b>{}</b><code>{}</code> <span>{}</span></summary>",
        escaped(text(&operation["operationId"])),
        escaped(&method.to_uppercase()),
        escaped(path),
        escaped(text(&operation["summary"]))
    )?;
    if let Some(about) = operation["description"].as_str() {
        write!(html, "<p>{}</p>", marked(about))?;
    }
    write!(html, "<pre>{}</pre>", escaped(&example::curl(document, method, path, operation)))?;
    if let Some(command) = operation[openapi::COMMAND].as_str() {
        write!(html, "<pre>{}</pre>", escaped(command))?;
    } else if let Some(reason) = operation[openapi::NO_COMMAND].as_str() {
        write!(html, "<p class=note>No command does this. {}</p>", marked(reason))?;
    }
    write_parameters(html, operation)?;
    if let Some(schema) = operation["requestBody"]["content"]["application/json"].get("schema") {
        write!(html, "<h3>Body: {}</h3>", kind(schema))?;
        write_fields(html, example::resolved(document, schema))?;
    }
    html.push_str("<h3>Answers</h3><table>");
    let mut common = Vec::new();
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let meaning = text(&answer["description"]);
        if shared.contains_key(&(status.as_str(), meaning)) {
            common.push(status.as_str());
            continue;
        }
        let schema = answer["content"].as_object().and_then(|content| content.values().next());
        let schema = schema.map(|content| kind(&content["schema"])).unwrap_or_default();
        write!(html, "<tr><td><b>{}</b><td>{schema}<td>{}", escaped(status), marked(meaning))?;
    }
    html.push_str("</table>");
    if !common.is_empty() {
        write!(
            html,
            "<p class=note>Errors of many routes: <a href=\"#errors\">{}</a></p>",
            common.join(", ")
        )?;
    }
    html.push_str("</details>");
    Ok(())
}

/// The parameters of a route: those of its path have the examples' values.
fn write_parameters(html: &mut String, operation: &Value) -> std::fmt::Result {
    let mut rows = operation["parameters"].as_array().into_iter().flatten().peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    html.push_str("<h3>Parameters</h3><table>");
    for parameter in rows {
        write!(
            html,
            "<tr><td><code>{}</code><td>{}<td>{}",
            escaped(text(&parameter["name"])),
            escaped(text(&parameter["in"])),
            marked(text(&parameter["description"]))
        )?;
    }
    html.push_str("</table>");
    Ok(())
}

/// The fields of a schema: name, type, whether it is required, and meaning.
fn write_fields(html: &mut String, schema: &Value) -> std::fmt::Result {
    let Some(fields) = schema["properties"].as_object().filter(|fields| !fields.is_empty()) else {
        return Ok(());
    };
    let required: Vec<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    html.push_str("<table>");
    for (name, field) in fields {
        let needed = if required.contains(&name.as_str()) { "required" } else { "" };
        let about = field["description"].as_str().or_else(|| field["oneOf"][0]["description"].as_str());
        write!(
            html,
            "<tr><td><code>{}</code><td>{}<td>{needed}<td>{}",
            escaped(name),
            kind(field),
            marked(about.unwrap_or_default())
        )?;
    }
    html.push_str("</table>");
    Ok(())
}

fn write_tools(html: &mut String) -> std::fmt::Result {
    html.push_str(
        "<section><h2 id=tools>tools (MCP)</h2><p>Agents that speak the Model Context Protocol find these tools at \
         <code>POST /mcp?project=SLUG&amp;agent=NAME</code> of any node, with the API key as bearer, and in \
         <code>nexus mcp</code> over standard input and output.</p>",
    );
    for tool in nexus_mcp::tools() {
        write!(
            html,
            "<details id=\"tool-{0}\"><summary><b>tool</b><code>{0}</code></summary><p>{1}</p>",
            escaped(&tool.name),
            escaped(tool.description.as_deref().unwrap_or_default())
        )?;
        write_fields(html, &Value::Object((*tool.input_schema).clone()))?;
        html.push_str("</details>");
    }
    html.push_str("</section>");
    Ok(())
}

fn write_errors(html: &mut String) -> std::fmt::Result {
    html.push_str(
        "<section><h2 id=errors>errors</h2><p>An error is <code>{\"error\": {\"code\", \"message\", \"details\"?, \
         \"requestId\"}}</code>. Programs decide by the code, which stays; messages are for people. After 429 and 503, \
         wait as <code>Retry-After</code> says, and send a write again with the same <code>Idempotency-Key</code>.\
         </p><table><tr><th>Status<th>Code<th>Meaning",
    );
    for (code, meaning) in Code::ALL {
        write!(html, "<tr><td><b>{}</b><td><code>{code}</code><td>{}", code.status(), marked(meaning))?;
    }
    html.push_str("</table></section>");
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
    if let Some(kinds) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        return kinds.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(items) = schema.get("items") {
        return format!("list of {}", kind(items));
    }
    if let Some(words) = schema["enum"].as_array() {
        let words =
            words.iter().filter_map(Value::as_str).map(|word| format!("<code>{}</code>", escaped(word)));
        return words.collect::<Vec<_>>().join(", ");
    }
    match &schema["type"] {
        Value::Array(types) => types.iter().map(text).map(escaped).collect::<Vec<_>>().join(" or "),
        one => escaped(text(one)),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn the_document() -> OpenApi {
        let (_, descriptions) = crate::routes::api().into_parts();
        openapi::document(descriptions)
    }

    fn the_page() -> String {
        page(&the_document())
    }

    fn attributes<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
        let begin = format!("{attribute}=");
        let values = page.split(begin.as_str()).skip(1);
        values
            .map(|rest| match rest.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next().unwrap_or_default(),
                None => rest.split(['>', ' ']).next().unwrap_or_default(),
            })
            .collect()
    }

    #[test]
    fn every_link_within_the_page_has_a_target_and_every_id_is_used_once() {
        let page = the_page();
        let ids = attributes(&page, " id");
        let unique: HashSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "an id stands twice");
        for link in attributes(&page, "href").into_iter().filter_map(|link| link.strip_prefix('#')) {
            assert!(unique.contains(link), "{link}");
        }
    }

    #[test]
    fn every_route_has_an_example() {
        let page = the_page();
        let routes = page.matches("<summary><b>").count() - nexus_mcp::tools().len();
        assert!(routes > 50, "{routes}");
        assert_eq!(page.matches("<pre>curl").count(), routes);
        let with_command = page.matches("<pre>nexus ").count();
        assert_eq!(with_command + page.matches("No command does this.").count(), routes);
    }

    #[test]
    fn the_example_of_every_body_can_be_sent() {
        let document = serde_json::to_value(the_document()).expect("a document is JSON");
        let mut bodies = 0;
        for Entry { method, path, operation, .. } in entries(&document) {
            let command = example::curl(&document, method, path, operation);
            assert!(!command.contains('…'), "{command}");
            let Some(schema) = operation["requestBody"]["content"]["application/json"].get("schema") else {
                continue;
            };
            bodies += 1;
            let name = example::type_name(schema).expect("every body is a type");
            let (body, fields) = (example::body(&document, schema), example::resolved(&document, schema));
            let required: Vec<_> =
                fields["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            assert!(required.iter().all(|field| body.get(*field).is_some()), "{name}: {body}");
            assert!(
                !required.is_empty() || example::by_hand(name).is_some(),
                "{name} has no example by hand"
            );
            for field in body.as_object().expect("every body is an object").keys() {
                assert!(fields["properties"].get(field).is_some(), "{name} has no field {field}");
            }
        }
        assert!(bodies > 20, "{bodies}");
    }

    #[test]
    fn the_page_loads_nothing_but_its_own_script() {
        let page = the_page();
        assert_eq!(attributes(&page, " src"), ["docs/search.js"]);
        assert!(!page.contains("<link") && !page.contains("url("));
    }
}
