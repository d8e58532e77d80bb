//! Validated short texts: every value of these types is valid. A text is never trimmed or corrected silently.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// Why a short text is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShortTextError {
    /// The text is too short or too long.
    #[error("must have {min} to {max} characters, has {actual}")]
    Length {
        /// The fewest characters that are allowed.
        min: usize,
        /// The most characters that are allowed.
        max: usize,
        /// The characters that the text has.
        actual: usize,
    },
    /// A character is not allowed, or the text has a wrong form.
    #[error("{0}")]
    Form(&'static str),
}

fn length(text: &str, min: usize, max: usize) -> Result<(), ShortTextError> {
    let actual = text.chars().count();
    if (min..=max).contains(&actual) { Ok(()) } else { Err(ShortTextError::Length { min, max, actual }) }
}

fn printable(text: &str) -> Result<(), ShortTextError> {
    if text.chars().any(char::is_control) {
        return Err(ShortTextError::Form("must not contain control characters"));
    }
    Ok(())
}

macro_rules! short_texts {
    ($($(#[$doc:meta])* $name:ident($text:ident) $check:block)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses a text, which must follow the rules of this type.
            ///
            /// # Errors
            /// The first rule that the text breaks.
            pub fn parse($text: &str) -> Result<Self, ShortTextError> {
                $check
                Ok(Self($text.into()))
            }

            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )+};
}

/// The most characters in the slug of a project.
pub const MAX_PROJECT_SLUG: usize = 50;
/// The most characters in the slug of a feature.
pub const MAX_FEATURE_SLUG: usize = 100;

short_texts! {
    /// The name of an engineer or a project: 1 to 100 characters, at least one of them visible.
    Name(text) {
        length(text, 1, 100)?;
        printable(text)?;
        if text.trim().is_empty() {
            return Err(ShortTextError::Form("must not be blank"));
        }
    }
    /// The title of a feature or a decision: 1 to 200 characters.
    Title(text) {
        length(text, 1, 200)?;
        printable(text)?;
        if text.trim().is_empty() {
            return Err(ShortTextError::Form("must not be blank"));
        }
    }
    /// A lower-case name in addresses: 1 to 100 of `a-z`, `0-9` and `-`.
    Slug(text) {
        length(text, 1, MAX_FEATURE_SLUG)?;
        if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(ShortTextError::Form("may contain only a-z, 0-9 and -"));
        }
    }
    /// The name of an agent, such as `build`: 1 to 100 characters.
    AgentName(text) {
        length(text, 1, 100)?;
        printable(text)?;
    }
    /// An `Idempotency-Key`: 1 to 255 visible ASCII characters, with spaces between them.
    IdempotencyKey(text) {
        length(text, 1, 255)?;
        if !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') || text.trim() != text {
            return Err(ShortTextError::Form("may contain only visible ASCII characters and spaces between them"));
        }
    }
    /// A free text of at most 2,048 characters, such as a URL, a path or a label.
    Label(text) {
        length(text, 0, 2048)?;
        printable(text)?;
    }
}

/// An e-mail address in lower case, at most 255 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(Arc<str>);

impl Email {
    /// Parses an address of the form `local@domain`, and converts it to lower case.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, ShortTextError> {
        length(text, 3, 255)?;
        let form = ShortTextError::Form("must be an e-mail address such as ana@example.com");
        let Some((local, domain)) = text.rsplit_once('@') else {
            return Err(form);
        };
        let local_ok = !local.is_empty()
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"@<>()[],;:\\\"".contains(c));
        let domain_ok = domain.contains('.')
            && domain.split('.').all(|label| {
                !label.is_empty()
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            });
        if !(local_ok && domain_ok) {
            return Err(form);
        }
        Ok(Self(text.to_lowercase().into()))
    }

    /// The address in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
