//! The state of a shell at one command: its folder, its variables, its arguments. After a branch the folder may be one
//! of several.

use super::value::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    rc::Rc,
};

/// Folders that a shell may be in. With more of them it counts as being anywhere.
const MAX_FOLDERS: usize = 8;

/// Values of one variable. With more of them it counts as having any value.
pub(super) const MAX_VALUES: usize = 256;

/// The state of a shell at one command.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// The folders that it may be in, the likeliest first. `None` is a folder that is not known.
    pub(super) folders: Vec<Option<PathBuf>>,
    /// The folder before the last `cd`, for `cd -`.
    pub(super) before: Option<PathBuf>,
    /// The folders that `popd` returns to.
    pub(super) pushed: Vec<Option<PathBuf>>,
    /// The possible values of variables. An element of an array is `A[1]`, and all of them are `A[@]`.
    pub(super) variables: Rc<BTreeMap<String, Vec<Value>>>,
    /// Variables that are references to others.
    pub(super) references: Rc<BTreeMap<String, String>>,
    /// The arguments of a function or script.
    pub(super) arguments: Rc<Vec<Value>>,
    /// Functions and aliases by name, as text.
    pub(super) functions: Rc<BTreeMap<String, String>>,
    /// Functions that were called. The others are walked once at the end.
    pub(super) called: Rc<BTreeSet<String>>,
    /// Symbolic links that were made: link and target.
    pub(super) links: Rc<Vec<(PathBuf, PathBuf)>>,
    /// Whether the shell has ended.
    pub(super) is_over: bool,
}

impl Scope {
    /// The folder that it is most likely in.
    pub(super) fn folder(&self) -> Option<&PathBuf> {
        self.folders.first().and_then(Option::as_ref)
    }

    pub(super) fn set(&mut self, name: &str, values: Vec<Value>) {
        let name = self.references.get(name).cloned().unwrap_or_else(|| name.to_owned());
        let values = if values.len() > MAX_VALUES { vec![Value::any()] } else { values };
        Rc::make_mut(&mut self.variables).insert(name, values);
    }

    /// The possible values of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&Vec<Value>> {
        self.variables.get(self.references.get(name).map_or(name, String::as_str))
    }

    pub(super) fn enter(&mut self, folder: Option<PathBuf>) {
        self.before = self.folder().cloned();
        self.folders = vec![folder];
        let known = self.folder().map(|folder| Value::text(folder.to_string_lossy()));
        self.set("PWD", vec![known.unwrap_or_else(Value::any)]);
        let before = self.before.as_ref().map(|folder| Value::text(folder.to_string_lossy()));
        self.set("OLDPWD", vec![before.unwrap_or_else(Value::any)]);
    }

    /// Merges the state of another branch. This one stays the likelier one.
    pub(super) fn or(&mut self, other: Self) {
        if other.is_over {
            return;
        }
        if self.is_over {
            *self = other;
            return;
        }
        for folder in other.folders {
            if !self.folders.contains(&folder) {
                self.folders.push(folder);
            }
        }
        if self.folders.len() > MAX_FOLDERS {
            self.folders = vec![None];
        }
        if !Rc::ptr_eq(&self.functions, &other.functions) {
            let mine = Rc::make_mut(&mut self.functions);
            for (name, text) in other.functions.iter() {
                mine.entry(name.clone()).or_insert_with(|| text.clone());
            }
        }
        if !Rc::ptr_eq(&self.called, &other.called) {
            Rc::make_mut(&mut self.called).extend(other.called.iter().cloned());
        }
        if !Rc::ptr_eq(&self.links, &other.links) {
            let new: Vec<_> = other.links.iter().filter(|link| !self.links.contains(link)).cloned().collect();
            Rc::make_mut(&mut self.links).extend(new);
        }
        if !Rc::ptr_eq(&self.variables, &other.variables) {
            let mine = Rc::make_mut(&mut self.variables);
            for (name, values) in other.variables.iter() {
                let known = mine.entry(name.clone()).or_default();
                for value in values {
                    if !known.contains(value) && known.len() <= MAX_VALUES {
                        known.push(value.clone());
                    }
                }
            }
        }
    }
}

/// The state after a command succeeded, and after it failed.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) done: Scope,
    /// The scope after a failure; `None` if failure makes no difference.
    pub(super) failed: Option<Scope>,
}

impl Flow {
    pub(super) fn either(self) -> Scope {
        let mut scope = self.done;
        if let Some(failed) = self.failed {
            scope.or(failed);
        }
        scope
    }
}
