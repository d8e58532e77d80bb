//! Examples of requests, made from the schemas of the OpenAPI document.

use serde_json::{Map, Value, json};

/// How deep examples go: schemas may refer to themselves.
const MAX_DEPTH: usize = 6;

/// An id, as the server makes them.
const SOME_ID: &str = "01a21ba4-8945-74d7-9667-32ca1dcb55a9";

/// The example value of a field, or of a part of a path, by its name.
fn usual(name: &str) -> Option<Value> {
    Some(match name {
        "project" => json!("demo"),
        "slug" => json!("billing"),
        "title" => json!("Billing API"),
        "spec" => json!("Invoices are made on the first of a month"),
        "email" => json!("ana@example.com"),
        "name" => json!("Ana"),
        "paths" | "touches" | "reads" => json!(["src/db.rs"]),
        "reason" => json!("its holder is on leave"),
        "content" | "note" => json!("The tests need a database"),
        "node" => json!(2),
        _ => return None,
    })
}

/// The example of a body, by the name of its type: where no field is required, and where required fields do not tell
/// what is usual. It must do no harm to whoever sends it as it stands: a setting has its usual value.
pub(super) fn by_hand(body: &str) -> Option<Value> {
    Some(match body {
        "AddDecision" => {
            json!({"title": "Amounts in cents", "decision": "Amounts are whole numbers of cents"})
        }
        "AddMember" => json!({"engineerId": "ben@example.com"}),
        "ChangeRole" => json!({"role": "engineer"}),
        "CreateJoinToken" => json!({"ttlSeconds": 3600}),
        "CreateProject" => json!({"name": "Demo", "slug": "demo"}),
        "JoinRequest" => json!({
            "joinToken": "nexus_join_0123456789abcdef", "instance": SOME_ID,
            "peerAddr": "node4.example.com:7501", "clientAddr": "node4.example.com:7401",
        }),
        "MintKey" => json!({"label": "ci"}),
        "PickNext" => json!({"lanes": ["now"]}),
        "Rebuild" => json!({"force": false}),
        "PlanChange" => json!({"change": "remove", "node": 2}),
        "RefreshClaims" | "ReleasePaths" => json!({"paths": ["src/db.rs"]}),
        "Reorder" => json!({"now": ["billing"]}),
        "ResetKey" => json!({"projectId": "demo"}),
        "SaveCheckpoint" => json!({
            "sessionId": SOME_ID, "featureId": "billing", "notes": "Tests pass; the migration is missing",
        }),
        "Settings" => json!({"session.timeout": 90}),
        "StartSession" => json!({"agent": "build"}),
        "TransferLeader" => json!({"to": 2}),
        "UpdateFeature" => json!({"title": "Billing API"}),
        "UpdateProject" => json!({"case": "insensitive"}),
        _ => return None,
    })
}

/// The command that sends a request, with the example of its body.
pub(super) fn curl(document: &Value, method: &str, path: &str, operation: &Value) -> String {
    let mut command = match method {
        "get" => "curl".to_owned(),
        _ => format!("curl -X {}", method.to_uppercase()),
    };
    command.push_str(&format!(" \"$NEXUS/api{}{}\"", filled(path), required_query(operation)));
    if operation.get("security").is_some() {
        command.push_str(" -H \"Authorization: Bearer $KEY\"");
    }
    if let Some(schema) = operation["requestBody"]["content"]["application/json"].get("schema") {
        let body = body(document, schema);
        if body.as_object().is_some_and(|fields| !fields.is_empty())
            || operation["requestBody"]["required"] == true
        {
            let body = body.to_string().replace('\'', "'\\''");
            command.push_str(&format!(" \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'"));
        }
    }
    command
}

/// A path whose parameters have values: `/projects/demo/sessions/$SESSION`.
fn filled(path: &str) -> String {
    let parts =
        path.split('/').map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            None => part.to_owned(),
            Some(name) => match usual(name) {
                Some(Value::String(value)) => value,
                Some(value) => value.to_string(),
                None => format!("${}", name.to_uppercase()),
            },
        });
    parts.collect::<Vec<_>>().join("/")
}

/// The parameters of the query that a request needs.
fn required_query(operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let needed = parameters.filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
    let pairs: Vec<_> = needed
        .filter_map(|parameter| parameter["name"].as_str())
        .map(|name| format!("{name}=${}", name.to_uppercase()))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// An example of a body: the one by hand, or else its required fields.
pub(super) fn body(document: &Value, schema: &Value) -> Value {
    type_name(schema).and_then(by_hand).unwrap_or_else(|| of(document, schema, "", 0))
}

/// The name of the type that a reference refers to.
pub(super) fn type_name(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// The schema that a reference names, or else the schema itself.
pub(super) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match type_name(schema) {
        Some(name) => &document["components"]["schemas"][name],
        None => schema,
    }
}

/// A value that a schema allows. Of an object, the required fields.
fn of(document: &Value, schema: &Value, name: &str, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    let schema = resolved(document, schema);
    if let Some(first) = schema["oneOf"].get(0) {
        return of(document, first, name, depth + 1);
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    let kind = match &schema["type"] {
        Value::Array(types) => types.first().unwrap_or(&Value::Null),
        one => one,
    };
    match kind.as_str() {
        Some("object") => object(document, schema, depth),
        Some("array") => usual(name)
            .filter(Value::is_array)
            .unwrap_or_else(|| json!([of(document, &schema["items"], name, depth + 1)])),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        Some("string") if schema["format"] == "uuid" => json!(SOME_ID),
        _ => usual(name).unwrap_or_else(|| json!("…")),
    }
}

fn object(document: &Value, schema: &Value, depth: usize) -> Value {
    let mut fields = Map::new();
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        fields.insert(name.to_owned(), of(document, &schema["properties"][name], name, depth + 1));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_has_the_required_fields_and_what_the_path_names() {
        let document = json!({"components": {"schemas": {"New": {
            "type": "object", "required": ["slug", "touches", "session"],
            "properties": {"slug": {"type": "string"}, "touches": {"type": "array", "items": {}},
                           "session": {"type": "string", "format": "uuid"}, "lane": {"type": "string"}},
        }}}});
        let operation = json!({
            "security": [], "parameters": [{"name": "paths", "in": "query", "required": true}],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}},
        });
        let command = curl(&document, "post", "/projects/{project}/sessions/{session}", &operation);
        assert_eq!(
            command,
            "curl -X POST \"$NEXUS/api/projects/demo/sessions/$SESSION?paths=$PATHS\" -H \"Authorization: Bearer $KEY\" \\\n  \
             -H 'Content-Type: application/json' \\\n  -d '{\"session\":\"01a21ba4-8945-74d7-9667-32ca1dcb55a9\",\
             \"slug\":\"billing\",\"touches\":[\"src/db.rs\"]}'"
        );
    }

    #[test]
    fn schemas_that_refer_to_themselves_end() {
        let document = json!({"components": {"schemas": {"Knot": {"type": "array", "items": {"$ref": "#/components/schemas/Knot"}}}}});
        assert!(of(&document, &json!({"$ref": "#/components/schemas/Knot"}), "", 0).is_array());
    }
}
