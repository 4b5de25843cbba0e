//! What a file defines, imports and names, as far as its text shows.

use std::collections::BTreeSet;

use super::tokens::tokens;
use crate::is_word;

/// Words that begin the definition of an item, before its name.
const DEFINING: [&str; 9] = [
    "struct", "enum", "union", "trait", "type", "fn", "const", "static", "mod",
];

/// A file of a crate.
#[derive(Default)]
pub(super) struct File<'a> {
    /// The names of the items that it defines, besides those in blocks.
    pub(super) items: BTreeSet<&'a str>,
    pub(super) imports: Vec<Import<'a>>,
    /// Paths of several names in its code.
    pub(super) paths: BTreeSet<Vec<&'a str>>,
    /// All words of its code besides imports.
    pub(super) words: BTreeSet<&'a str>,
    /// Its modules that only tests have.
    pub(super) test_modules: Vec<&'a str>,
}

/// The import of one name.
#[derive(Debug, PartialEq)]
pub(super) struct Import<'a> {
    /// Ends in `*` for all names of a module.
    pub(super) path: Vec<&'a str>,
    /// The name in this file.
    pub(super) name: &'a str,
    /// Whether other files can use the name from here.
    pub(super) is_public: bool,
}

impl<'a> File<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let mut file = Self::default();
        let all = tokens(text);
        let mut rest = all.as_slice();
        let mut depth = 0_usize;
        let mut before = "";
        while let [token, after @ ..] = rest {
            let length = if let Some(length) = test_attribute(rest) {
                length + file.skip_test_item(&rest[length..])
            } else if *token == "use" && after.first() != Some(&"<") {
                let end = after.iter().position(|token| *token == ";");
                let end = end.unwrap_or(after.len());
                // `pub` or `pub(super)`.
                file.import(&after[..end], &[], matches!(before, "pub" | ")"));
                end + 1
            } else {
                match *token {
                    "{" => depth += 1,
                    "}" => depth = depth.saturating_sub(1),
                    _ if depth == 0 => file.items.extend(defined(rest)),
                    _ => {}
                }
                let path = path(rest);
                file.words.extend(&path);
                let length = (2 * path.len()).saturating_sub(1).max(1);
                if path.len() > 1 && !matches!(before, "::" | ".") {
                    file.paths.insert(path);
                }
                length
            };
            before = rest[length - 1];
            rest = &rest[length..];
        }
        file
    }

    /// Adds the imports of a declaration, without its `use` and `;`.
    fn import(&mut self, tree: &[&'a str], prefix: &[&'a str], is_public: bool) {
        for branch in branches(tree) {
            let end = branch.iter().position(|token| matches!(*token, "{" | "as"));
            let (names, rest) = branch.split_at(end.unwrap_or(branch.len()));
            let mut path = prefix.to_vec();
            path.extend(names.iter().filter(|name| **name != "::"));
            if path.len() > 1 && path.last() == Some(&"self") {
                path.pop();
            }
            match (rest, path.last()) {
                (["{", inner @ .., "}"], _) => self.import(inner, &path, is_public),
                (["as", name], _) | ([], Some(name)) => {
                    let name = *name;
                    self.imports.push(Import {
                        path,
                        name,
                        is_public,
                    });
                }
                _ => {}
            }
        }
    }

    /// Notes a module that only tests have; returns the number of tokens of the item.
    fn skip_test_item(&mut self, tokens: &[&'a str]) -> usize {
        let mut depth = 0_usize;
        let mut is_function = false;
        for (at, token) in tokens.iter().enumerate() {
            match *token {
                "(" | "[" | "{" => depth += 1,
                // The item was the last one in its block.
                ")" | "]" | "}" if depth == 0 => return at,
                ")" | "]" => depth -= 1,
                "}" => {
                    depth -= 1;
                    if depth == 0 {
                        return at + 1;
                    }
                }
                "fn" => is_function = true,
                "mod" if depth == 0 && tokens.get(at + 2) == Some(&";") => {
                    self.test_modules.push(tokens[at + 1]);
                }
                ";" if depth == 0 => return at + 1,
                // The end of a field; but parameters of types have commas as well.
                "," if depth == 0 && !is_function => return at + 1,
                _ => {}
            }
        }
        tokens.len()
    }
}

/// The number of tokens of an attribute for what only tests have.
fn test_attribute(tokens: &[&str]) -> Option<usize> {
    if !tokens.starts_with(&["#", "[", "cfg", "("]) {
        return None;
    }
    let end = tokens.iter().position(|token| *token == "]")? + 1;
    let names = |word| tokens[..end].contains(&word);
    (names("test") && !names("not")).then_some(end)
}

/// The name of the item that is defined at the start.
fn defined<'a>(tokens: &[&'a str]) -> Option<&'a str> {
    match tokens {
        ["macro_rules", "!", name, ..] => Some(*name),
        // `const` and `fn` begin the same item.
        [word, name, ..] if DEFINING.contains(word) && !DEFINING.contains(name) => {
            name.starts_with(is_word).then_some(*name)
        }
        _ => None,
    }
}

/// The path at the start: `a::b` are two names.
fn path<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    let is_name = |token: &&str| token.starts_with(is_word);
    let mut path: Vec<&str> = tokens.first().copied().filter(is_name).into_iter().collect();
    let mut rest = tokens.get(1..).unwrap_or_default();
    while let (false, ["::", name, after @ ..]) = (path.is_empty(), rest)
        && is_name(name)
    {
        path.push(*name);
        rest = after;
    }
    path
}

/// Splits at commas, but not those in braces.
fn branches<'t, 'a>(tokens: &'t [&'a str]) -> impl Iterator<Item = &'t [&'a str]> {
    let mut depth = 0_usize;
    let branches = tokens.split(move |token| {
        match *token {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && *token == ","
    });
    branches.filter(|branch| !branch.is_empty())
}

#[test]
fn items_imports_and_paths_of_a_file_are_found() {
    let text = "use a::{self, b::{C as D, e}, f::*};\npub(super) use g::H;\nuse super::i as j;\n\
        pub struct K<L> { m: n::O }\nconst fn p() { q::r::<S>(T::u.v::w); }\npub type X = fn(Y);\n\
        #[cfg(any(test, z))]\npub(crate) mod aa;\n#[cfg(not(test))]\nmod bb;\n#[cfg(test)]\nfn cc() { dd::ee }\nmod ff;";
    let file = File::parse(text);
    let import = |path: &[&'static str], name, is_public| Import {
        path: path.to_vec(),
        name,
        is_public,
    };
    let expected = [
        import(&["a"], "a", false),
        import(&["a", "b", "C"], "D", false),
        import(&["a", "b", "e"], "e", false),
        import(&["a", "f", "*"], "*", false),
        import(&["g", "H"], "H", true),
        import(&["super", "i"], "j", false),
    ];
    assert_eq!(file.imports, expected);
    assert_eq!(Vec::from_iter(file.items), ["K", "X", "bb", "ff", "p"]);
    let paths = Vec::from_iter(file.paths);
    assert_eq!(paths, [vec!["T", "u"], vec!["n", "O"], vec!["q", "r"]]);
    assert_eq!(file.test_modules, ["aa"]);
}
