//! Configurations of checks, held against the schemas of plugins and against what plugins themselves say.

use std::cell::RefCell;
use std::collections::HashMap;

use super::check::RawCheck;
use super::config::{ConfigKey, key};
use super::contract::{About, Contract, Finding, Rest, Written};
use super::fields::Reader;
use super::judgement::{Refusal, Verdict, Verdicts};
use super::objection::{self, Objection, Objections, ProblemAt};
use super::tree::Node;
use super::{Config, PluginFacts, json};

/// Bytes of a configuration as JSON: a guest has to hold it in its memory.
const MAX_CONFIG_BYTES: usize = 4 << 20;

/// A plugin that can be used.
pub(super) struct Usable<'a> {
    pub(super) facts: &'a PluginFacts,
    pub(super) schema: Schema,
    /// What the plugin itself has against configurations, where it was asked.
    pub(super) objections: Option<Objections<'a>>,
    pub(super) embedded: bool,
    /// What its checks get, each judged once.
    pub(super) configs: RefCell<HashMap<ConfigKey, Judged>>,
}

/// A configuration that was judged by its schema.
#[derive(Clone)]
pub(super) enum Judged {
    /// What the plugin gets.
    Allowed(Config),
    /// The schema refuses it, which was said. What is left of it the plugin may have judged.
    Refused(Option<Rest>),
}

impl Judged {
    pub(super) fn config(self) -> Option<Config> {
        match self {
            Self::Allowed(config) => Some(config),
            Self::Refused(_) => None,
        }
    }

    /// Whether what the plugin says holds for the configuration as it is written.
    fn takes(&self, objection: &Objection) -> bool {
        match (self, &objection.at) {
            (Self::Allowed(_), _) | (_, ProblemAt::Target) => true,
            (Self::Refused(Some(rest)), ProblemAt::Config(keys)) => rest.is_whole_at(keys),
            (Self::Refused(_), _) => false,
        }
    }
}

/// What judges configurations.
pub(super) enum Schema {
    /// The schema, in this process.
    Here(Box<Contract>),
    /// The schema, in another process, of which this is what it said.
    Elsewhere(Verdicts),
}

impl Schema {
    pub(super) fn verdict(
        &self,
        raw: &RawCheck,
        (value, written): (Option<&Node>, Written<'_>),
        explain: bool,
    ) -> Verdict {
        match self {
            Self::Elsewhere(verdicts) => verdicts.of(key(raw)),
            Self::Here(contract) => Verdict::new(contract, value, explain.then_some(written)),
        }
    }
}

/// The configuration of a check with references replaced that have a value, and how it is written.
pub(super) fn written(raw: &RawCheck) -> (Option<&Node>, Written<'_>) {
    let nothing = Written {
        key: raw.at,
        node: None,
    };
    match &raw.layer.config {
        None => (None, nothing),
        Some(config) => {
            let written = Written {
                key: config.key,
                node: Some(&config.node),
            };
            (Some(&config.filled.value), written)
        }
    }
}

/// The check's configuration, judged by the plugin's schema. What several checks have is judged once.
pub(super) fn config(reader: &mut Reader<'_>, raw: &RawCheck, usable: &Usable<'_>) -> Judged {
    if let Some(known) = usable.configs.borrow().get(&key(raw)) {
        return known.clone();
    }
    let judged = judged_config(reader, raw, &usable.schema);
    usable.configs.borrow_mut().insert(key(raw), judged.clone());
    judged
}

fn judged_config(reader: &mut Reader<'_>, raw: &RawCheck, schema: &Schema) -> Judged {
    let (value, written) = written(raw);
    let explain = !reader.report.is_full();
    let readings = match schema.verdict(raw, (value, written), explain) {
        Verdict::Allowed(readings) => readings,
        Verdict::Refused(Refusal { findings, rest }) => {
            if !explain {
                reader.report.omit();
            } else if findings.is_empty() {
                let message = "`config` does not fit the schema of its plugin";
                reader.problem(written.key, message);
            }
            for finding in findings {
                report_finding(reader, raw, written, finding);
            }
            return Judged::Refused(rest);
        }
    };
    let json = json::exact(value, &readings, &[]);
    if json.len() > MAX_CONFIG_BYTES {
        let limit = MAX_CONFIG_BYTES >> 20;
        reader.problem(written.key, format!("`config` is larger than {limit} MiB"));
    }
    Judged::Allowed(Config::new(json))
}

/// Reports a finding, unless it follows from what was reported, or may be no problem of a layer that no check uses.
fn report_finding(reader: &mut Reader<'_>, raw: &RawCheck, written: Written<'_>, finding: Finding) {
    let is_moot = match finding.about {
        About::Value | About::Key => false,
        About::Missing => raw.is_layer(),
        // A text that may still be anything decides between the alternatives.
        About::Choice => {
            let node = written.node.and_then(|node| node.at_position(finding.at));
            node.is_some_and(|node| node.any(&mut |node| reader.report.is_hushed(node.at)))
        }
    };
    if is_moot || !reader.report.is_first(finding.at, &finding.message) {
        return;
    }
    match finding.about {
        About::Key => reader.problem_of_key(finding.at, finding.message, finding.hint),
        _ => reader.problem_with(finding.at, finding.message, finding.hint),
    }
}

/// What the plugin itself has against it. Of a target that does not fit the plugin's syntax, that was said.
pub(super) fn object(
    reader: &mut Reader<'_>,
    raw: &RawCheck,
    (usable, judged): (&Usable<'_>, &Judged),
    fits: impl Fn(usize) -> bool,
) {
    let objections = usable.objections.iter();
    let objections = objections.flat_map(|objections| objections.to(raw));
    let said = |target: usize, objection: &Objection| objection.at == ProblemAt::Target && !fits(target);
    let news = objections.filter(|(target, objection)| !said(*target, objection) && judged.takes(objection));
    for (target, objection) in news {
        let finding = objection::finding(objection, raw, target);
        reader.problem_with(finding.at, finding.message, finding.hint);
    }
}
