//! Generates a suite of one check from the arguments, and maps each of its lines back to its argument, so that
//! problems can name the argument.

use std::collections::BTreeSet;

use serde_json::json;

use super::setting::Setting;
use super::{Contradiction, ProbeArgs};
use canary_sandbox::plugin::EMBEDDED;
use canary_suite::{ExactJson, units};

/// A suite as text, in JSON and so in YAML.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) text: String,
    /// The argument of each line.
    origins: Vec<Origin>,
}

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// No particular argument.
    Command,
    Plugin,
    Target,
    Timeout,
    Allow,
    /// Index of the `--set`.
    Setting(usize),
}

/// A part of `config`.
enum Node {
    Mapping(Vec<(String, Self)>),
    Value(ExactJson, usize),
}

impl Document {
    /// Generates the suite; the settings with an index in `as_text` get their value as text.
    pub(super) fn new(args: &ProbeArgs, as_text: &BTreeSet<usize>) -> Result<Self, Contradiction> {
        let config = config(&args.settings, as_text)?;
        let is_embedded = EMBEDDED.contains(&args.plugin.as_str());
        let (plugin, plugins) = if is_embedded {
            (args.plugin.as_str(), json!({}))
        } else {
            ("plugin", json!({ "plugin": { "path": args.plugin } }))
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

    /// The argument of a line, counted from 1.
    pub(super) fn origin(&self, line: u32) -> Origin {
        let index = usize::try_from(line).ok().and_then(|line| line.checked_sub(1));
        let origin = index.and_then(|index| self.origins.get(index));
        origin.copied().unwrap_or(Origin::Command)
    }

    fn line(&mut self, origin: Origin, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
        self.origins.push(origin);
    }

    /// Each key is on a line of its own, and each value on as many as it has keys.
    fn node(&mut self, node: &Node, origin: Origin) {
        match node {
            Node::Value(value, setting) => self.line(Origin::Setting(*setting), &value.to_string()),
            Node::Mapping(entries) => {
                self.line(origin, "{");
                for (index, (key, below)) in entries.iter().enumerate() {
                    if index > 0 {
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
    for (index, setting) in settings.iter().enumerate() {
        let value = if as_text.contains(&index) {
            ExactJson::Text(setting.written.clone())
        } else {
            setting.value.clone()
        };
        let below = setting
            .path
            .iter()
            .try_fold(&mut config, |node, key| node.entry(key));
        let node = below.ok_or_else(|| Contradiction {
            key: setting.key.clone(),
        })?;
        *node = Node::Value(value, index);
    }
    Ok(config)
}

impl Node {
    /// The value of a key, created if needed; `None` where there is a value without keys.
    fn entry(&mut self, key: &str) -> Option<&mut Self> {
        if let Self::Value(ExactJson::Object(entries), setting) = self {
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
        let index = known.unwrap_or_else(|| {
            entries.push((key.to_owned(), Self::Value(ExactJson::null(), 0)));
            entries.len() - 1
        });
        entries.get_mut(index).map(|(_, value)| value)
    }

    fn first_setting(&self) -> Option<usize> {
        match self {
            Self::Value(_, setting) => Some(*setting),
            Self::Mapping(entries) => entries.iter().find_map(|(_, below)| below.first_setting()),
        }
    }
}
