//! Reads the modules of the crate and the modules that each of them uses, through `crate::`,
//! `super::` and `self::`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::visit::{self, Visit};

/// The names from the crate's root to a module: `["notify", "receivers", "slack"]`.
pub(crate) type ModulePath = Vec<String>;

#[derive(Default)]
struct Module {
    /// Absolute paths: a module, or a module and one of its items.
    used: BTreeSet<ModulePath>,
    /// The bindings of its `use` declarations, by name. Other modules may use these through it.
    bound: BTreeMap<String, ModulePath>,
}

/// All modules of the crate except its tests.
pub(crate) struct Modules(BTreeMap<ModulePath, Module>);

impl Modules {
    pub(crate) fn of_crate(root: &Path) -> Self {
        let mut modules = BTreeMap::new();
        read(&root.join("lib.rs"), root, Vec::new(), &mut modules);
        Self(modules)
    }

    /// Returns each pair of a module and another one that it uses.
    pub(crate) fn uses(&self) -> impl Iterator<Item = (&ModulePath, &ModulePath)> {
        self.0.iter().flat_map(move |(from, module)| {
            let targets: BTreeSet<_> =
                module.used.iter().filter_map(|path| self.definition(path)).collect();
            targets.into_iter().filter(move |to| *to != from).map(move |to| (from, to))
        })
    }

    /// Returns for each folder which child uses which sibling, with an example of the two modules.
    pub(crate) fn siblings(&self) -> BTreeMap<ModulePath, BTreeMap<(String, String), String>> {
        let mut folders: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (from, to) in self.uses() {
            let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            // A module may use its ancestors and its descendants.
            if shared < from.len() && shared < to.len() {
                let edge = (from[shared].clone(), to[shared].clone());
                let example = format!("{} uses {}", from.join("::"), to.join("::"));
                folders.entry(from[..shared].to_vec()).or_default().entry(edge).or_insert(example);
            }
        }
        folders
    }

    /// Follows re-exports to the module that defines the item at a path.
    fn definition(&self, path: &[String]) -> Option<&ModulePath> {
        let mut path = path.to_vec();
        // A chain of re-exports is short. The limit ends a cycle.
        for _ in 0..8 {
            let length = (0..=path.len()).rev().find(|n| self.0.contains_key(&path[..*n]))?;
            let (module, definition) = self.0.get_key_value(&path[..length])?;
            let target = path.get(length).and_then(|item| definition.bound.get(item));
            match target {
                Some(target) => path = target.iter().chain(&path[length + 1..]).cloned().collect(),
                None => return Some(module),
            }
        }
        None
    }
}

fn read(file: &Path, folder: &Path, path: ModulePath, modules: &mut BTreeMap<ModulePath, Module>) {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    collect(&parsed.items, folder, path, modules);
}

fn collect(
    items: &[syn::Item],
    folder: &Path,
    path: ModulePath,
    modules: &mut BTreeMap<ModulePath, Module>,
) {
    let mut reader = Reader { path: path.clone(), module: Module::default(), children: Vec::new() };
    for item in items {
        reader.visit_item(item);
    }
    let Reader { module, children, .. } = reader;
    modules.insert(path.clone(), module);
    for child in children {
        let name = child.ident.to_string();
        let child_path = [path.clone(), vec![name.clone()]].concat();
        let child_folder = folder.join(&name);
        match &child.content {
            Some((_, items)) => collect(items, &child_folder, child_path, modules),
            None => {
                // The compiler has found the file, unless a macro declares the module inline.
                let file = file_of(folder, &name);
                if file.is_file() {
                    read(&file, &child_folder, child_path, modules);
                }
            }
        }
    }
}

fn file_of(folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(name).with_extension("rs");
    if file.is_file() { file } else { folder.join(name).join("mod.rs") }
}

/// Reads one module. Its children are read later.
struct Reader {
    path: ModulePath,
    module: Module,
    children: Vec<syn::ItemMod>,
}

impl Reader {
    /// Resolves a path that begins with `crate`, `super` or `self`. Returns `None` for any other
    /// path.
    fn absolute(&self, path: &[String]) -> Option<ModulePath> {
        let mut rest = path;
        let mut base = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.path.clone(),
            _ => return None,
        };
        while let [first, tail @ ..] = rest {
            match first.as_str() {
                "crate" | "self" => {}
                "super" => {
                    base.pop();
                }
                _ => break,
            }
            rest = tail;
        }
        Some([base, rest.to_vec()].concat())
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(tree, before));
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                let bound = before.last().cloned().unwrap_or_default();
                self.bind(bound, before);
            }
            syn::UseTree::Name(name) => self.bind(name.ident.to_string(), &with(&name.ident)),
            syn::UseTree::Rename(rename) => {
                self.bind(rename.rename.to_string(), &with(&rename.ident));
            }
            syn::UseTree::Glob(_) => {
                if let Some(path) = self.absolute(before) {
                    self.module.used.insert(path);
                }
            }
        }
    }

    fn bind(&mut self, name: String, path: &[String]) {
        if let Some(path) = self.absolute(path) {
            self.module.used.insert(path.clone());
            self.module.bound.insert(name, path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|cfg| cfg == "test")
        });
        if !is_test {
            self.children.push(item.clone());
        }
    }

    /// A macro may declare modules: `mod slack` among its tokens.
    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        let tokens = item.mac.tokens.to_string();
        let words: Vec<_> = tokens.split_whitespace().collect();
        for pair in words.windows(2).filter(|pair| pair[0] == "mod") {
            let declaration = format!("mod {};", pair[1].trim_end_matches(';'));
            self.children.extend(syn::parse_str::<syn::ItemMod>(&declaration));
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if let Some(path) = self.absolute(&segments) {
            self.module.used.insert(path);
        }
        visit::visit_path(self, path);
    }
}
