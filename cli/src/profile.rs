//! Profiles: several identities on one machine, each with a login and records of runs of its own. A process acts under
//! one profile from its start to its end, and so do the processes that it starts.

use std::{env, ffi::OsStr, fs, path::PathBuf, process::Command, str::FromStr, sync::OnceLock};

/// The variable that names the profile.
pub(crate) const VARIABLE: &str = "NEXUS_PROFILE";
/// The folder of all profiles but the default one, in the home folder.
const FOLDER: &str = "profiles";
/// The name by which the default profile can be chosen although the environment names another one.
const DEFAULT: &str = "default";
/// Most characters of a name: it is the name of a folder.
const MAX_NAME: usize = 50;
/// Profiles that a message lists.
const MAX_LISTED: usize = 20;

/// The profile of this process, or what is wrong with the text that names it.
static CURRENT: OnceLock<Result<Profile, String>> = OnceLock::new();

/// An identity on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The name; the default profile has none, and its files are in the home folder itself.
    name: Option<String>,
}

impl FromStr for Profile {
    type Err = String;

    /// Parses a name. It becomes the name of a folder, on systems that ignore case, too.
    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        if text.is_empty() || text == DEFAULT {
            return Ok(Self::default());
        }
        if text.len() > MAX_NAME || text.starts_with('-') || !text.chars().all(allowed) {
            return Err(format!("must be made of a-z, 0-9 and -, with {MAX_NAME} characters at most"));
        }
        Ok(Self { name: Some(text.to_owned()) })
    }
}

impl Profile {
    /// Makes the one that the command line or the environment names the profile of this process, before anything is
    /// read.
    ///
    /// # Errors
    /// When no profile can have this name. Then no files of a profile are found in this process.
    pub(crate) fn choose(named: &OsStr) -> Result<(), String> {
        let parsed = named.to_str().ok_or_else(|| "must be UTF-8".to_owned()).and_then(str::parse::<Self>);
        let parsed = parsed.map_err(|problem| {
            let is_from_environment = env::var_os(VARIABLE).is_some_and(|set| set == named);
            let source = if is_from_environment { VARIABLE } else { "--profile" };
            format!("{source} is {:?}, which names no profile: it {problem}", named.to_string_lossy())
        });
        // The first one counts: there is one command line.
        match CURRENT.get_or_init(|| parsed) {
            Ok(_) => Ok(()),
            Err(problem) => Err(problem.clone()),
        }
    }

    /// The profile of this process; the default one where its name cannot be read.
    pub(crate) fn current() -> Self {
        Self::checked().unwrap_or_default()
    }

    /// The profile of this process, for all that is read or written under it.
    ///
    /// # Errors
    /// When its name cannot be read: nothing may happen under another identity than the one that was meant.
    pub(crate) fn checked() -> Result<Self, String> {
        CURRENT.get().cloned().unwrap_or_else(|| Ok(Self::default()))
    }

    /// Its name; none for the default profile.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The folder of its files. It need not exist yet. None without a home folder.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        let home = Self::home()?;
        Some(match &self.name {
            Some(name) => home.join(FOLDER).join(name),
            None => home,
        })
    }

    /// The folder that all profiles share: `NEXUS_HOME`, or `.nexus` in the home folder of the user.
    pub(crate) fn home() -> Option<PathBuf> {
        path_in("NEXUS_HOME").or_else(|| env::home_dir().map(|home| home.join(".nexus")))
    }

    /// Has a process that is about to be started act under the profile of this one.
    pub(crate) fn pass_on(command: &mut Command) {
        match Self::checked().map(|profile| profile.name) {
            Ok(Some(name)) => {
                command.env(VARIABLE, name);
            }
            Ok(None) if env::var_os(VARIABLE).is_some() => {
                command.env_remove(VARIABLE);
            }
            // What cannot be read here, the other process cannot read either.
            Ok(None) | Err(_) => {}
        }
    }

    /// The names of the profiles beside the default one, for messages.
    pub(crate) fn named() -> Vec<String> {
        let entries = Self::home().and_then(|home| fs::read_dir(home.join(FOLDER)).ok());
        let names = entries.into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let is_profile = |name: &String| name.parse::<Self>().is_ok_and(|profile| profile.name.is_some());
        let mut names: Vec<String> = names.filter(is_profile).collect();
        names.sort();
        names.truncate(MAX_LISTED);
        names
    }
}

/// A path in the environment; set to nothing is as good as not set.
pub(crate) fn path_in(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_profile_leads_to_no_other_folder() {
        for name in ["", "default"] {
            assert_eq!(name.parse(), Ok(Profile::default()), "{name}");
        }
        assert_eq!("work-2".parse::<Profile>().unwrap().name(), Some("work-2"));
        let long = "a".repeat(MAX_NAME + 1);
        for name in ["..", ".", "a/b", "a\\b", "Work", "-x", "wörk", "a b", "a\0", " ", &long] {
            assert!(name.parse::<Profile>().is_err(), "{name:?}");
        }
    }
}
