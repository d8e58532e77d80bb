//! The facts and functions that Nexus needs for an agent host. Each host has a file of its own with one value of this
//! type, and a line in [`HOSTS`](super::HOSTS).

use super::{
    event::HookEvent,
    input::Input,
    verdict::{HookAnswer, Verdict},
};
use crate::{
    error::Error,
    install::{Operation, Plan, Scope},
};
use std::env;

/// A program that runs an agent and calls hooks.
pub(crate) struct AgentHost {
    /// The word for it in commands and in the keys of runs.
    pub(crate) name: &'static str,
    /// The name that its users know it by.
    pub(crate) title: &'static str,
    /// The program that is started to work with an agent. A process of this name is a run, even where no hook has
    /// reported one.
    pub(crate) program: &'static str,
    /// The programs by which the host is found, in the order in which they are looked for.
    pub(crate) programs: &'static [&'static str],
    /// The folder of its settings, in a repository and in a home folder.
    pub(crate) settings_folder: &'static str,
    /// The variable in which it passes on the folder that the agent works in.
    pub(crate) project_folder_variable: Option<&'static str>,
    /// The variable in which it passes on its id of the run to each command.
    pub(crate) run_id_variable: Option<&'static str>,
    /// The variable with the path of a file that its hooks may write: a shell runs its lines before each command.
    pub(crate) commands_file_variable: Option<&'static str>,
    /// A note that `nexus doctor` adds if its hooks are installed.
    pub(crate) caveat: Option<&'static str>,
    /// Reads an event, by its name on the command line. One that is not known becomes [`EventKind::Unknown`].
    ///
    /// [`EventKind::Unknown`]: super::EventKind::Unknown
    pub(crate) read: fn(&str, Input<'_>) -> HookEvent,
    /// The answer that it reads.
    pub(crate) answer: fn(&HookEvent, &Verdict) -> HookAnswer,
    /// Plans the changes of its settings. It fails when a file is not what it should be: then nothing is changed.
    pub(crate) plan: fn(&Scope, Operation) -> Result<Plan, Error>,
}

impl PartialEq for AgentHost {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl AgentHost {
    /// The place where it was found: its program, or a folder of its settings.
    pub(crate) fn found(&self, scope: &Scope) -> Option<String> {
        let program = self.programs.iter().find_map(|program| on_path(program));
        let places = [Some(scope.root.clone()), env::home_dir()];
        let mut folders = places.into_iter().flatten().map(|place| place.join(self.settings_folder));
        program.or_else(|| Some(folders.find(|folder| folder.is_dir())?.display().to_string()))
    }
}

/// The path of a program that is called by its name alone.
pub(crate) fn on_path(program: &str) -> Option<String> {
    let path = env::var_os("PATH")?;
    let names = [program.to_owned(), format!("{program}.exe"), format!("{program}.cmd")];
    let mut files = env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)).collect::<Vec<_>>());
    files.find(|file| file.is_file()).map(|file| file.display().to_string())
}
