//! Marked lines in a text of others. The text around them stays as it is.

use super::plan::WithoutOurs;

/// How a comment looks in a kind of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comment {
    /// Lines that begin with `#`.
    Hash,
    /// `<!-- … -->`
    Markdown,
}

/// The note in the first mark if the text before it had no end of line.
const JOINED: &str = " (joined)";

impl Comment {
    fn mark(self, sign: &str, more: &str) -> String {
        match self {
            Self::Hash => format!("# {sign} nexus {sign}{more}"),
            Self::Markdown => format!("<!-- {sign} nexus {sign}{more} -->"),
        }
    }
}

/// The position of a block.
struct Found {
    from: usize,
    to: usize,
    is_joined: bool,
}

fn find(text: &str, comment: Comment) -> Option<Found> {
    let (start, joined, end) =
        (comment.mark(">>>", ""), comment.mark(">>>", JOINED), comment.mark("<<<", ""));
    let mut begun = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let words = line.trim_end_matches(['\r', '\n']);
        match begun {
            // A mark without an end may stand before: the text behind it belongs to its author.
            _ if words == start => begun = Some((at, false)),
            _ if words == joined => begun = Some((at, true)),
            Some((from, is_joined)) if words == end => {
                return Some(Found { from, to: at + line.len(), is_joined });
            }
            _ => {}
        }
        at += line.len();
    }
    None
}

/// The text with the block, in place of an existing one, or else at its end.
pub(crate) fn with(text: Option<&str>, comment: Comment, block: &str) -> String {
    let text = text.unwrap_or_default();
    with_at(text, text.len(), comment, block)
}

/// The text with the block, in place of an existing one, or else at this position, which begins a line or ends the
/// text.
pub(crate) fn with_at(text: &str, at: usize, comment: Comment, block: &str) -> String {
    // The block has the ends of lines of the text: editors on Windows would change mixed ones.
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let (before, after, is_joined) = match find(text, comment) {
        Some(Found { from, to, is_joined }) => (text[..from].to_owned(), &text[to..], is_joined),
        None if at > 0 && !text[..at].ends_with('\n') => (format!("{}{end}", &text[..at]), &text[at..], true),
        None => (text[..at].to_owned(), &text[at..], false),
    };
    let start = comment.mark(">>>", if is_joined { JOINED } else { "" });
    let lines = std::iter::once(start.as_str()).chain(block.trim_end().lines());
    let lines: String = lines.map(|line| format!("{line}{end}")).collect();
    format!("{before}{lines}{}{end}{after}", comment.mark("<<<", ""))
}

/// The text without the block.
pub(crate) fn taken(text: &str, comment: Comment) -> WithoutOurs {
    let Some(Found { from, to, is_joined }) = find(text, comment) else {
        return WithoutOurs { text: text.to_owned(), is_nothing: false };
    };
    let mut before = &text[..from];
    if is_joined {
        // The end of line that was added is like those of the block.
        let end = if text[from..to].ends_with("\r\n") { "\r\n" } else { "\n" };
        before = before.strip_suffix(end).unwrap_or(before);
    }
    let rest = format!("{before}{}", &text[to..]);
    WithoutOurs { is_nothing: rest.is_empty(), text: rest }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_and_goes_without_a_trace() {
        for text in ["# Title\n\nText\n", "no end of line", "\n\n", "# Title\r\n\r\nText\r\n", "one\r\ntwo"] {
            let with_block = with(Some(text), Comment::Markdown, "ours\nof two lines");
            assert!(with_block.contains("<!-- >>> nexus >>>"), "{with_block}");
            assert_eq!(
                with(Some(&with_block), Comment::Markdown, "ours\nof two lines"),
                with_block,
                "twice is once"
            );
            let changed = with(Some(&with_block), Comment::Markdown, "newer");
            assert!(changed.contains("newer") && !changed.contains("ours"), "{changed}");
            assert_eq!(taken(&changed, Comment::Markdown).text, text);
        }
        assert!(taken(&with(None, Comment::Hash, "ours"), Comment::Hash).is_nothing);
    }

    #[test]
    fn a_text_of_windows_stays_one() {
        let with_block = with(Some("a\r\nb\r\n"), Comment::Hash, "ours\nof two lines");
        assert_eq!(with_block.matches('\n').count(), with_block.matches("\r\n").count(), "{with_block:?}");
        // Also when git has changed the ends of the lines since.
        let changed = with(Some("a\nb\n"), Comment::Hash, "ours").replace('\n', "\r\n");
        assert_eq!(taken(&changed, Comment::Hash).text, "a\r\nb\r\n");
        assert_eq!(with(Some(&changed), Comment::Hash, "ours"), changed);
    }

    #[test]
    fn a_mark_without_an_end_is_text_like_any_other() {
        let text = "mine\n# >>> nexus >>>\nmore of mine\n";
        let with_block = with(Some(text), Comment::Hash, "ours");
        assert_eq!(taken(&with_block, Comment::Hash).text, text);
        assert!(with(Some(&with_block), Comment::Hash, "newer").starts_with(text));
    }

    #[test]
    fn what_was_written_after_the_block_stays_after_it() {
        let text = with(Some("a\n"), Comment::Hash, "ours") + "b\n";
        assert_eq!(taken(&text, Comment::Hash).text, "a\nb\n");
        assert!(with(Some(&text), Comment::Hash, "newer").ends_with("b\n"));
    }
}
