//! The last line of a text that belongs to Nexus as a whole: the checksum of all before it. It shows whether somebody
//! changed the text since Nexus wrote it.

use super::memory::checksum;

/// The beginning of the last line of a text of ours, and its end: the checksum of all before it stands in between.
const SIGN: [&str; 2] = ["<!-- by nexus install ", " -->"];

/// The text, so that it is known as ours as long as nobody changes it.
pub(crate) fn signed(text: &str) -> String {
    let text = text.trim_end();
    format!("{text}\n\n{}{}{}\n", SIGN[0], checksum(text), SIGN[1])
}

/// Whether a text is as some version of nexus install wrote it.
pub(crate) fn is_ours(text: &str) -> bool {
    let Some((text, last)) = text.trim_end().rsplit_once('\n') else { return false };
    let written = last.strip_prefix(SIGN[0]).and_then(|rest| rest.strip_suffix(SIGN[1]));
    written.is_some_and(|written| written == checksum(text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::{super::skill::SKILL, *};

    #[test]
    fn a_text_is_ours_until_somebody_changes_it() {
        let text = signed(SKILL);
        assert!(text.starts_with("---\n"), "{text}");
        assert!(is_ours(&text) && is_ours(&text.replace('\n', "\r\n")));
        assert!(!is_ours(SKILL) && !is_ours(&text.replacen("Nexus", "Nexus, mostly", 1)));
        assert!(!is_ours("") && !is_ours(&format!("{text}And more.\n")));
    }
}
