//! Parses the fields of a JSON body, and collects all problems instead of stopping at the first.

use crate::{failure::ApiError, paths::Paths, sorted_json};
use nexus_api_types::Code;
use nexus_domain::{decide::MAX_PATTERNS, pattern::Pattern};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display, Formatter},
    sync::Arc,
};
use uuid::Uuid;

/// The beginning of an invalid text, quoted, so that the client can find it among those that it sent.
struct Excerpt<'a>(&'a str);

impl Display for Excerpt<'_> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        const MAX_CHARS: usize = 80;
        match self.0.char_indices().nth(MAX_CHARS) {
            Some((end, _)) => write!(to, "{:?}…", &self.0[..end]),
            None => write!(to, "{:?}", self.0),
        }
    }
}

/// A body that is being parsed, and the problems found so far.
#[derive(Default)]
pub(crate) struct Fields {
    body: Map<String, Value>,
    problems: BTreeMap<String, Vec<String>>,
    /// The names of the fields that were read: those of this route.
    known: BTreeSet<&'static str>,
}

/// Unknown fields that one answer names; the first ones are enough to see the mistake.
const MAX_UNKNOWN: usize = 10;
/// Similarity above which a name is suggested; 1 is equality. Clap uses the same threshold for flags.
const SIMILAR: f64 = 0.7;

impl Fields {
    /// Parses a body. An empty body counts as an object without fields.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let body = if bytes.iter().all(u8::is_ascii_whitespace) {
            Map::new()
        } else {
            match serde_json::from_slice(bytes) {
                Ok(Value::Object(body)) => body,
                Ok(_) => return Err(ApiError::field("body", "must be a JSON object")),
                Err(error) => {
                    return Err(ApiError::field("body", format_args!("is not valid JSON: {error}")));
                }
            }
        };
        Ok(Self { body, ..Self::default() })
    }

    fn problem(&mut self, field: &str, problem: impl Display) {
        self.problems.entry(field.to_owned()).or_default().push(problem.to_string());
    }

    /// The value of a field; `null` counts as absent.
    fn value(&mut self, field: &'static str) -> Option<Value> {
        self.known.insert(field);
        self.body.remove(field).filter(|value| !value.is_null())
    }

    /// An optional text, which `parse` checks.
    pub(crate) fn text<T, E: Display>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match self.value(field)? {
            Value::String(text) => match parse(&text) {
                Ok(parsed) => return Some(parsed),
                Err(problem) => self.problem(field, problem),
            },
            _ => self.problem(field, "must be a string"),
        }
        None
    }

    /// A required text, which `parse` checks.
    pub(crate) fn required_text<T, E: Display>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.known.insert(field);
        if self.body.get(field).is_none_or(Value::is_null) {
            self.problem(field, "is required");
            return None;
        }
        self.text(field, parse)
    }

    /// An optional UUID.
    pub(crate) fn id<T: From<Uuid>>(&mut self, field: &'static str) -> Option<T> {
        self.text(field, |text| text.parse::<Uuid>().map_err(|_| "must be a UUID")).map(T::from)
    }

    /// A required UUID.
    pub(crate) fn required_id<T: From<Uuid>>(&mut self, field: &'static str) -> Option<T> {
        self.required_text(field, |text| text.parse::<Uuid>().map_err(|_| "must be a UUID")).map(T::from)
    }

    /// An optional whole number in a range.
    pub(crate) fn number(
        &mut self,
        field: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = self.value(field)?;
        let number = whole(&value).filter(|number| range.contains(number));
        if number.is_none() {
            self.problem(
                field,
                format_args!("must be a whole number from {} to {}", range.start(), range.end()),
            );
        }
        number
    }

    /// An optional boolean.
    pub(crate) fn flag(&mut self, field: &'static str) -> Option<bool> {
        match self.value(field)? {
            Value::Bool(flag) => Some(flag),
            _ => {
                self.problem(field, "must be true or false");
                None
            }
        }
    }

    /// A required list of texts, with at least one item.
    pub(crate) fn required_list<T, E: Display>(
        &mut self,
        field: &'static str,
        most: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        self.known.insert(field);
        match self.body.get(field) {
            None | Some(Value::Null) => self.problem(field, "is required"),
            Some(Value::Array(items)) if items.is_empty() => self.problem(field, "must not be empty"),
            Some(_) => return self.list(field, most, parse),
        }
        None
    }

    /// A required list of paths, with at least one item.
    pub(crate) fn required_patterns(&mut self, field: &'static str) -> Option<Vec<Pattern>> {
        let paths = Paths::default();
        self.required_list(field, MAX_PATTERNS, |text| paths.read(text))
    }

    /// An optional list of paths.
    pub(crate) fn patterns(&mut self, field: &'static str) -> Option<Vec<Pattern>> {
        let paths = Paths::default();
        self.list(field, MAX_PATTERNS, |text| paths.read(text))
    }

    /// An optional number of seconds, fractions allowed.
    pub(crate) fn seconds(&mut self, field: &'static str) -> Option<f64> {
        let value = self.value(field)?;
        let seconds = value.as_f64().filter(|seconds| seconds.is_finite() && (0.0..1e9).contains(seconds));
        if seconds.is_none() {
            self.problem(field, "must be a number of seconds");
        }
        seconds
    }

    /// An optional list of at most `most` texts, which `parse` checks.
    pub(crate) fn list<T, E: Display>(
        &mut self,
        field: &'static str,
        most: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        /// Problems that are reported of one list; the first ones are enough to see the mistake.
        const MAX_PROBLEMS: usize = 10;
        let Value::Array(items) = self.value(field)? else {
            self.problem(field, "must be a list of strings");
            return None;
        };
        if items.len() > most {
            self.problem(field, format_args!("has {} items, at most {most} are allowed", items.len()));
            return None;
        }
        let mut parsed = Vec::with_capacity(items.len());
        let mut problems = 0;
        for (at, item) in items.iter().enumerate() {
            let result = match item {
                Value::String(text) => parse(text).map_err(|problem| format!("{}: {problem}", Excerpt(text))),
                _ => Err("must be a string".to_owned()),
            };
            match result {
                Ok(value) => parsed.push(value),
                Err(problem) => {
                    problems += 1;
                    if problems <= MAX_PROBLEMS {
                        self.problem(field, format_args!("[{at}] {problem}"));
                    }
                }
            }
        }
        (problems == 0).then_some(parsed)
    }

    /// The fields of an optional object.
    pub(crate) fn object(&mut self, field: &'static str) -> Option<Self> {
        match self.value(field)? {
            Value::Object(body) => Some(Self { body, ..Self::default() }),
            _ => {
                self.problem(field, "must be an object");
                None
            }
        }
    }

    /// An optional object of any form, as JSON text with sorted keys.
    pub(crate) fn sorted_object(&mut self, field: &'static str) -> Option<Arc<str>> {
        match self.value(field)? {
            Value::Object(body) => match long_text(&sorted_json::text(&Value::Object(body))) {
                Ok(text) => return Some(text),
                Err(problem) => self.problem(field, problem),
            },
            _ => self.problem(field, "must be an object"),
        }
        None
    }

    /// Reports every field that was not read as a problem.
    pub(crate) fn no_others(&mut self, problem: &str) {
        let others: Vec<String> = self.body.keys().cloned().collect();
        for field in others {
            self.problem(&field, problem);
        }
    }

    /// Whether the body has a field that was not read yet.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.body.contains_key(field)
    }

    /// Whether no field is left to be read.
    pub(crate) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Adds the problems of an inner object.
    pub(crate) fn absorb(&mut self, field: &str, inner: Self) {
        for (name, problems) in inner.problems {
            self.problems.insert(format!("{field}.{name}"), problems);
        }
    }

    /// Fails if there was any problem, or a field that was not read: a misspelt restriction must not be ignored. For
    /// routes and objects that only new clients know.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        let unknown: Vec<String> = self.body.keys().take(MAX_UNKNOWN).cloned().collect();
        for field in unknown {
            let problem = unknown_field(&field, &self.known);
            let name: String = field.chars().take(MAX_NAME_CHARS).collect();
            self.problem(&name, problem);
        }
        self.finish_as_old_clients_expect()
    }

    /// Fails if there was any problem. Ignores fields that were not read, as the contract promises for routes that old
    /// clients use.
    pub(crate) fn finish_as_old_clients_expect(self) -> Result<(), ApiError> {
        let Some((field, problem)) =
            self.problems.iter().next().and_then(|(field, list)| Some((field, list.first()?)))
        else {
            return Ok(());
        };
        let more = match self.problems.values().map(Vec::len).sum::<usize>() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let message = format!("{field}: {problem}{more}");
        Err(ApiError { details: Some(json!(self.problems)), ..ApiError::new(Code::ValidationError, message) })
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

/// A whole number, however it is written: JSON does not tell 1 from 1.0.
fn whole(value: &Value) -> Option<u64> {
    /// The largest whole number that a double represents exactly.
    const EXACT: f64 = 9_007_199_254_740_991.0;
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        // The value is in this range, and whole.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (number.fract() == 0.0 && (0.0..=EXACT).contains(&number)).then_some(number as u64)
    })
}

/// Bytes of one text that is listed in pages, so that the largest page fits into memory.
const MAX_LONG_TEXT: usize = 256 * 1024;

/// Any text that is not empty.
pub(crate) fn not_empty(text: &str) -> Result<Arc<str>, &'static str> {
    if text.is_empty() { Err("must not be empty") } else { Ok(text.into()) }
}

/// Any text that is not too long for a list.
pub(crate) fn long_text(text: &str) -> Result<Arc<str>, String> {
    if text.len() > MAX_LONG_TEXT {
        return Err(format!("has {} bytes, at most {MAX_LONG_TEXT} are allowed", text.len()));
    }
    Ok(text.into())
}

/// Any text that is not empty, and not too long for a list.
pub(crate) fn some_text(text: &str) -> Result<Arc<str>, String> {
    not_empty(text)?;
    long_text(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nexus_domain::short_text::Name;
    use proptest::{
        collection::{btree_map, vec},
        prelude::*,
    };

    #[test]
    fn every_problem_of_a_body_is_told_at_once() {
        let mut fields = Fields::parse(br#"{"name": "", "count": -1, "tags": ["a", 7]}"#).unwrap();
        let name = fields.required_text("name", Name::parse);
        let slug = fields.required_text("slug", Name::parse);
        let count = fields.number("count", 1..=10);
        let tags = fields.list("tags", 5, |text| Ok::<_, &str>(text.to_owned()));
        assert_eq!((name, slug, count, tags), (None, None, None, None));
        let error = fields.finish().unwrap_err();
        let details = error.details.unwrap();
        assert_eq!(error.code, Code::ValidationError);
        assert_eq!(details["slug"], json!(["is required"]));
        assert_eq!(details["tags"], json!(["[1] must be a string"]));
        assert!(details["name"].is_array() && details["count"].is_array());
    }

    #[test]
    fn a_misspelt_field_is_refused_with_the_right_spelling() {
        let told = |body: &[u8]| {
            let mut fields = Fields::parse(body).unwrap();
            let _ =
                (fields.flag("readonly"), fields.text("label", Name::parse), fields.id::<Uuid>("projectId"));
            fields.finish().unwrap_err().message
        };
        assert_eq!(told(br#"{"read_only": true}"#), "read_only: is not known here; did you mean readonly?");
        assert_eq!(told(br#"{"project": "a"}"#), "project: is not known here; did you mean projectId?");
        let odd = told(br#"{"zzz": 1}"#);
        assert_eq!(odd, "zzz: is not known here; the fields are label, projectId, readonly");
    }

    #[test]
    fn what_old_clients_send_beside_their_fields_is_ignored() {
        let mut fields = Fields::parse(br#"{"name": "a", "newsletter": true}"#).unwrap();
        assert!(fields.required_text("name", Name::parse).is_some());
        assert!(fields.finish_as_old_clients_expect().is_ok());
    }

    #[test]
    fn malformed_json_says_where() {
        let error = Fields::parse(b"{\"name\": ").err().unwrap();
        assert_eq!(error.code, Code::ValidationError);
        assert!(error.message.contains("line 1 column"), "{}", error.message);
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

    /// Asks for everything, as handlers do; gives what was understood and what was said to be wrong.
    fn ask_for_everything(bytes: &[u8]) -> Result<usize, ApiError> {
        let mut fields = Fields::parse(bytes)?;
        let mut understood = 0;
        understood += usize::from(fields.required_text("name", Name::parse).is_some());
        understood += usize::from(fields.number("count", 1..=10).is_some());
        understood += usize::from(fields.list("tags", 3, Name::parse).is_some());
        understood += usize::from(fields.id::<Uuid>("id").is_some());
        understood += usize::from(fields.flag("flag").is_some());
        understood += usize::from(fields.seconds("at").is_some());
        if let Some(mut inner) = fields.object("inner") {
            understood += usize::from(inner.sorted_object("inner").is_some());
            understood += usize::from(inner.required_list("tags", 3, Name::parse).is_some());
            fields.absorb("inner", inner);
        }
        fields.finish()?;
        Ok(understood)
    }

    fn is_told(error: &ApiError) -> bool {
        let details = error.details.as_ref().and_then(Value::as_object);
        let all_lists =
            details.is_some_and(|fields| !fields.is_empty() && fields.values().all(Value::is_array));
        error.code == Code::ValidationError && !error.message.is_empty() && all_lists
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn whatever_json_a_body_is_it_is_understood_or_told_what_is_wrong(body in json()) {
            let bytes = serde_json::to_vec(&body).unwrap();
            match ask_for_everything(&bytes) {
                Ok(understood) => prop_assert!(understood > 0, "{body}"),
                Err(error) => prop_assert!(is_told(&error), "{body}: {error:?}"),
            }
        }

        #[test]
        fn whatever_bytes_a_body_is_it_is_understood_or_told_what_is_wrong(
            bytes in prop_oneof![vec(any::<u8>(), 0..200), "[\\[\\]{}\",:0-9eE.a-z\\\\ -]{0,100}".prop_map(String::into_bytes)]
        ) {
            if let Err(error) = ask_for_everything(&bytes) {
                prop_assert!(is_told(&error), "{error:?}");
            }
        }
    }

    #[test]
    fn a_body_that_is_nested_beyond_reason_is_refused() {
        for deep in [vec![b'['; 1_000_000], br#"{"a":"#.repeat(200_000)] {
            let error = Fields::parse(&deep).err().unwrap();
            assert!(is_told(&error), "{error:?}");
        }
    }
}
