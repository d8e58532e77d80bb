//! The form of a spec file. Front matter is YAML between two lines `---`; a file without it is all spec.
//!
//! ```text
//! ---
//! slug: billing-api
//! title: The API of the billing
//! lane: now
//! touches: [src/api/, src/db.rs]
//! ---
//! # What is to be done
//! ```

use crate::{args::values, error::Error};
use nexus_api_types::feature::{Feature, Lane};
use serde::{Deserialize, Serialize};

const FENCE: &str = "---";

/// The content of a spec file. A field that is absent keeps its value, or gets the server's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SpecFile {
    /// Short name; the cluster makes one of the title where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slug: Option<String>,
    /// The title, one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    /// How soon it is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lane: Option<Lane>,
    /// Place in its lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<u32>,
    /// Paths that the work changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) touches: Option<Vec<String>>,
    /// Paths that must not change meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reads: Option<Vec<String>>,
    /// Features that must be over first.
    #[serde(alias = "depends_on", alias = "depends-on", skip_serializing_if = "Option::is_none")]
    pub(crate) depends_on: Option<Vec<String>>,
    /// The description of the work, in Markdown.
    #[serde(skip)]
    pub(crate) spec: String,
}

impl SpecFile {
    /// Reads one; `name` is what a person calls the file.
    ///
    /// # Errors
    /// When the front matter is not closed, is not YAML or has an unknown field. The error names the line.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.split_inclusive('\n');
        if lines.next().map(str::trim_end) != Some(FENCE) {
            return Ok(Self { spec: text.to_owned(), ..Self::default() });
        }
        // The fence is left empty, so that the lines of an error are those of the file.
        let mut front = "\n".to_owned();
        let mut spec = None;
        while let Some(line) = lines.next() {
            if line.trim_end() == FENCE {
                spec = Some(lines.collect::<String>());
                break;
            }
            front.push_str(line);
        }
        let spec = spec.ok_or_else(|| {
            Error::misused(format!("{name}: the front matter that begins in line 1 has no end"))
                .hint("close it with a line of three dashes: ---")
        })?;
        let wrong = |problem: &dyn std::fmt::Display| {
            let problem = problem.to_string();
            let mut lines = problem.lines().map(str::trim_end).filter(|line| !line.is_empty());
            let first = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let position = lines.map(|line| format!("\n  {line}")).collect::<String>();
            Error::misused(format!("{name}: the front matter cannot be read: {first}{position}")).hint(
                "it knows slug, title, lane, priority, touches, reads and dependsOn; touches, reads and dependsOn are lists",
            )
        };
        let said = if front.trim().is_empty() {
            Self::default()
        } else {
            serde_saphyr::from_str(&front).map_err(|error| wrong(&error))?
        };
        for slug in said.slug.iter().chain(said.depends_on.iter().flatten()) {
            values::slug(slug).map_err(|problem| wrong(&format_args!("the slug {slug:?} {problem}")))?;
        }
        Ok(Self { spec: spec.trim_start_matches(['\n', '\r']).to_owned(), ..said })
    }

    /// The spec file of a feature.
    pub(crate) fn of(feature: &Feature) -> Self {
        Self {
            slug: Some(feature.slug.clone()),
            title: Some(feature.title.clone()),
            lane: Some(feature.lane),
            priority: Some(feature.priority),
            touches: Some(feature.touches.clone()),
            reads: (!feature.reads.is_empty()).then(|| feature.reads.clone()),
            depends_on: (!feature.depends_on.is_empty()).then(|| feature.depends_on.clone()),
            spec: feature.spec.clone(),
        }
    }

    /// Renders the text that [`parse`](Self::parse) reads.
    pub(crate) fn text(&self) -> String {
        let front = serde_saphyr::to_string(self).expect("front matter is made of texts, numbers and lists");
        // Blanks at its end may belong to the last value.
        let front = front.strip_suffix('\n').unwrap_or(&front);
        format!("{FENCE}\n{front}\n{FENCE}\n\n{}\n", self.spec.trim_end())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FILE: &str = "---
slug: billing-api
title: 'The API: first part'
lane: now
touches:
  - src/api/
  - src/**/*.rs
---

# What is to be done

---
more
";

    #[test]
    fn front_matter_is_yaml_and_the_rest_is_markdown() {
        let file = SpecFile::parse("a.md", FILE).unwrap();
        assert_eq!(file.title.as_deref(), Some("The API: first part"));
        assert_eq!((file.lane, file.touches.as_ref().map(Vec::len)), (Some(Lane::Now), Some(2)));
        assert_eq!(file.spec, "# What is to be done\n\n---\nmore\n");
    }

    #[test]
    fn a_file_without_front_matter_is_all_spec() {
        let file = SpecFile::parse("a.md", "# Title\n---\n").unwrap();
        assert_eq!(file, SpecFile { spec: "# Title\n---\n".to_owned(), ..SpecFile::default() });
    }

    #[test]
    fn a_file_is_read_as_it_is_written() {
        let odd = SpecFile {
            slug: Some("a".to_owned()),
            title: Some("yes: - \"no\" # 'x' {y}".to_owned()),
            lane: Some(Lane::Icebox),
            priority: Some(3),
            touches: Some(vec![
                "*.rs".to_owned(),
                "[id]/page.tsx".to_owned(),
                "{a,b}: c".to_owned(),
                "1.0".to_owned(),
            ]),
            reads: Some(vec!["#x".to_owned()]),
            depends_on: Some(vec!["null".to_owned()]),
            spec: "text".to_owned(),
        };
        let again = SpecFile::parse("a.md", &odd.text()).unwrap();
        assert_eq!(again, SpecFile { spec: "text\n".to_owned(), ..odd });
    }

    #[test]
    fn a_value_keeps_the_blanks_at_its_end() {
        let title = SpecFile { title: Some("a \n".to_owned()), ..SpecFile::default() };
        assert_eq!(SpecFile::parse("a.md", &title.text()).unwrap().title, title.title);
    }

    #[test]
    fn an_error_is_reported_with_its_line() {
        let cases = [
            ("---\nslug: a\n", "has no end"),
            ("---\nslug: a\ntoches: [a]\n---\n", "line 3"),
            ("---\nslug: a\nlane: soon\n---\n", "line 3"),
            ("---\ntitle: [a\n---\n", "line"),
            ("---\nslug: a\ntouches: src\n---\n", "line 3"),
            ("---\nslug: A b\n---\n", "a-z"),
        ];
        for (text, expected) in cases {
            let error = SpecFile::parse("a.md", text).unwrap_err().to_string();
            assert!(error.starts_with("a.md: ") && error.contains(expected), "{text:?}: {error}");
        }
    }
}
