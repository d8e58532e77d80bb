//! A text that a person writes in their own editor: `VISUAL`, `EDITOR`, or what every system has.
//! A text that is not used is kept, and said where.

use crate::error::Error;
use std::{
    env, fs,
    io::IsTerminal,
    path::PathBuf,
    process::{Command, Stdio},
};

/// Whether a person is there who could write.
pub(crate) fn has_person() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// A text that a person was asked for.
pub(crate) struct Written {
    /// The text as the editor saved it.
    pub(crate) text: String,
    file: PathBuf,
}

impl Written {
    /// The text is where it should be: the file is not needed any more.
    pub(crate) fn forget(self) {
        // A file that stays behind harms nobody.
        let _ = fs::remove_file(self.file);
    }

    /// Names the file that keeps the text, for an error message: nothing that a person wrote must be lost.
    pub(crate) fn kept(&self) -> String {
        format!("what you wrote is kept in {}", self.file.display())
    }
}

/// Lets a person change a text; `name` is the beginning of the file's name.
///
/// # Errors
/// When there is no editor, or it fails.
pub(crate) fn edit(name: &str, text: &str) -> Result<Written, Error> {
    let file = env::temp_dir().join(format!("nexus-{name}-{}.md", uuid::Uuid::now_v7().simple()));
    let at = |problem: &dyn std::fmt::Display| Error::local(format!("{}: {problem}", file.display()));
    fs::write(&file, text).map_err(|error| at(&error))?;
    let line = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| env::var(name).ok().filter(|line| !line.trim().is_empty()));
    let line = line.unwrap_or_else(|| if cfg!(windows) { "notepad" } else { "vi" }.to_owned());
    let words = shlex::split(&line).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| Error::misused(format!("EDITOR is no command: {line}")))?;
    // Data goes to stdout: the editor must not write there.
    let status = Command::new(&words[0]).args(&words[1..]).arg(&file).stderr(Stdio::inherit()).status();
    let status = status.map_err(|error| {
        Error::local(format!("cannot run the editor {line}: {error}")).hint("set EDITOR to one that you have")
    })?;
    if !status.success() {
        return Err(at(&format_args!("the editor {line} gave up; the text is kept there")));
    }
    let text = fs::read_to_string(&file).map_err(|error| at(&error))?;
    Ok(Written { text, file })
}
