//! Compares the fields of the tools with those of REST, so that one thing has one name, and a name one meaning.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The fields of tools that REST does not have, each with its reason.
const OWN_NAMES: [(&str, &str); 8] = [
    ("also", "is `--also` of the command line"),
    ("because", "is `blockedBy` as a sentence"),
    ("blocked", "is `details.blocked` of a refused pick, for which there is no schema"),
    ("free", "lists the available features that have no `blockedBy`"),
    ("heldBy", "is `engineerName` and `agent` as a phrase"),
    ("learnings", "lists what `GET …/learnings` does"),
    ("mine", "lists what `GET …/claims/mine` does"),
    ("more", "counts the items that were left out"),
];

/// Calls `found` with each property of a schema, or of a document of schemas, and of what is in it.
fn each_property<'a>(value: &'a Value, found: &mut impl FnMut(&'a str, &'a Value)) {
    match value {
        Value::Object(fields) => {
            for (name, schema) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
                found(name, schema);
            }
            fields.values().for_each(|field| each_property(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| each_property(item, found)),
        _ => {}
    }
}

/// The JSON types that a schema allows, apart from null. There are none in a schema that allows anything.
fn types(schema: &Value, document: &Value) -> BTreeSet<String> {
    if let Some(path) = schema["$ref"].as_str() {
        return types(document.pointer(path.trim_start_matches('#')).expect("it is defined"), document);
    }
    let alternatives =
        ["oneOf", "anyOf", "allOf"].iter().filter_map(|word| schema[word].as_array()).flatten();
    let mut found: BTreeSet<String> = alternatives.flat_map(|one| types(one, document)).collect();
    match &schema["type"] {
        Value::Array(several) => found.extend(several.iter().filter_map(Value::as_str).map(str::to_owned)),
        Value::String(one) => {
            found.insert(one.clone());
        }
        _ => {}
    }
    found.remove("null");
    found
}

#[test]
fn the_fields_of_the_tools_have_the_names_and_types_of_rest() {
    let (_, descriptions) = crate::routes::api().into_parts();
    let document = serde_json::to_value(crate::openapi::document(descriptions)).expect("it is JSON");
    let mut known: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    each_property(&document, &mut |name, schema| {
        known.entry(name).or_default().extend(types(schema, &document));
    });
    let reasons = BTreeMap::from(OWN_NAMES);
    let mut used = BTreeSet::new();
    for tool in nexus_mcp::tools() {
        let output = tool.output_schema.as_ref().expect("every tool has one");
        for schema in [&tool.input_schema, output] {
            let schema = Value::Object((**schema).clone());
            each_property(&schema, &mut |name, field| {
                let own = reasons.get_key_value(name);
                used.extend(own.map(|(name, _)| *name));
                match (known.get(name), own) {
                    (None, Some(_)) => {}
                    (None, None) => {
                        panic!("{}: {name} is no name of REST; how does REST call it?", tool.name)
                    }
                    (Some(_), Some((_, why))) => panic!("{name} is a name of REST, too, but here it {why}"),
                    (Some(rest), None) => assert!(
                        rest.is_empty() || types(field, &schema).is_subset(rest),
                        "{}: {name} is {field} here, and of the types {rest:?} in REST",
                        tool.name
                    ),
                }
            });
        }
    }
    assert!(
        reasons.keys().all(|name| used.contains(name)),
        "a reason without its name: only {used:?} are used"
    );
}
