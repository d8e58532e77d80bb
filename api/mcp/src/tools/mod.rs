//! The ten tools of an agent: their descriptions, their schemas, and how a call gets its answer.
//!
//! - [`work`]: features. [`files`]: claims. [`knowledge`]: learnings, decisions and checkpoints. [`mine`]: what the
//!   session that acts holds.
//!
//! The fields have the names of REST: `slug` is a field of a feature, and `featureSlug` refers to one.
//!
//! The descriptions are short, since every host puts all of them into each prompt of its model.

mod files;
mod knowledge;
mod mine;
mod work;

use crate::{
    port::{Failure, Port},
    refusal,
};
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

/// The tools, in the order in which they are listed.
pub(crate) static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    vec![
        tool::<work::NoArguments, work::Status>(
            "status",
            "Show who works on what, which files are held, which work was interrupted, and what is held by your session (mine).",
        )
        .with_annotations(read_annotations()),
        tool::<work::LaneFilter, work::Available>(
            "available",
            "List features that can be picked now, best first, and what blocks the others.",
        )
        .with_annotations(read_annotations()),
        tool::<work::Pick, work::Picked>(
            "pick",
            "Take a feature with all of its files, or nothing. Without featureSlug, it takes the best free one. Call it before you edit. A refusal says who holds what.",
        )
        .with_annotations(write_annotations()),
        tool::<files::Claim, files::Claimed>(
            "claim",
            "Take more files while you work: all of them or none. Paths start at the root of the repository: files, folders (src/auth/) or globs.",
        )
        .with_annotations(write_annotations()),
        tool::<work::Release, work::Released>(
            "release",
            "Give back an unfinished feature with all of its files, or single files that you claimed.",
        )
        .with_annotations(write_annotations()),
        tool::<work::Done, work::Finished>(
            "done",
            "Finish a feature that you picked. Its files are free at once, so commit first.",
        )
        .with_annotations(write_annotations()),
        tool::<knowledge::Learn, knowledge::Recorded>(
            "learn",
            "Record something that whoever works on this feature next should know.",
        )
        .with_annotations(write_annotations()),
        tool::<knowledge::Decide, knowledge::Recorded>(
            "decide",
            "Record a decision about a feature or the whole project, with its reasons and alternatives.",
        )
        .with_annotations(write_annotations()),
        tool::<knowledge::Checkpoint, knowledge::Recorded>(
            "checkpoint",
            "Save how far the work on a feature got, for whoever continues it. Call it before you stop or lose context.",
        )
        .with_annotations(write_annotations()),
        tool::<files::WhyPaths, files::PathHolders>(
            "why",
            "Show whether files are free, mine (held by your session) or held by others; and by whom, for what and until when.",
        )
        .with_annotations(read_annotations()),
    ]
});

fn read_annotations() -> ToolAnnotations {
    ToolAnnotations::new().read_only(true).open_world(false)
}

fn write_annotations() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(false).open_world(false)
}

fn tool<I: JsonSchema, O: JsonSchema>(name: &'static str, description: &'static str) -> Tool {
    let input = schema::<I>(SchemaSettings::draft2020_12());
    let output = schema::<O>(SchemaSettings::draft2020_12().for_serialize());
    Tool::new(name, description, input).with_raw_output_schema(output)
}

/// The JSON schema of `T`, without keywords that are of no use to a model.
fn schema<T: JsonSchema>(settings: SchemaSettings) -> Arc<JsonObject> {
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    trim_schema(&mut schema, true);
    let Value::Object(object) = schema else { panic!("arguments and answers are objects") };
    Arc::new(object)
}

fn trim_schema(schema: &mut Value, is_root: bool) {
    match schema {
        Value::Object(fields) => {
            // A property may have this name too. Its value is then a schema, while that of the keyword is a text.
            for noise in ["title", "format"] {
                if fields.get(noise).is_some_and(Value::is_string) {
                    fields.remove(noise);
                }
            }
            if is_root {
                fields.remove("description");
            }
            if fields.get("default").is_some_and(|default| default.is_null() || *default == false) {
                fields.remove("default");
            }
            fields.values_mut().for_each(|field| trim_schema(field, false));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| trim_schema(item, false)),
        _ => {}
    }
}

/// Whether a tool changes nothing.
pub(crate) fn is_read_only(name: &str) -> bool {
    let tool = TOOLS.iter().find(|tool| tool.name == name);
    tool.and_then(|tool| tool.annotations.as_ref()?.read_only_hint).unwrap_or_default()
}

/// Calls a tool; `None` when there is no such tool. A failure is an answer too, which the model reads.
pub(crate) async fn call(port: &dyn Port, name: &str, arguments: JsonObject) -> Option<CallToolResult> {
    let arguments = Value::Object(arguments);
    let call = Call { tool: name, arguments };
    let result = match name {
        "status" => call.run(|input| work::status(port, input)).await,
        "available" => call.run(|input| work::available(port, input)).await,
        "pick" => call.run(|input| work::pick(port, input)).await,
        "claim" => call.run(|input| files::claim(port, input)).await,
        "release" => call.run(|input| work::release(port, input)).await,
        "done" => call.run(|input| work::done(port, input)).await,
        "learn" => call.run(|input| knowledge::learn(port, input)).await,
        "decide" => call.run(|input| knowledge::decide(port, input)).await,
        "checkpoint" => call.run(|input| knowledge::checkpoint(port, input)).await,
        "why" => call.run(|input| files::why(port, input)).await,
        _ => return None,
    };
    Some(result)
}

/// A call of a tool.
struct Call<'a> {
    tool: &'a str,
    arguments: Value,
}

impl Call<'_> {
    async fn run<I, O, F>(self, act: impl FnOnce(I) -> F) -> CallToolResult
    where
        I: DeserializeOwned,
        O: Serialize,
        F: Future<Output = Result<O, Failure>>,
    {
        let done = match serde_json::from_value(self.arguments) {
            Ok(input) => act(input).await,
            Err(error) => Err(Failure::Other(wrong_arguments(self.tool, &error.to_string()))),
        };
        match done {
            Ok(output) => {
                CallToolResult::structured(serde_json::to_value(output).expect("answers of tools are JSON"))
            }
            Err(failure) => CallToolResult::error(vec![ContentBlock::text(refusal::explain(&failure))]),
        }
    }
}

/// Characters of a problem with arguments that are shown. It quotes the argument, which may be long.
const MAX_PROBLEM_CHARS: usize = 300;

fn wrong_arguments(tool: &str, problem: &str) -> String {
    let problem: String = problem.chars().take(MAX_PROBLEM_CHARS).collect();
    format!("{tool} does not take these arguments: {problem}\nNext: correct that, and call {tool} again")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Characters per token of JSON and English. Tokenizers put about four into one token, so this errs on the safe
    /// side.
    const CHARS_PER_TOKEN: usize = 3;

    #[test]
    fn the_descriptions_of_all_tools_fit_2000_tokens() {
        assert!(TOOLS.len() <= 10);
        let chars: usize = TOOLS
            .iter()
            .map(|tool| {
                let input = serde_json::to_string(&*tool.input_schema).expect("it is JSON");
                tool.name.len() + tool.description.as_ref().map_or(0, |words| words.len()) + input.len()
            })
            .sum();
        assert!(chars / CHARS_PER_TOKEN < 2_000, "{chars} characters");
    }

    #[test]
    fn a_long_argument_is_not_repeated_as_a_whole() {
        let problem = format!("invalid type: string \"{}\", expected a sequence", "x".repeat(70_000));
        let text = wrong_arguments("claim", &problem);
        assert!(text.len() < 500 && text.ends_with("call claim again"), "{text}");
    }

    #[test]
    fn every_tool_says_what_it_takes_and_gives() {
        for tool in TOOLS.iter() {
            let output = tool.output_schema.as_ref().expect("it has one");
            assert_eq!(output.get("type"), Some(&Value::from("object")), "{}", tool.name);
            assert_eq!(tool.input_schema.get("type"), Some(&Value::from("object")), "{}", tool.name);
            assert_eq!(
                tool.input_schema.get("additionalProperties"),
                Some(&Value::from(false)),
                "{}",
                tool.name
            );
            let text = serde_json::to_string(&*tool.input_schema).expect("it is JSON");
            assert!(!text.contains("$ref") && !text.contains("$schema"), "{text}");
        }
    }
}
