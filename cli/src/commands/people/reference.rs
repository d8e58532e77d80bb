//! A person as they are named on the command line: by e-mail address, id or name. The cluster finds out who is meant.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Most characters of an e-mail address, which is the longest way to name somebody.
const MAX_LENGTH: usize = 255;

/// A person, by e-mail address, id or name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) struct PersonRef(String);

/// Parses how somebody is named. It becomes one part of a path.
///
/// # Errors
/// When nobody can be named like that.
pub(in crate::commands) fn person(text: &str) -> Result<PersonRef, String> {
    let text = text.trim();
    // An encoded `..` is still the folder above to whoever reads an address.
    if text.is_empty() || text == "." || text == ".." || text.chars().count() > MAX_LENGTH {
        return Err("is no e-mail address, id or name; nexus people list shows whom you may see".to_owned());
    }
    Ok(PersonRef(text.to_owned()))
}

impl PersonRef {
    /// The text as it was typed.
    pub(in crate::commands) fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of a request about this person.
    pub(in crate::commands) fn path(&self) -> String {
        format!("/engineers/{}", self.segment())
    }

    /// The text as one part of a path.
    pub(in crate::commands) fn segment(&self) -> String {
        utf8_percent_encode(&self.0, NON_ALPHANUMERIC).to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_no_other_address() {
        assert_eq!(person(" Ana B/é?# ").unwrap().path(), "/engineers/Ana%20B%2F%C3%A9%3F%23");
        assert_eq!(person("ana@example.com").unwrap().segment(), "ana%40example%2Ecom");
        for text in ["", "  ", ".", "..", &"a".repeat(300)] {
            assert!(person(text).is_err(), "{text:?}");
        }
    }
}
