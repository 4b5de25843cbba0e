//! The suite of one check that arguments stand for, and which argument each of its lines is of: what is wrong is said of the
//! argument, since nobody wrote the suite.

use std::collections::BTreeSet;

use serde_json::json;

use super::setting::Setting;
use super::{Contradiction, ProbeArgs};
use crate::plugin::EMBEDDED;
use crate::suite::{Exact, units};

/// A suite as text, in JSON and so in YAML.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) text: String,
    /// Of which argument each line is.
    origins: Vec<Origin>,
}

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// No argument in particular.
    Command,
    Plugin,
    Target,
    Timeout,
    Allow,
    /// The place of a `--set` among all of them.
    Setting(usize),
}

/// A part of `config`.
enum Node {
    Mapping(Vec<(String, Self)>),
    Value(Exact, usize),
}

impl Document {
    /// The suite; the settings at the places `as_text` have the text that was written as their value.
    pub(super) fn new(args: &ProbeArgs, as_text: &BTreeSet<usize>) -> Result<Self, Contradiction> {
        let config = config(&args.settings, as_text)?;
        let is_embedded = EMBEDDED.iter().any(|(name, _)| *name == args.plugin);
        let (plugin, plugins) = match is_embedded {
            true => (args.plugin.as_str(), json!({})),
            false => ("plugin", json!({ "plugin": { "path": args.plugin } })),
        };
        let mut document = Self::default();
        document.line(Origin::Command, "{");
        document.line(Origin::Plugin, &format!("\"plugins\": {plugins},"));
        document.line(Origin::Command, "\"checks\": [{");
        document.line(Origin::Command, "\"name\": \"probe\",");
        document.line(Origin::Plugin, &format!("\"plugin\": {},", json!(plugin)));
        document.line(Origin::Target, &format!("\"target\": {},", json!(args.target)));
        document.line(Origin::Command, "\"interval\": \"1d\", \"retries\": 0,");
        let timeout = json!(units::show(args.timeout));
        document.line(Origin::Timeout, &format!("\"timeout\": {timeout},"));
        document.line(Origin::Allow, &format!("\"allow\": {},", json!(args.allow)));
        document.line(Origin::Command, "\"config\":");
        document.node(&config, Origin::Command);
        document.line(Origin::Command, "}]}");
        Ok(document)
    }

    /// The argument that a line, counted from 1, is of.
    pub(super) fn origin(&self, line: u32) -> Origin {
        let place = usize::try_from(line).ok().and_then(|line| line.checked_sub(1));
        let origin = place.and_then(|place| self.origins.get(place));
        origin.copied().unwrap_or(Origin::Command)
    }

    fn line(&mut self, origin: Origin, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
        self.origins.push(origin);
    }

    /// Each key on a line of its own, each value on as many as it has keys.
    fn node(&mut self, node: &Node, origin: Origin) {
        match node {
            Node::Value(value, setting) => self.line(Origin::Setting(*setting), &value.to_string()),
            Node::Mapping(entries) => {
                self.line(origin, "{");
                for (place, (key, below)) in entries.iter().enumerate() {
                    if place > 0 {
                        self.line(origin, ",");
                    }
                    let origin = below.first_setting().map_or(origin, Origin::Setting);
                    self.line(origin, &format!("{}:", json!(key)));
                    self.node(below, origin);
                }
                self.line(origin, "}");
            }
        }
    }
}

fn config(settings: &[Setting], as_text: &BTreeSet<usize>) -> Result<Node, Contradiction> {
    let mut config = Node::Mapping(Vec::new());
    for (place, setting) in settings.iter().enumerate() {
        let value = match as_text.contains(&place) {
            true => Exact::Text(setting.written.clone()),
            false => setting.value.clone(),
        };
        let below = setting
            .path
            .iter()
            .try_fold(&mut config, |node, key| node.entry(key));
        let node = below.ok_or_else(|| Contradiction {
            key: setting.key.clone(),
        })?;
        *node = Node::Value(value, place);
    }
    Ok(config)
}

impl Node {
    /// The value of a key, which is made if need be; nothing where there is a value that has no keys.
    fn entry(&mut self, key: &str) -> Option<&mut Self> {
        if let Self::Value(Exact::Object(entries), setting) = self {
            let setting = *setting;
            let entries = std::mem::take(entries).into_iter();
            let entries = entries.map(|(key, value)| (key, Self::Value(value, setting)));
            *self = Self::Mapping(entries.collect());
        }
        if matches!(self, Self::Value(value, _) if value.is_null()) {
            *self = Self::Mapping(Vec::new());
        }
        let Self::Mapping(entries) = self else { return None };
        let known = entries.iter().position(|(known, _)| known == key);
        let place = known.unwrap_or_else(|| {
            entries.push((key.to_owned(), Self::Value(Exact::null(), 0)));
            entries.len() - 1
        });
        entries.get_mut(place).map(|(_, value)| value)
    }

    fn first_setting(&self) -> Option<usize> {
        match self {
            Self::Value(_, setting) => Some(*setting),
            Self::Mapping(entries) => entries.iter().find_map(|(_, below)| below.first_setting()),
        }
    }
}
