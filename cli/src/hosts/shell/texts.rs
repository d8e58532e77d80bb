//! Programs in other languages, as text on the command line or fed to their interpreter. They are not understood: a
//! file that such a text names in quotes counts as written where the text also has words that write, unless the name
//! stands right where it is only read. So `open('a').read()` passes, and `open('a', 'w')` does not.

use super::{languages::Language, state::Shell};

/// Quoted texts that are searched, and the length of the longest one.
const MAX_LITERALS: usize = 512;
const MAX_LITERAL_BYTES: usize = 1_024;

/// The words that start a shell command in most languages.
const SYSTEM: &[&str] = &[
    "system",
    "subprocess",
    "popen",
    "exec",
    "spawn",
    "passthru",
    "Popen",
    "Open3",
    "%x",
    "qx",
    "| \"",
    "|\"",
    "getline",
];

/// Notes the files that a text names if it also writes, and the files that its shell commands write.
pub(super) fn look(shell: &mut Shell, language: &Language, text: &str, words: &[String]) {
    if !shell.budget.letters(text.len()) {
        return;
    }
    let (printing, replaced) = (without_streams(text), replacements(text));
    let is_writing = language.writes.iter().any(|word| has_word(&printing, word))
        || (language.has_modes && has_mode(text));
    let is_starting = SYSTEM.iter().any(|word| text.contains(word));
    if !is_writing && !is_starting {
        return;
    }
    let is_awk = language.inline.is_empty();
    for (from, to) in literals(text) {
        if replaced.iter().any(|call| call.contains(&from)) {
            continue;
        }
        let literal = &text[from + 1..to - 1];
        let (before, after) = (text[..from].trim_end(), text[to..].trim_start());
        if is_starting && literal.contains(' ') {
            let is_script = std::mem::replace(&mut shell.is_script, true);
            shell.inner(literal, None);
            shell.is_script = is_script;
        } else if is_writing && if is_awk { before.ends_with('>') } else { !is_read(language, before, after) }
        {
            name(shell, literal);
        }
    }
    if is_awk && is_writing {
        // `awk -v f=FILE '{ print > f }'`
        words.iter().filter_map(|word| word.split_once('=')).for_each(|(_, value)| name(shell, value));
    }
    if language.names.contains(&"tclsh") || language.names.contains(&"sqlite3") {
        text.split(|letter: char| letter.is_whitespace() || "[]{};".contains(letter))
            .for_each(|word| name(shell, word));
    }
}

/// Whether a text has this word, not as the end of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let begins = word.starts_with(|letter: char| letter.is_alphanumeric());
    let is_own = |at: usize| !text[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
    text.match_indices(word).any(|(at, _)| !begins || is_own(at))
}

/// Whether one of the quoted texts is a mode that opens a file for writing.
fn has_mode(text: &str) -> bool {
    text.char_indices().filter(|(_, letter)| matches!(letter, '\'' | '"')).any(|(at, quote)| {
        let rest = &text[at + 1..];
        let end = rest.find(|letter: char| !"rwaxbt+".contains(letter)).unwrap_or(rest.len());
        rest[end..].starts_with(quote) && end <= LONGEST_MODE && rest[..end].contains(['w', 'a', 'x', '+'])
    })
}

/// Characters of a mode such as `rb+`.
const LONGEST_MODE: usize = 4;

/// A text without its calls that print: `sys.stdout.write(…)` writes no file.
fn without_streams(text: &str) -> String {
    let mut text = text.to_owned();
    for stream in ["stdout", "stderr", "STDOUT", "STDERR"] {
        for call in [".buffer.write", ".write", ".writelines"] {
            text = text.replace(&format!("{stream}{call}"), "");
        }
    }
    // These calls replace a part of a text, or remove an item of a list.
    for (at, end) in replacements(&text).into_iter().map(|call| (call.start, call.end)).rev() {
        let call = " ".repeat(end - at);
        text.replace_range(at..end, &call);
    }
    text
}

/// Calls of `replace` that are searched, and the characters of the arguments of one.
const MAX_CALLS: usize = 512;
const MAX_ARGUMENTS: usize = 2_048;

/// The ranges of calls such as `text.replace(a, b)`: a method with two arguments, which files do not have.
fn replacements(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for (at, name) in
        text.match_indices(".replace(").chain(text.match_indices(".replaceAll(")).take(MAX_CALLS)
    {
        let owner = text[..at].rsplit(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        let start = at + name.len();
        if owner != "os"
            && let Some(end) = end_of_two(&text[start..])
        {
            found.push(at..start + end);
        }
    }
    found.sort_by_key(|call| call.start);
    // A nested call is removed with the outer one.
    found.dedup_by(|inner, outer| inner.start < outer.end);
    found
}

/// The end of the arguments of a call, if there are at least two.
fn end_of_two(arguments: &str) -> Option<usize> {
    let (mut depth, mut has_two, mut quote) = (0_usize, false, None);
    let mut letters = arguments.char_indices().take(MAX_ARGUMENTS);
    while let Some((at, letter)) = letters.next() {
        match (letter, quote) {
            ('\\', _) => drop(letters.next()),
            (letter, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"' | '`', None) => quote = Some(letter),
            ('(' | '[' | '{', None) => depth += 1,
            (')', None) if depth == 0 => return has_two.then_some(at + 1),
            (')' | ']' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => has_two = true,
            _ => {}
        }
    }
    None
}

/// Whether a name stands where a file is only read.
fn is_read(language: &Language, before: &str, after: &str) -> bool {
    let opens = ["open(", "fopen(", "File.open("].iter().any(|call| before.ends_with(call));
    if opens {
        let mode = after.strip_prefix(',').map(str::trim_start);
        return match mode {
            None => after.starts_with(')'),
            Some(mode) => {
                let is_mode =
                    ["'r", "\"r", "mode='r", "mode=\"r"].iter().find_map(|start| mode.strip_prefix(start));
                is_mode.is_some_and(|rest| !rest[..rest.find(['\'', '"']).unwrap_or(0)].contains('+'))
                    || mode.starts_with("encoding")
                    || mode.starts_with("errors")
            }
        };
    }
    let asks = [").read", ").exists", ").is_file", ").stat", ").iter"];
    language.reads.iter().any(|call| before.ends_with(call.trim_end()))
        || asks.iter().any(|call| after.starts_with(call))
}

/// The texts in quotes, with their quotes.
fn literals(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(char, usize)> = None;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (letter, open) {
            ('\\', _) => drop(letters.next()),
            ('\'' | '"' | '`', None) => open = Some((letter, at)),
            (letter, Some((quote, from))) if letter == quote => {
                open = None;
                if at - from <= MAX_LITERAL_BYTES && at > from + 1 {
                    found.push((from, at + 1));
                }
                if found.len() == MAX_LITERALS {
                    break;
                }
            }
            // An apostrophe in a comment ends with its line.
            ('\n', Some((quote, _))) if quote != '`' => open = None,
            _ => {}
        }
    }
    found
}

/// A name that looks like one of a file.
fn name(shell: &mut Shell, literal: &str) {
    let is_path = !literal.is_empty()
        && literal.len() <= MAX_LITERAL_BYTES
        && !literal.contains(|letter: char| {
            letter.is_whitespace() || letter.is_control() || "*<>|\"'`;(){}".contains(letter)
        });
    if !is_path {
        return;
    }
    for folder in shell.scope.folders.clone() {
        let Some(path) = super::paths::resolved(folder.as_deref(), literal) else { continue };
        let is_around = folder.as_ref().is_some_and(|folder| folder.starts_with(&path));
        if !is_around && (literal.contains(['/', '.']) || path.exists()) {
            shell.writes.add_mentioned(path);
        }
    }
}
