//! Files of a crate do not use each other in a circle: where a file uses what another one defines, that one does not
//! use what the first defines, nor does a file that it uses.
//!
//! A file and those in its folder are parts of one module: `a` uses `a/b`, and `a/b` what it shares with `a/c`, which
//! is in `a`. That is not a circle, but it is one if `a/b` uses another file that uses `a`.

mod file;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, fail, parts};
use file::File;

/// Circles that are an idiom: the folder, the files in it, and why they stay.
const IDIOMS: [(&str, &[&str], &str); 2] = [
    (
        "runner/net/src",
        &["ledger/active_step", "ledger/page"],
        "a guard and its owner: a page begins a step, whose guard ends it on that page",
    ),
    (
        "sdk/src",
        &[
            "dns",
            "fake/backend",
            "fake/connection",
            "fake/exchange",
            "host",
            "http",
            "http/exchange",
            "http/exchange_info",
            "log",
            "tcp",
            "tls",
        ],
        "clients and their backend: a client calls the backend, which takes and returns the types of the client",
    ),
];

/// Imports of imports that are followed.
const MAX_STEPS: usize = 16;

/// The path of a module in its crate: that of its file.
type Module<'a> = Vec<&'a str>;

/// The files of a crate that are not for tests alone.
struct Crate<'a> {
    files: BTreeMap<Module<'a>, File<'a>>,
}

/// What a path leads to.
enum Found<'a> {
    /// An item that this module's file defines.
    ItemOf(Module<'a>),
    Module(Module<'a>),
}

/// For each file, the files whose items it uses, with a path that leads to one.
type Uses<'a> = BTreeMap<Module<'a>, BTreeMap<Module<'a>, String>>;

impl<'a> Crate<'a> {
    /// Reads the files below `folder`.
    fn new(folder: &str, sources: &'a [Source]) -> Self {
        let mut files = BTreeMap::new();
        let mut of_tests: Vec<Module<'_>> = Vec::new();
        for source in sources.iter().filter(|source| !source.is_test()) {
            let path = source.path.strip_prefix(folder).unwrap();
            let path = path.trim_start_matches('/').strip_suffix(".rs").unwrap();
            let module: Module<'_> = path.split('/').filter(|name| *name != "lib").collect();
            let file = File::parse(&source.text);
            let below = file.test_modules.iter();
            of_tests.extend(below.map(|name| [module.as_slice(), &[*name]].concat()));
            files.insert(module, file);
        }
        files.retain(|module, _| !of_tests.iter().any(|root| module.starts_with(root)));
        Self { files }
    }

    /// What a path in the file of `scope` leads to; nothing for other crates. An import that depends on the platform
    /// leads to several items.
    fn find(&self, scope: &[&'a str], path: &[&'a str], steps: usize) -> Vec<Found<'a>> {
        let mut module = scope.to_vec();
        let mut rest = path;
        match path {
            ["crate", after @ ..] => (module, rest) = (Vec::new(), after),
            ["self", after @ ..] => rest = after,
            _ => {}
        }
        while let ["super", after @ ..] = rest {
            module.pop();
            rest = after;
        }
        while let [name, after @ ..] = rest {
            let child = [module.as_slice(), &[*name]].concat();
            if self.files.contains_key(&child) {
                (module, rest) = (child, after);
                continue;
            }
            let Some(file) = self.files.get(&module) else {
                return Vec::new();
            };
            if file.items.contains(name) {
                return vec![Found::ItemOf(module)];
            }
            let is_imported = file.imports.iter().any(|import| import.name == *name);
            let found = self.find_imported(&module, rest, steps);
            // What a macro defines is in the file that its path leads to.
            let is_of_macro = rest.len() < path.len() && !is_imported && found.is_empty();
            return if is_of_macro {
                vec![Found::ItemOf(module)]
            } else {
                found
            };
        }
        vec![Found::Module(module)]
    }

    /// What a path leads to that begins with an import of this module.
    fn find_imported(&self, module: &[&'a str], path: &[&'a str], steps: usize) -> Vec<Found<'a>> {
        let (Some(file), [name, after @ ..], 1..) = (self.files.get(module), path, steps) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for import in &file.imports {
            let (path, after) = match import.path.as_slice() {
                [path @ .., "*"] if !path.is_empty() => (path, [&[*name], after].concat()),
                path if import.name == *name => (path, after.to_vec()),
                _ => continue,
            };
            for place in self.find(module, path, steps - 1) {
                match place {
                    Found::Module(inner) if inner != module => {
                        found.extend(self.find(&inner, &after, steps - 1))
                    }
                    Found::ItemOf(inner) if import.name == *name => found.push(Found::ItemOf(inner)),
                    Found::Module(_) | Found::ItemOf(_) => {}
                }
            }
        }
        found
    }

    /// Who uses whom, besides what a file uses of those whose folder it is in.
    fn uses(&self) -> Uses<'a> {
        let mut uses = Uses::new();
        for (module, file) in &self.files {
            let imports = file.imports.iter();
            // What is imported only for others is used by them.
            let imports = imports.filter(|import| !import.is_public || file.words.contains(import.name));
            let imports = imports.map(|import| &import.path);
            let used = uses.entry(module.clone()).or_default();
            for path in imports.chain(&file.paths) {
                for place in self.find(module, path, MAX_STEPS) {
                    let Found::ItemOf(other) = place else { continue };
                    if !module.starts_with(&other) {
                        used.entry(other).or_insert_with(|| path.join("::"));
                    }
                }
            }
        }
        uses
    }
}

/// Every module that `start` uses, directly or over others.
fn reachable<'a>(uses: &Uses<'a>, start: &Module<'a>) -> BTreeSet<Module<'a>> {
    let mut reached = BTreeSet::new();
    let mut next = vec![start];
    while let Some(module) = next.pop() {
        for other in uses.get(module).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(other.clone()) {
                next.push(other);
            }
        }
    }
    reached
}

/// The largest sets of modules each of which uses all others, directly or over others.
fn circles<'a>(uses: &Uses<'a>) -> BTreeSet<Vec<Module<'a>>> {
    let reached: BTreeMap<_, _> = uses
        .keys()
        .map(|module| (module, reachable(uses, module)))
        .collect();
    let is_circle =
        |one: &Module<'a>, other: &Module<'a>| reached[one].contains(other) && reached[other].contains(one);
    let modules = uses.keys().filter(|module| reached[module].contains(*module));
    modules
        .map(|module| {
            uses.keys()
                .filter(|other| is_circle(module, other))
                .cloned()
                .collect()
        })
        .collect()
}

/// The files of a circle, and who uses what of whom.
fn describe(folder: &str, circle: &[Module<'_>], uses: &Uses<'_>) -> String {
    let mut text =
        format!("{folder}: these files use each other; move what they share to a file of its own:");
    for module in circle {
        for (other, path) in uses[module].iter().filter(|(other, _)| circle.contains(other)) {
            let (module, other) = (module.join("/"), other.join("/"));
            text += &format!("\n    {module}.rs uses `{path}` of {other}.rs");
        }
    }
    text
}

/// The folders with the sources of the product's crates.
fn folders() -> Vec<String> {
    let runner = parts().into_iter().map(|part| format!("runner/{part}/src"));
    let others = ["runner/src", "sdk/src", "sdk/units/src"].map(str::to_owned);
    let plugins: BTreeSet<String> = Source::below("plugins").iter().filter_map(in_src).collect();
    runner.chain(others).chain(plugins).collect()
}

/// The folder `src` that a file is in.
fn in_src(source: &Source) -> Option<String> {
    let (before, _) = source.path.split_once("/src/")?;
    Some(format!("{before}/src"))
}

fn is_idiom(folder: &str, circle: &[Module<'_>]) -> bool {
    let files: Vec<String> = circle.iter().map(|module| module.join("/")).collect();
    IDIOMS
        .iter()
        .any(|(known, idiom, _)| *known == folder && files == *idiom)
}

#[test]
fn files_do_not_use_each_other() {
    let mut problems = Vec::new();
    let mut idioms = 0;
    for folder in folders() {
        let sources = Source::below(&folder);
        let uses = Crate::new(&folder, &sources).uses();
        for circle in circles(&uses) {
            if is_idiom(&folder, &circle) {
                idioms += 1;
            } else {
                problems.push(describe(&folder, &circle, &uses));
            }
        }
    }
    fail(&problems);
    assert_eq!(idioms, IDIOMS.len(), "an idiom is gone: remove it from the list");
}

#[test]
fn circles_are_found() {
    let circles = |files: &[(&str, &str)]| -> Vec<Vec<String>> {
        let source = |(path, text): &(&str, &str)| Source {
            path: format!("x/src/{path}.rs"),
            text: (*text).to_owned(),
        };
        let sources: Vec<Source> = files.iter().map(source).collect();
        let found = circles(&Crate::new("x/src", &sources).uses()).into_iter();
        let names = |circle: Vec<Module<'_>>| circle.iter().map(|module| module.join("/")).collect();
        found.map(names).collect()
    };
    let none: [Vec<String>; 0] = [];
    let a_and_b = [vec!["a".to_owned(), "b".to_owned()]];
    let lib = ("lib", "mod a;\nmod b;\nmod c;\npub use a::A;\nuse b as other;");
    let a = ("a", "use crate::b::B;\npub struct A;");
    assert_eq!(circles(&[lib, a, ("b", "pub struct B;")]), none);
    // By a path, by an import, by what the root exports, by another name, and of all names.
    for text in [
        "pub struct B(crate::a::A);",
        "use super::a::{self, A as C};\npub struct B;",
        "use crate::A;\npub struct B;",
        "use crate::a;\npub struct B(a::A);",
        "use crate::a::*;\npub struct B(A);",
    ] {
        assert_eq!(circles(&[lib, a, ("b", text)]), a_and_b, "{text}");
    }
    let by_another_name = ("a", "pub struct A(crate::other::B);");
    assert_eq!(
        circles(&[lib, by_another_name, ("b", "use crate::A;\nstruct B;")]),
        a_and_b
    );
    // Over a third file.
    let (b, c) = (
        ("b", "use crate::c::C;\npub struct B;"),
        ("c", "pub struct C(crate::A);"),
    );
    let all = [["a", "b", "c"].map(str::to_owned).to_vec()];
    assert_eq!(circles(&[lib, a, b, c]), all);
    // Over a file in the folder of one of them.
    let outer = ("a", "mod d;\npub struct A(d::D);");
    let (inner, b) = (
        ("a/d", "pub struct D(crate::b::B);"),
        ("b", "pub struct B(crate::A);"),
    );
    let all = [["a", "a/d", "b"].map(str::to_owned).to_vec()];
    assert_eq!(circles(&[lib, outer, inner, b]), all);
    // With what another file only hands on, with tests, with a parent, and with another crate.
    for files in [
        [lib, a, ("b", "pub use crate::A;\npub struct B;")],
        [
            lib,
            a,
            (
                "b",
                "pub struct B;\n#[cfg(test)]\nmod tests {\n    use crate::A;\n}",
            ),
        ],
        [lib, a, ("b", "#[cfg(test)]\nmod tests;\npub struct B;")],
        [
            lib,
            a,
            ("b", "// crate::a::A\npub const B: &str = \"crate::a::A\";"),
        ],
        [lib, a, ("b", "use canary_net::a::A;\npub struct B;")],
        [
            lib,
            ("a", "mod d;\npub struct A(d::D);"),
            ("a/d", "pub struct D(super::A);"),
        ],
        [
            lib,
            ("b", "#[cfg(test)]\nmod d;\npub struct B;"),
            ("b/d", "use crate::a::A;"),
        ],
    ] {
        assert_eq!(circles(&files), none, "{}", files[2].1);
    }
}
