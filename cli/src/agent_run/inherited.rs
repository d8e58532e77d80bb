//! The name of a run that its host hands to the commands it starts: where several runs share a process, the
//! process alone does not say whose a command is. Asks no server.

use super::RunKey;
use std::{
    env, fs,
    io::{self, Write},
    path::Path,
};

/// Names a session, by hand or by a host.
const SESSION: &str = "NEXUS_SESSION";

/// What Claude reads before each command: a file of lines for the shell, for hooks to write.
const CLAUDE_FILE: &str = "CLAUDE_ENV_FILE";

/// Codex names its run itself, in the environment of each command. Its hooks cannot add anything to that: an
/// answer with one field more is thrown away as a whole.
const CODEX_RUN: &str = "CODEX_THREAD_ID";

/// Whether this name of a session came from a host, and not from a person: it is then no more than the best
/// guess, since an agent that was started by another one inherits it.
pub(crate) fn is_inherited(text: &str) -> bool {
    RunKey::parse(text).is_some() && env::var(SESSION).is_ok_and(|inherited| inherited.trim() == text)
}

/// The run whose name was inherited down to this command; `is_known` says whether there is a run of a name that
/// somebody else made up.
pub(super) fn run(is_known: impl Fn(&RunKey) -> bool) -> Option<RunKey> {
    let given = |name| env::var(name).ok().map(|text| text.trim().to_owned());
    let ours = given(SESSION).and_then(|text| RunKey::parse(&text));
    ours.or_else(|| given(CODEX_RUN).and_then(|id| RunKey::of_host("codex", &id)).filter(is_known))
}

/// Hands the name to the commands that the host starts from now on, where it lets a hook do that. A session that
/// was named by hand stays the one.
///
/// # Errors
/// When the host's file cannot be written: commands are then told apart by their process.
pub(crate) fn export_run_key(key: &RunKey) -> io::Result<()> {
    let file = env::var_os(CLAUDE_FILE).filter(|file| !file.is_empty());
    let is_free = env::var(SESSION).map_or(true, |named| named.is_empty() || is_inherited(named.trim()));
    match file {
        Some(file) if is_free && key.kind() == "claude" => append(Path::new(&file), key),
        _ => Ok(()),
    }
}

/// Once: what says so already stays as it is.
fn append(file: &Path, key: &RunKey) -> io::Result<()> {
    // A key has no character that means something to a shell.
    let line = format!("export {SESSION}={key}");
    let before = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let is_ours = |line: &&str| line.starts_with(&format!("export {SESSION}="));
    if before.lines().rfind(is_ours) == Some(&line) {
        return Ok(());
    }
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let mut file = fs::OpenOptions::new().create(true).append(true).open(file)?;
    file.write_all(format!("{gap}{line}\n").as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_handed_out_once_and_a_later_one_goes_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hook-1.sh");
        let [one, two] = ["claude:one", "claude:two"].map(|key| RunKey::parse(key).unwrap());
        fs::write(&file, "export NODE_ENV=test").unwrap();
        append(&file, &one).unwrap();
        append(&file, &one).unwrap();
        let once = "export NODE_ENV=test\nexport NEXUS_SESSION=claude:one\n";
        assert_eq!(fs::read_to_string(&file).unwrap(), once);
        append(&file, &two).unwrap();
        append(&file, &one).unwrap();
        let back = format!("{once}export NEXUS_SESSION=claude:two\nexport NEXUS_SESSION=claude:one\n");
        assert_eq!(fs::read_to_string(&file).unwrap(), back);
    }
}
