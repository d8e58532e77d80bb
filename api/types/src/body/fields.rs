//! Reads the fields of a JSON body, and collects all problems instead of stopping at the first.

use super::field::{BodyField, Problem};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display, Formatter},
};
use utoipa::ToSchema;

/// The body of a request. The same type documents it and reads it.
pub trait Body: ToSchema {
    /// The values that passed all checks.
    type Checked;

    /// The treatment of fields that this body does not declare.
    const UNKNOWN: Unknown;

    /// Reads all fields. Returns `None` if one is missing or wrong; `fields` has collected the problems.
    fn read(fields: &mut Fields) -> Option<Self::Checked>;
}

/// The treatment of fields that a body does not declare.
#[derive(Clone, Copy, Debug)]
pub enum Unknown {
    /// They are ignored, as the contract promises for routes that old clients use.
    Ignored,
    /// They are refused, since a misspelt restriction must not be ignored. This is for routes that only new clients
    /// use.
    Refused,
}

/// The problems with a body, by field. There is at least one.
#[derive(Debug, Default)]
pub struct Problems(BTreeMap<String, Vec<String>>);

impl Problems {
    /// One problem of one field.
    pub fn of(field: &str, problem: impl Display) -> Self {
        let mut problems = Self::default();
        problems.add(field, problem);
        problems
    }

    fn add(&mut self, field: &str, problem: impl Display) {
        self.0.entry(field.to_owned()).or_default().push(problem.to_string());
    }

    /// All problems as an object, for programs.
    pub fn details(&self) -> Value {
        json!(self.0)
    }
}

/// The first problem, and how many more there are.
impl Display for Problems {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let mut all =
            self.0.iter().flat_map(|(field, list)| list.iter().map(move |problem| (field, problem)));
        let Some((field, problem)) = all.next() else { return Ok(()) };
        write!(to, "{field}: {problem}")?;
        match all.count() {
            0 => Ok(()),
            more => write!(to, " (and {more} more)"),
        }
    }
}

/// A body that is being read, and the problems found so far.
#[derive(Debug, Default)]
pub struct Fields {
    body: Map<String, Value>,
    problems: Problems,
    /// The names of the fields that were read: those of this route.
    known: BTreeSet<&'static str>,
}

/// Unknown fields that one answer names; the first ones are enough to see the mistake.
const MAX_UNKNOWN: usize = 10;
/// Similarity above which a name is suggested; 1 is equality. Clap uses the same threshold for flags.
const SIMILAR: f64 = 0.7;

impl Fields {
    /// Parses a body. An empty body counts as an object without fields.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problems> {
        let body = if bytes.iter().all(u8::is_ascii_whitespace) {
            Map::new()
        } else {
            match serde_json::from_slice(bytes) {
                Ok(Value::Object(body)) => body,
                Ok(_) => return Err(Problems::of("body", "must be a JSON object")),
                Err(error) => {
                    return Err(Problems::of("body", format_args!("is not valid JSON: {error}")));
                }
            }
        };
        Ok(Self::of(body))
    }

    fn of(body: Map<String, Value>) -> Self {
        Self { body, ..Self::default() }
    }

    /// Reads a field. `null` counts as absent; `None` if it is wrong, which is kept among the problems.
    pub fn read<T: BodyField>(&mut self, field: &'static str) -> Option<T> {
        self.known.insert(field);
        let value = match self.body.get(field) {
            // It stays in the body, where a route that refuses unknown fields names it once more.
            Some(value) if T::REQUIRED && T::is_missing(value) => Some(value.clone()),
            _ => self.body.remove(field),
        };
        match value.filter(|value| !value.is_null()).map_or_else(T::absent, T::parse) {
            Ok(value) => Some(value),
            Err(problems) => {
                for Problem { inner, text } in problems {
                    match inner {
                        Some(inner) => self.problems.add(&format!("{field}.{inner}"), text),
                        None => self.problems.add(field, text),
                    }
                }
                None
            }
        }
    }

    /// Reads the fields of an object within a body. Fields that it does not have are ignored.
    pub(crate) fn read_object<T>(
        value: Value,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<T, Vec<Problem>> {
        let Value::Object(body) = value else { return Err(vec!["must be an object".to_owned().into()]) };
        let mut fields = Self::of(body);
        let object = read(&mut fields);
        object.ok_or_else(|| {
            let problems = fields.problems.0.into_iter();
            let named = |(name, texts): (String, Vec<String>)| {
                texts.into_iter().map(move |text| Problem { inner: Some(name.clone()), text })
            };
            problems.flat_map(named).collect()
        })
    }

    /// Whether the body has a field that was not read yet.
    pub fn has(&self, field: &str) -> bool {
        self.body.contains_key(field)
    }

    /// Whether no field is left to be read.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Reads the body.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn checked<B: Body>(mut self) -> Result<B::Checked, Problems> {
        let checked = B::read(&mut self);
        match B::UNKNOWN {
            Unknown::Ignored => {}
            Unknown::Refused => self.refuse_others(),
        }
        match checked {
            Some(checked) if self.problems.0.is_empty() => Ok(checked),
            _ => Err(self.problems),
        }
    }

    /// Checks that the body has no fields.
    ///
    /// # Errors
    /// The fields that it has.
    pub fn none_left(mut self) -> Result<(), Problems> {
        self.refuse_others();
        if self.problems.0.is_empty() { Ok(()) } else { Err(self.problems) }
    }

    /// Reports every field that was not read as a problem.
    pub(crate) fn others_are(&mut self, problem: &str) {
        for field in self.body.keys() {
            self.problems.add(field, problem);
        }
    }

    /// Reports the fields that were not read as unknown.
    fn refuse_others(&mut self) {
        for field in self.body.keys().take(MAX_UNKNOWN) {
            // The message of the answer stays one line.
            let printed =
                |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
            let name: String = field.chars().take(MAX_NAME_CHARS).map(printed).collect();
            self.problems.add(&name, unknown_field(field, &self.known));
        }
    }
}

/// Characters of an unknown field's name that an answer repeats.
const MAX_NAME_CHARS: usize = 100;

/// The problem with an unknown field, with the name that was probably meant.
fn unknown_field(field: &str, known: &BTreeSet<&'static str>) -> String {
    let plain = |name: &str| -> String {
        let letters = name.chars().filter(|letter| letter.is_alphanumeric()).take(MAX_NAME_CHARS);
        letters.flat_map(char::to_lowercase).collect()
    };
    let meant = plain(field);
    let similar = known.iter().map(|name| (strsim::jaro_winkler(&meant, &plain(name)), name));
    match similar.max_by(|one, other| one.0.total_cmp(&other.0)) {
        Some((similarity, name)) if similarity > SIMILAR => {
            format!("is not known here; did you mean {name}?")
        }
        Some(_) => {
            let names: Vec<&str> = known.iter().copied().collect();
            format!("is not known here; the fields are {}", names.join(", "))
        }
        None => "is not known here; this request has no fields".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        body::{Seconds, SortedObject, Whole, body},
        knowledge::AddLearning,
    };
    use nexus_domain::{
        ProjectId,
        entity::SessionMetadata,
        short_text::{Name, Slug},
    };
    use proptest::{
        collection::{btree_map, vec},
        prelude::*,
    };
    use std::sync::Arc;
    use uuid::Uuid;

    body! {
        /// A body with fields of each kind.
        struct Sample => CheckedSample, Unknown::Refused {
            /// A required text.
            name: Name,
            /// A whole number in a range.
            count: Option<Whole<1, 10>>,
            /// A list of slugs.
            tags: Option<Arc<[Slug]>>,
            /// The id of a project.
            id: Option<ProjectId>,
            /// A flag that may be absent.
            flag: Option<bool>,
            /// A number of seconds.
            at: Option<Seconds>,
            /// An object within the body.
            inner: Option<SessionMetadata>,
            /// An object of any form.
            context: Option<SortedObject>,
        }
    }

    fn read(bytes: &[u8]) -> Result<CheckedSample, Problems> {
        Fields::parse(bytes)?.checked::<Sample>()
    }

    #[test]
    fn what_is_right_is_understood() {
        let id = Uuid::from_u128(7);
        let body = json!({
            "name": "a", "count": 7.0, "tags": ["b"], "id": id, "flag": true, "at": 0.5,
            "inner": { "gitBranch": "main" }, "context": { "b": 1, "a": null },
        });
        let read = read(&serde_json::to_vec(&body).unwrap()).unwrap();
        assert_eq!((read.name.as_str(), read.count.unwrap().0), ("a", 7));
        assert_eq!(read.tags.unwrap()[0].as_str(), "b");
        assert_eq!((read.id.unwrap().0, read.flag, read.at.unwrap().0), (id, Some(true), 0.5));
        assert_eq!(read.inner.unwrap().git_branch.unwrap().as_str(), "main");
        assert_eq!(&*read.context.unwrap().0, r#"{"a":null,"b":1}"#);
    }

    #[test]
    fn every_problem_of_a_body_is_reported_at_once() {
        let problems = read(br#"{"count": -1, "tags": ["a", 7], "inner": {"gitBranch": 7}}"#).err().unwrap();
        let details = problems.details();
        assert_eq!(details["name"], json!(["is required"]));
        assert_eq!(details["tags"], json!(["[1] must be a string"]));
        assert_eq!(details["inner.gitBranch"], json!(["must be a string"]));
        assert_eq!(problems.to_string(), "count: must be a whole number from 1 to 10 (and 3 more)");
    }

    #[test]
    fn a_misspelt_field_is_refused_with_the_right_spelling() {
        let problem = |body: &[u8]| {
            let mut fields = Fields::parse(body).unwrap();
            let _ = (
                fields.read::<Option<bool>>("readonly"),
                fields.read::<Option<Name>>("label"),
                fields.read::<Option<ProjectId>>("projectId"),
            );
            fields.none_left().unwrap_err().to_string()
        };
        assert_eq!(
            problem(br#"{"read_only": true}"#),
            "read_only: is not known here; did you mean readonly?"
        );
        assert_eq!(problem(br#"{"project": "a"}"#), "project: is not known here; did you mean projectId?");
        let odd = problem(br#"{"zzz": 1}"#);
        assert_eq!(odd, "zzz: is not known here; the fields are label, projectId, readonly");
    }

    #[test]
    fn what_old_clients_send_beside_their_fields_is_ignored() {
        let fields = Fields::parse(br#"{"content": "a", "newsletter": true}"#).unwrap();
        assert!(fields.checked::<AddLearning>().is_ok());
    }

    #[test]
    fn malformed_json_says_where() {
        let problems = Fields::parse(b"{\"name\": ").err().unwrap();
        assert!(problems.to_string().contains("line 1 column"), "{problems}");
    }

    /// Any JSON, down to some depth.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,30}".prop_map(Value::from),
            any::<u128>().prop_map(|id| Value::from(Uuid::from_u128(id).to_string())),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..8).prop_map(Value::from),
                btree_map(NAMES, inner, 0..8).prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    const NAMES: &str = "(name|count|tags|id|flag|at|inner|since)|.{0,5}";

    fn is_described(problems: &Problems) -> bool {
        let details = problems.details();
        let details = details.as_object();
        let all_lists =
            details.is_some_and(|fields| !fields.is_empty() && fields.values().all(Value::is_array));
        !problems.to_string().is_empty() && all_lists
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn any_json_body_is_parsed_or_gets_a_description_of_the_problem(body in json()) {
            let bytes = serde_json::to_vec(&body).unwrap();
            if let Err(problems) = read(&bytes) {
                prop_assert!(is_described(&problems), "{body}: {problems:?}");
            }
        }

        #[test]
        fn any_bytes_of_a_body_are_parsed_or_get_a_description_of_the_problem(
            bytes in prop_oneof![vec(any::<u8>(), 0..200), "[\\[\\]{}\",:0-9eE.a-z\\\\ -]{0,100}".prop_map(String::into_bytes)]
        ) {
            if let Err(problems) = read(&bytes) {
                prop_assert!(is_described(&problems), "{problems:?}");
            }
        }
    }

    #[test]
    fn a_body_that_is_nested_beyond_reason_is_refused() {
        for deep in [vec![b'['; 1_000_000], br#"{"a":"#.repeat(200_000)] {
            let problems = Fields::parse(&deep).err().unwrap();
            assert!(is_described(&problems), "{problems:?}");
        }
    }
}
