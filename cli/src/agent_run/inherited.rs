//! Run keys in the environment. A host passes one on to the commands that it starts: where several runs share a
//! process, the process alone does not identify the run. Sends no request.

use super::RunKey;
use crate::hosts::{AgentHost, HOSTS};
use std::{
    env, fs,
    io::{self, Write},
    path::Path,
};

/// The variable that names a session or a run. People set it, and hosts do.
const SESSION: &str = "NEXUS_SESSION";

/// Whether this value came from a host's environment, and not from a person. Then it is only a guess, since an agent
/// that another agent started inherits the variable.
pub(crate) fn is_inherited(text: &str) -> bool {
    RunKey::parse(text).is_some() && env::var(SESSION).is_ok_and(|inherited| inherited.trim() == text)
}

/// The run that the environment of this command names. `is_known` says whether a key that a host made up has a record.
pub(super) fn run_key(is_known: impl Fn(&RunKey) -> bool) -> Option<RunKey> {
    let given = |name: &str| env::var(name).ok().map(|text| text.trim().to_owned());
    let ours = given(SESSION).and_then(|text| RunKey::parse(&text));
    let of_host = |host: &&AgentHost| RunKey::of_host(host.name, &given(host.run_id_variable?)?);
    ours.or_else(|| HOSTS.iter().filter_map(of_host).find(is_known))
}

/// Passes the key on to the commands that the host starts from now on, where the host lets a hook do that. A session
/// that a person named stays.
///
/// # Errors
/// When the host's file cannot be written. Then a command's run is found by its processes.
pub(crate) fn export_run_key(key: &RunKey) -> io::Result<()> {
    let host = HOSTS.iter().find(|host| host.name == key.kind());
    let file =
        host.and_then(|host| env::var_os(host.commands_file_variable?)).filter(|file| !file.is_empty());
    let is_free = env::var(SESSION).map_or(true, |named| named.is_empty() || is_inherited(named.trim()));
    match file {
        Some(file) if is_free => append(Path::new(&file), key),
        _ => Ok(()),
    }
}

/// Appends the line, unless the file already ends up with this key.
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
    let separator = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let mut file = fs::OpenOptions::new().create(true).append(true).open(file)?;
    file.write_all(format!("{separator}{line}\n").as_bytes())
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
