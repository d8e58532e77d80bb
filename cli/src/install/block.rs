//! Marked lines in a text that belongs to somebody else. What stands around them stays as it is.

/// How a comment looks in a kind of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comment {
    /// `# …`
    Hash,
    /// `<!-- … -->`
    Markdown,
}

/// Stands in the first mark when the text before it had no end of line.
const JOINED: &str = " (joined)";

impl Comment {
    fn mark(self, sign: &str, more: &str) -> String {
        match self {
            Self::Hash => format!("# {sign} nexus {sign}{more}"),
            Self::Markdown => format!("<!-- {sign} nexus {sign}{more} -->"),
        }
    }
}

/// The text with the block at its end, in place of one that was there.
pub(super) fn with(text: Option<&str>, comment: Comment, block: &str) -> String {
    let rest = without(text.unwrap_or_default(), comment);
    let is_joined = !rest.is_empty() && !rest.ends_with('\n');
    let (more, end) = if is_joined { (JOINED, "\n") } else { ("", "") };
    format!("{rest}{end}{}\n{}\n{}\n", comment.mark(">>>", more), block.trim_end(), comment.mark("<<<", ""))
}

/// The text without the block; none when nothing else was in it.
pub(super) fn removed(text: &str, comment: Comment) -> Option<String> {
    let rest = without(text, comment);
    let was_ours = rest.is_empty() && !text.is_empty();
    (!was_ours).then_some(rest)
}

fn without(text: &str, comment: Comment) -> String {
    for more in ["", JOINED] {
        let start = format!("{}\n", comment.mark(">>>", more));
        let end = comment.mark("<<<", "");
        let Some(from) = text.find(&start) else { continue };
        let Some(length) = text[from..].find(&end) else { continue };
        let mut before = &text[..from];
        if !more.is_empty() {
            before = before.strip_suffix('\n').unwrap_or(before);
        }
        let after = &text[from + length + end.len()..];
        return format!("{before}{}", after.strip_prefix('\n').unwrap_or(after));
    }
    text.to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_and_goes_without_a_trace() {
        for text in ["# Title\n\nText\n", "no end of line", "\n\n"] {
            let with_block = with(Some(text), Comment::Markdown, "ours");
            assert!(with_block.contains("<!-- >>> nexus >>>"), "{with_block}");
            assert_eq!(with(Some(&with_block), Comment::Markdown, "ours"), with_block, "twice is once");
            let changed = with(Some(&with_block), Comment::Markdown, "newer");
            assert!(changed.contains("newer") && !changed.contains("ours"), "{changed}");
            assert_eq!(removed(&changed, Comment::Markdown).unwrap(), text);
        }
        assert_eq!(removed(&with(None, Comment::Hash, "ours"), Comment::Hash), None);
    }

    #[test]
    fn what_was_written_after_the_block_stays() {
        let text = with(Some("a\n"), Comment::Hash, "ours") + "b\n";
        assert_eq!(removed(&text, Comment::Hash).unwrap(), "a\nb\n");
    }
}
