//! The normal form of paths. Wildcards are not interpreted here, except that a `..` behind one is refused.

use super::{PatternError, limits::MAX_PATTERN_BYTES};

/// The pattern of the whole repository.
const ROOT: &str = "./";

/// The normal form of `raw`: no `.`, no `..`, no empty component; a trailing `/` marks a folder.
///
/// # Errors
/// Every [`PatternError`] except `TooComplex`.
pub(super) fn normalise(raw: &str) -> Result<String, PatternError> {
    if raw.is_empty() {
        return Err(PatternError::Empty);
    }
    if raw.len() > MAX_PATTERN_BYTES {
        return Err(PatternError::TooLong);
    }
    if raw.chars().any(char::is_control) {
        return Err(PatternError::ControlCharacter);
    }
    if raw.starts_with('/') || has_drive(raw) {
        return Err(PatternError::Absolute);
    }

    let mut kept: Vec<&str> = Vec::new();
    let mut folder = false;
    for component in raw.split('/') {
        folder = matches!(component, "" | "." | "..");
        match component {
            "" | "." => {}
            ".." => {
                let undone = kept.pop().ok_or(PatternError::EscapesRoot)?;
                if is_unknown_place(undone, &kept) {
                    return Err(PatternError::ParentOfWildcard);
                }
            }
            name => kept.push(name),
        }
    }

    let mut normal = kept.join("/");
    if normal.is_empty() {
        return Ok(ROOT.to_owned());
    }
    if folder {
        normal.push('/');
    }
    // A second check: the drive of `./C:/x` is visible only now, and the normal form must parse.
    if has_drive(&normal) {
        return Err(PatternError::Absolute);
    }
    Ok(normal)
}

/// Whether the text begins like `C:\` or `C:/`.
fn has_drive(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic())
}

/// Whether the parent of `component` is unknown: `**` is any number of folders, and a brace may contain a `/`. A class
/// stands for one folder, so that a `..` behind a real name in brackets works.
fn is_unknown_place(component: &str, before: &[&str]) -> bool {
    let open = |name: &str| name.bytes().filter(|&b| b == b'{').count();
    let closed = |name: &str| name.bytes().filter(|&b| b == b'}').count();
    let inside_braces =
        before.iter().map(|n| open(n)).sum::<usize>() > before.iter().map(|n| closed(n)).sum();
    inside_braces || component.contains(['*', '?', '{', '}'])
}
