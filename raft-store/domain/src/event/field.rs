//! The fields of a feature that can change, and their values as events show them.

use serde::{Deserialize, Serialize};

/// A field of a feature that can change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FeatureField {
    /// The title, one line.
    Title,
    /// The specification, whose text is a document.
    Spec,
    /// The lane of the board.
    Lane,
    /// The priority in the lane.
    Priority,
    /// The exclusive paths.
    Touches,
    /// The shared paths.
    Reads,
    /// The features that it depends on.
    DependsOn,
    /// The status, such as ready or cancelled.
    Status,
}

/// The value of a field that changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FieldValue {
    /// The value is too long for an event.
    Omitted,
    /// A title, a number or a name.
    Text(String),
    /// Paths or slugs, at most 100.
    List(Vec<String>),
}

/// Paths or slugs in one [`FieldValue`]: a feature has up to thousands.
const MAX_VALUES: usize = 100;

impl FieldValue {
    /// The value of a title, a number or a name.
    pub fn text(value: impl ToString) -> Self {
        Self::Text(value.to_string())
    }

    /// The value of a list, omitted if it has more than 100 items.
    pub fn list<T: ToString>(items: &[T]) -> Self {
        if items.len() > MAX_VALUES {
            return Self::Omitted;
        }
        Self::List(items.iter().map(ToString::to_string).collect())
    }
}
