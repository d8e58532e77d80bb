//! The hosts that Nexus can be installed into, and whether they are there. Changes nothing.

use super::Scope;
use clap::ValueEnum;
use std::{env, path::Path};

/// A program that Nexus is installed into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Target {
    /// Claude Code
    Claude,
    /// Codex CLI
    Codex,
    /// Cursor
    Cursor,
    /// Gemini CLI
    Gemini,
    /// Guards before commit and push
    Git,
}

impl Target {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Claude, Self::Codex, Self::Cursor, Self::Gemini, Self::Git];

    /// The name that people know it by.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Cursor => "cursor",
            Self::Gemini => "gemini",
            Self::Git => "git",
        }
    }

    /// The program that is started to work with an agent; none for what is no agent.
    pub(crate) const fn program(self) -> Option<&'static str> {
        match self {
            Self::Claude => Some("claude"),
            Self::Codex => Some("codex"),
            Self::Cursor => Some("cursor-agent"),
            Self::Gemini => Some("gemini"),
            Self::Git => None,
        }
    }

    /// Where it was found: its program, or a folder of its settings.
    pub(crate) fn found(self, scope: &Scope) -> Option<String> {
        let (programs, folder): (&[&str], &str) = match self {
            Self::Claude => (&["claude"], ".claude"),
            Self::Codex => (&["codex"], ".codex"),
            Self::Cursor => (&["cursor", "cursor-agent"], ".cursor"),
            Self::Gemini => (&["gemini"], ".gemini"),
            Self::Git => {
                let git = scope.root.join(".git");
                return (scope.home.is_none() && git.exists()).then(|| git.display().to_string());
            }
        };
        let places = [Some(scope.root.clone()), env::home_dir()];
        let mut folders = places.into_iter().flatten().map(|place| place.join(folder));
        let program = programs.iter().find_map(|program| on_path(program));
        program.or_else(|| Some(folders.find(|folder| folder.is_dir())?.display().to_string()))
    }
}

/// Where a program is that is called by its name alone.
pub(crate) fn on_path(program: &str) -> Option<String> {
    let path = env::var_os("PATH")?;
    let names = [program.to_owned(), format!("{program}.exe"), format!("{program}.cmd")];
    let mut files = env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)).collect::<Vec<_>>());
    files.find(|file| is_program(file)).map(|file| file.display().to_string())
}

fn is_program(file: &Path) -> bool {
    file.is_file()
}
