//! Values that are secret because their plugin declares so, even if a suite writes them in plain.

use std::collections::HashMap;
use std::sync::Arc;

use super::Catalog;
use super::check::RawCheck;
use super::config::ConfigKey;
use super::syntax::RawFile;
use super::tree::{Kind, Node, quoted};
use super::variables::Variable;
use crate::problem::Problem;
use canary_record::redact::Secret;

/// Minimum length in bytes of a line of a value that is masked in quoted source lines.
const MIN_QUOTED: usize = 3;
/// Minimum length in characters of the beginning of a value that is masked before a cut.
const MIN_CUT: usize = 8;

/// Secret values at the positions that plugins declare.
#[derive(Default)]
pub(super) struct DeclaredSecrets {
    by_value: HashMap<Arc<str>, Arc<Secret>>,
    /// By configuration, which many checks may share, and plugin.
    by_config: HashMap<(ConfigKey, Arc<str>), Vec<Arc<Secret>>>,
}

/// Finds the secrets in the configurations of all checks, and of layers that no check uses: these are quoted as well.
pub(super) fn find(files: &[RawFile], unused: &[RawCheck], catalog: &Catalog) -> DeclaredSecrets {
    let mut found = DeclaredSecrets::default();
    let checks = files.iter().flat_map(|file| &file.checks);
    for check in checks.chain(unused) {
        let (Some(plugin), Some(config)) = (check.layer.plugin.get(), &check.layer.config) else {
            continue;
        };
        let key = (check.config_key(), Arc::clone(&plugin.value));
        if let Some(Ok(facts)) = catalog.get(&plugin.value)
            && !facts.secrets.is_empty()
            && !found.by_config.contains_key(&key)
        {
            let secrets = found.at(&config.interpolated.value, &facts.secrets);
            found.by_config.insert(key, secrets);
        }
    }
    found
}

impl DeclaredSecrets {
    /// The secrets of a check.
    pub(super) fn of_check(&self, check: &RawCheck) -> &[Arc<Secret>] {
        let key = check.layer.plugin.get();
        let key = key.map(|plugin| (check.config_key(), Arc::clone(&plugin.value)));
        let secrets = key.and_then(|key| self.by_config.get(&key));
        secrets.map(Vec::as_slice).unwrap_or_default()
    }

    /// Adds the values of variables that are secret by their names, to be masked in problems.
    pub(super) fn add_variables(&mut self, variables: &[Variable]) {
        for variable in variables.iter().filter(|variable| variable.is_secret()) {
            self.secret(Arc::clone(&variable.value));
        }
    }

    fn at(&mut self, config: &Node, pointers: &[String]) -> Vec<Arc<Secret>> {
        let mut texts = Vec::new();
        for pointer in pointers {
            let keys: Vec<String> = pointer.split('/').skip(1).map(unescape).collect();
            collect(config, &keys, &mut texts);
        }
        texts.into_iter().map(|text| self.secret(text)).collect()
    }

    fn secret(&mut self, text: Arc<str>) -> Arc<Secret> {
        let known = self.by_value.entry(text);
        let secret = known.or_insert_with_key(|text| Arc::new(Secret::new(text)));
        Arc::clone(secret)
    }

    /// Masks the values in problems, which may quote them.
    pub(super) fn mask_problems<'p>(&self, problems: impl Iterator<Item = &'p mut Problem>) {
        for problem in problems {
            self.mask_text(&mut problem.message);
            if let Some(hint) = &mut problem.hint {
                self.mask_text(hint);
            }
            if let Some(line) = &mut problem.source_line {
                self.mask_line(&mut line.text);
            }
        }
    }

    /// Masks the values in a source line, each character by one character, so that columns stay the same.
    fn mask_line(&self, line: &mut String) {
        self.mask(line, |piece| "*".repeat(piece.chars().count()));
    }

    /// Masks the values in a message.
    fn mask_text(&self, text: &mut String) {
        // A long value is cut in a message, so that it is not there as a whole.
        for value in self.by_value.keys().filter(|value| value.len() >= MIN_QUOTED) {
            let shown = quoted(value);
            if text.contains(&shown) {
                *text = text.replace(&shown, "`***`");
            }
            mask_cut(text, value);
        }
        self.mask(text, |_| "***".to_owned());
    }

    fn mask(&self, text: &mut String, masked: impl Fn(&str) -> String) {
        let lines = self.by_value.keys().flat_map(|value| value.lines());
        for line in lines.map(str::trim).filter(|line| line.len() >= MIN_QUOTED) {
            if text.contains(line) {
                *text = text.replace(line, &masked(line));
            }
        }
    }
}

/// Masks the beginning of a value at which a text in a message was cut.
fn mask_cut(text: &mut String, value: &str) {
    let length = value.char_indices().nth(MIN_CUT).map(|(length, _)| length);
    let Some(begin) = length.and_then(|length| value.get(..length)) else {
        return;
    };
    let Some(start) = text.find(begin) else { return };
    let cut = text.get(start..).and_then(|rest| rest.split_once('…'));
    if let Some((shown, _)) = cut.filter(|(shown, _)| value.starts_with(shown)) {
        text.replace_range(start..start + shown.len(), "***");
    }
}

/// A key of a JSON pointer (RFC 6901).
fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

/// Collects the texts and numbers at a position, in which `*` matches every key or element, and everything below it.
fn collect(node: &Node, keys: &[String], texts: &mut Vec<Arc<str>>) {
    let (is_any, key, rest) = match keys {
        [] => (true, "*", keys),
        [key, rest @ ..] => (key == "*", key.as_str(), rest),
    };
    match &node.kind {
        Kind::Text(text) if keys.is_empty() && !text.is_empty() => texts.push(Arc::clone(text)),
        Kind::Plain(plain) | Kind::Variable(plain) if keys.is_empty() && !plain.value.is_boolean() => {
            texts.push(Arc::clone(&plain.written));
        }
        Kind::List(nodes) => {
            let index: Option<usize> = key.parse().ok();
            for (position, node) in nodes.iter().enumerate() {
                if is_any || index == Some(position) {
                    collect(node, rest, texts);
                }
            }
        }
        Kind::Map(entries) => {
            for entry in entries.iter().filter(|entry| is_any || &*entry.key == key) {
                collect(&entry.value, rest, texts);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Position;
    use crate::tree::Entry;

    fn node(kind: Kind) -> Node {
        let at = Position::new(1, 1);
        Node { at, kind }
    }

    fn map(entries: Vec<(&str, Node)>) -> Node {
        let entries = entries.into_iter().map(|(key, value)| Entry {
            key: key.into(),
            at: value.at,
            value,
        });
        node(Kind::Map(entries.collect()))
    }

    fn texts(pointer: &str) -> Vec<String> {
        let text = |text: &str| node(Kind::Text(text.into()));
        let auth = map(vec![("password", text("correct horse")), ("a/b", text("slash"))]);
        let step = |key: &str| map(vec![("tls", map(vec![("key", text(key))]))]);
        let steps = vec![step("one"), map(vec![("send", text("x"))]), step("two")];
        let config = map(vec![("auth", auth), ("steps", node(Kind::List(steps.into())))]);
        let keys: Vec<String> = pointer.split('/').skip(1).map(unescape).collect();
        let mut texts = Vec::new();
        collect(&config, &keys, &mut texts);
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_place_leads_to_texts() {
        assert_eq!(texts("/auth/password"), ["correct horse"]);
        assert_eq!(texts("/auth/a~1b"), ["slash"]);
        assert_eq!(texts("/steps/*/tls/key"), ["one", "two"]);
        assert_eq!(texts("/steps/2/tls/key"), ["two"]);
        assert_eq!(texts("/auth"), ["correct horse", "slash"]);
        assert_eq!(texts("/nowhere/*"), [""; 0]);
        assert_eq!(texts("").len(), 5);
    }
}
