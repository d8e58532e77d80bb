//! Circles of modules. In each folder of a crate, its files and subfolders must not use each other in a circle: what
//! two of them need lies below both, and what knows all of them stands on top. The files are read as tokens; nothing is
//! compiled, and code for tests does not count.
//!
//! A file uses a module when it names it by a path: `crate::…`, `super::…`, `self::…` or a child's name. A name that a
//! `mod.rs` only re-exports counts as a use of the child that defines it. A parent that declares or re-exports a child
//! does not use it by that alone.

use crate::{
    root,
    tokens::{Token, tokens, without_tests},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::Path,
};

/// The source folders of the crates.
const CRATES: [&str; 9] = [
    "raft-store/domain/src",
    "raft-store/src",
    "api/types/src",
    "api/mcp/src",
    "api/src",
    "node/src",
    "cli/src",
    "tests/src",
    "tests/specification/src",
];

/// A path from the root of a crate: the names of a module, maybe followed by that of an item.
type ModulePath = Vec<String>;

/// One file of a crate.
struct Module {
    /// Its path from the root of the repository.
    file: String,
    /// The modules that it declares in files of their own.
    children: BTreeSet<String>,
    /// The items that it defines.
    items: BTreeSet<String>,
    /// Its imports and re-exports: the path of each name.
    exports: BTreeMap<String, ModulePath>,
    /// The modules that it re-exports as a whole.
    globs: Vec<ModulePath>,
    /// The paths that it names, each with its line.
    uses: Vec<(ModulePath, usize)>,
}

/// The modules of a crate, by their paths from its root.
type Modules = BTreeMap<ModulePath, Module>;

/// The uses between the members of one folder. A member is a file or a subfolder, and each edge has one line as proof.
#[derive(Default)]
struct Folder {
    uses: BTreeMap<String, BTreeMap<String, Proof>>,
}

/// A place in the source where one member uses another.
#[derive(Clone)]
struct Proof {
    file: String,
    line: usize,
    names: String,
}

#[test]
fn modules_form_no_circle() {
    let mut found = Vec::new();
    for source in CRATES {
        let modules = read_crate(source);
        for (path, folder) in folders(&modules) {
            let name = path.iter().fold(source.to_owned(), |name, part| format!("{name}/{part}"));
            for circle in folder.circles() {
                found.push(format!("in {name}: {circle:?}\n{}", folder.chain(&circle)));
            }
        }
    }
    assert!(found.is_empty(), "modules use each other in circles:\n{}", found.join("\n"));
}

fn read_crate(source: &str) -> Modules {
    let folder = root().join(source);
    let top = ["lib.rs", "main.rs"].into_iter().map(|name| folder.join(name)).find(|file| file.exists());
    let mut modules = Modules::new();
    let mut waiting = vec![(ModulePath::new(), top.expect("a crate has a root"), folder)];
    while let Some((path, file, below)) = waiting.pop() {
        let module = Module::read(&path, &file);
        for child in &module.children {
            let inner = below.join(child);
            let candidates = [below.join(format!("{child}.rs")), inner.join("mod.rs")];
            let file = candidates.into_iter().find(|file| file.exists());
            let file = file.unwrap_or_else(|| panic!("{} declares {child}, which has no file", module.file));
            waiting.push((path.iter().chain([child]).cloned().collect(), file, inner));
        }
        modules.insert(path, module);
    }
    modules
}

impl Module {
    fn read(path: &ModulePath, file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("a source file can be read");
        let tokens = without_tests(tokens(&text));
        let name = file.strip_prefix(root()).expect("sources are in the repository");
        let mut module = Self {
            file: name.to_string_lossy().into_owned(),
            children: BTreeSet::new(),
            items: BTreeSet::new(),
            exports: BTreeMap::new(),
            globs: Vec::new(),
            uses: Vec::new(),
        };
        module.find_items(&tokens);
        module.find_uses(path, &tokens);
        module
    }

    /// Finds the modules that are declared and the names that are defined.
    fn find_items(&mut self, tokens: &[Token]) {
        for three in tokens.windows(3) {
            let [keyword, name, end] = three else { continue };
            match keyword.text.as_str() {
                "mod" if end.text == ";" => drop(self.children.insert(name.text.clone())),
                "struct" | "enum" | "union" | "fn" | "trait" | "type" | "const" | "static" => {
                    self.items.insert(name.text.clone());
                }
                _ => {}
            }
        }
    }

    /// Finds the paths that are named, in `use` declarations and elsewhere.
    fn find_uses(&mut self, path: &ModulePath, tokens: &[Token]) {
        // Modules in braces: their names, and how deep their braces are.
        let mut inner: Vec<(String, usize)> = Vec::new();
        let mut depth = 0;
        let mut at = 0;
        // Names of children that are re-exported: a use in this file is one of the child.
        let mut exported: BTreeMap<String, ModulePath> = BTreeMap::new();
        let mut names: Vec<(&str, usize)> = Vec::new();
        while at < tokens.len() {
            let text = tokens[at].text.as_str();
            let here: ModulePath = path.iter().chain(inner.iter().map(|(name, _)| name)).cloned().collect();
            match text {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    if inner.last().is_some_and(|(_, opened)| *opened == depth) {
                        inner.pop();
                    }
                }
                "mod" if tokens.get(at + 2).is_some_and(|token| token.text == "{") => {
                    inner.push((tokens[at + 1].text.clone(), depth));
                    at += 1;
                }
                "pub" if tokens.get(at + 1).is_some_and(|token| token.text == "(") => {
                    // A visibility does not use the module that it names.
                    at += tokens[at..].iter().position(|token| token.text == ")").unwrap_or_default();
                }
                "use" if tokens.get(at + 1).is_some_and(|token| token.text != "<") => {
                    let is_public = at > 0 && matches!(tokens[at - 1].text.as_str(), "pub" | ")");
                    let line = tokens[at].line;
                    let end =
                        at + tokens[at..].iter().position(|token| token.text == ";").unwrap_or_default();
                    for leaf in leaves(&tokens[at + 1..end]) {
                        let Some(target) = self.absolute(&here, &leaf.path) else { continue };
                        let is_child = target.len() > path.len()
                            && target.starts_with(path)
                            && self.children.contains(&target[path.len()]);
                        // A child can also name the imports of its parent.
                        match leaf.is_glob {
                            true if is_public => self.globs.push(target.clone()),
                            true => {}
                            false => drop(self.exports.insert(leaf.name.clone(), target.clone())),
                        }
                        if is_public && is_child {
                            exported.insert(leaf.name, target);
                        } else {
                            self.uses.push((target, line));
                        }
                    }
                    at = end;
                }
                _ => {
                    let follows = at > 0 && matches!(tokens[at - 1].text.as_str(), "::" | ".");
                    let mut named: Vec<&str> = vec![text];
                    let mut next = at + 1;
                    while tokens.get(next).is_some_and(|token| token.text == "::")
                        && tokens.get(next + 1).is_some_and(Token::is_word)
                    {
                        named.push(&tokens[next + 1].text);
                        next += 2;
                    }
                    if !follows && tokens[at].is_word() {
                        let owned: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
                        match self.absolute(&here, &owned).filter(|_| named.len() > 1) {
                            Some(target) => self.uses.push((target, tokens[at].line)),
                            None => names.push((text, tokens[at].line)),
                        }
                        at = next - 1;
                    }
                }
            }
            at += 1;
        }
        for (name, line) in names {
            if let Some(target) = exported.get(name) {
                self.uses.push((target.clone(), line));
            }
        }
    }

    /// A path from the root of the crate; none where it leads to another crate.
    fn absolute(&self, here: &ModulePath, path: &[String]) -> Option<ModulePath> {
        let (first, mut rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => ModulePath::new(),
            "self" => here.clone(),
            "super" => here.split_last()?.1.to_vec(),
            child if self.children.contains(child) => {
                let mut base = here.clone();
                base.push(child.to_owned());
                base
            }
            _ => return None,
        };
        while let Some(("super", more)) = rest.split_first().map(|(name, more)| (name.as_str(), more)) {
            base.pop()?;
            rest = more;
        }
        base.extend_from_slice(rest);
        Some(base)
    }
}

/// One name that a `use` declaration brings in.
struct Leaf {
    path: ModulePath,
    name: String,
    is_glob: bool,
}

/// The names that a `use` declaration brings in, of the tokens between `use` and `;`.
fn leaves(tokens: &[Token]) -> Vec<Leaf> {
    let mut found = Vec::new();
    let mut prefix: ModulePath = Vec::new();
    // The lengths of the prefixes in front of open braces.
    let mut open: Vec<usize> = Vec::new();
    let mut alias: Option<String> = None;
    let mut is_glob = false;
    let mut is_ended = false;
    let mut at = 0;
    while at <= tokens.len() {
        let text = tokens.get(at).map_or(",", |token| token.text.as_str());
        match text {
            "::" => {}
            "{" => open.push(prefix.len()),
            "," | "}" => {
                let start = open.last().copied().unwrap_or_default();
                if !is_ended && (prefix.len() > start || is_glob) {
                    let mut path = prefix.clone();
                    if path.len() > 1 && path.last().is_some_and(|name| name == "self") {
                        path.pop();
                    }
                    let name = alias.take().or_else(|| path.last().cloned()).unwrap_or_default();
                    found.push(Leaf { path, name, is_glob });
                }
                is_glob = false;
                // Tokens after a closed brace end with the group itself.
                is_ended = text == "}";
                if text == "}" {
                    prefix.truncate(open.pop().unwrap_or_default());
                } else {
                    prefix.truncate(start);
                }
            }
            "*" => is_glob = true,
            "as" => {
                alias = tokens.get(at + 1).map(|token| token.text.clone());
                at += 1;
            }
            name => {
                is_ended = false;
                prefix.push(name.to_owned());
            }
        }
        at += 1;
    }
    found
}

/// The module that a path leads to, through re-exports.
fn resolve(modules: &Modules, path: &[String], steps: usize) -> ModulePath {
    /// Re-exports of re-exports: more of them is a circle of names.
    const MAX_STEPS: usize = 8;
    let mut module = ModulePath::new();
    for (at, name) in path.iter().enumerate() {
        let known = &modules[&module];
        if known.children.contains(name) {
            module.push(name.clone());
            continue;
        }
        if steps < MAX_STEPS {
            let exported = known.exports.get(name).cloned();
            let globbed = || {
                if known.items.contains(name) {
                    return None;
                }
                let mut globs = known.globs.iter().map(|glob| resolve(modules, glob, steps + 1));
                let glob = globs.find(|glob| modules[glob].items.contains(name))?;
                Some(glob.into_iter().chain([name.clone()]).collect())
            };
            if let Some(target) = exported.or_else(globbed) {
                let target: Vec<String> = target.into_iter().chain(path[at + 1..].iter().cloned()).collect();
                return resolve(modules, &target, steps + 1);
            }
        }
        break;
    }
    module
}

/// The uses in each folder: an edge belongs to the folder where the paths of the two modules part.
fn folders(modules: &Modules) -> BTreeMap<ModulePath, Folder> {
    let mut folders: BTreeMap<ModulePath, Folder> = BTreeMap::new();
    for (user, module) in modules {
        for (path, line) in &module.uses {
            let used = resolve(modules, path, 0);
            let shared = user.iter().zip(&used).take_while(|(one, other)| one == other).count();
            let folder = user[..shared].to_vec();
            // The folder's own file is a member, too.
            let own = Path::new(&modules[&folder].file).file_name().expect("a file has a name");
            let member = |path: &ModulePath| {
                path.get(shared).cloned().unwrap_or_else(|| own.to_string_lossy().into_owned())
            };
            let (user, used) = (member(user), member(&used));
            if user != used {
                let proof = Proof { file: module.file.clone(), line: *line, names: path.join("::") };
                folders.entry(folder).or_default().uses.entry(user).or_default().entry(used).or_insert(proof);
            }
        }
    }
    folders
}

impl Folder {
    /// The members that a member reaches. Each has the member before it on the way.
    fn reached(&self, from: &str) -> BTreeMap<&str, &str> {
        let mut before = BTreeMap::new();
        let mut waiting: VecDeque<&str> =
            self.uses.get_key_value(from).map(|(name, _)| name.as_str()).into_iter().collect();
        while let Some(member) = waiting.pop_front() {
            for used in self.uses.get(member).into_iter().flat_map(BTreeMap::keys) {
                if !before.contains_key(used.as_str()) {
                    before.insert(used.as_str(), member);
                    waiting.push_back(used);
                }
            }
        }
        before
    }

    /// The sets of members each of which reaches all others of its set.
    fn circles(&self) -> BTreeSet<BTreeSet<String>> {
        let reached: BTreeMap<&str, _> =
            self.uses.keys().map(|member| (member.as_str(), self.reached(member))).collect();
        let mut circles = BTreeSet::new();
        for (member, others) in &reached {
            if !others.contains_key(member) {
                continue;
            }
            let is_mutual =
                |other: &&&str| reached.get(**other).is_some_and(|others| others.contains_key(member));
            circles.insert(others.keys().filter(is_mutual).map(|name| (*name).to_owned()).collect());
        }
        circles
    }

    /// A shortest way around a circle, with the line that proves each step.
    fn chain(&self, circle: &BTreeSet<String>) -> String {
        let ways = circle.iter().map(|start| {
            let before = self.reached(start);
            let mut way = vec![start.as_str()];
            let mut member = before.get(start.as_str()).copied();
            while let Some(name) = member {
                way.push(name);
                member = if name == start { None } else { before.get(name).copied() };
            }
            way.reverse();
            way
        });
        let way = ways.min_by_key(Vec::len).unwrap_or_default();
        let steps = way.windows(2).map(|step| {
            let Proof { file, line, names } = &self.uses[step[0]][step[1]];
            format!("    {} uses {}: {file}:{line} names {names}\n", step[0], step[1])
        });
        steps.collect()
    }
}

#[test]
fn a_use_declaration_brings_in_each_of_its_names() {
    let tokens = tokens("crate::{a::{self, B}, c::D as E, f::*,}");
    let found: Vec<String> =
        leaves(&tokens).iter().map(|leaf| format!("{} {}", leaf.path.join("::"), leaf.name)).collect();
    assert_eq!(found, ["crate::a a", "crate::a::B B", "crate::c::D E", "crate::f f"]);
}

#[test]
fn members_that_reach_each_other_form_a_circle() {
    let mut folder = Folder::default();
    for (user, used) in [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("c", "e")] {
        let proof = Proof { file: format!("{user}.rs"), line: 1, names: used.to_owned() };
        folder.uses.entry(user.to_owned()).or_default().insert(used.to_owned(), proof);
    }
    let circle = BTreeSet::from(["a", "b", "c"].map(str::to_owned));
    assert_eq!(folder.circles(), BTreeSet::from([circle.clone()]));
    assert!(folder.chain(&circle).starts_with("    a uses b: a.rs:1 names b\n"), "{}", folder.chain(&circle));
}
