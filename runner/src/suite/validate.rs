//! From drafts to checks: what fields mean to each other, to the plugins and to the operator's ceiling.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::check::{MAX_CHECKS, RawCheck, RawTarget};
use super::contract::{Contract, Written};
use super::error::{Position, Report};
use super::fields::{Located, Reader};
use super::judgement::{Verdict, Verdicts};
use super::raw::RawFile;
use super::settings::Settings;
use super::tree::quoted;
use super::{Check, CheckId, Config, Operator, PluginFacts, chain, suggest, units};
use crate::grant::Grants;
use crate::quota::QuotaKind;
use crate::redact::{Secrets, SuiteSecrets};

/// Bytes of a configuration as JSON: a guest has to hold it in its memory.
const MAX_CONFIG_BYTES: usize = 4 << 20;

/// A plugin that can be used.
pub(super) struct Usable<'a> {
    pub(super) facts: &'a PluginFacts,
    pub(super) schema: Schema,
    pub(super) embedded: bool,
}

/// What judges configurations.
pub(super) enum Schema {
    /// The schema, in this process.
    Here(Box<Contract>),
    /// The schema, in another process, of which this is what it said.
    Elsewhere(Verdicts),
}

impl Schema {
    fn verdict(
        &self,
        raw: &RawCheck,
        value: &serde_json::Value,
        written: Written<'_>,
        explain: bool,
    ) -> Verdict {
        match self {
            Self::Elsewhere(verdicts) => verdicts.of(place(raw)),
            Self::Here(contract) if contract.allows(value) => Verdict::Allowed,
            Self::Here(contract) if explain => Verdict::Refused(contract.judge(value, written)),
            Self::Here(_) => Verdict::Refused(Vec::new()),
        }
    }
}

/// Which check of the suite it is: checks are where they are written.
pub(super) fn place(raw: &RawCheck) -> (usize, Position) {
    (raw.source.order(), raw.at)
}

/// The configuration of a check, and how it is written; nothing while a reference in it has no value.
pub(super) fn written(raw: &RawCheck) -> Option<(Cow<'_, serde_json::Value>, Written<'_>)> {
    let nothing = Written {
        key: raw.at,
        node: None,
    };
    match &raw.config {
        None => Some((
            Cow::Owned(serde_json::Value::Object(serde_json::Map::new())),
            nothing,
        )),
        Some(config) if !config.filled.unresolved.is_empty() => None,
        Some(config) => {
            let written = Written {
                key: config.key,
                node: Some(&config.node),
            };
            Some((Cow::Borrowed(&config.filled.value), written))
        }
    }
}

/// What checks are judged by.
pub(super) struct Judge<'a> {
    pub(super) plugins: HashMap<&'a str, Usable<'a>>,
    pub(super) operator: &'a Operator,
    /// Runs at once by group; absent when a file could not be read that may declare more.
    pub(super) groups: Option<&'a BTreeMap<Arc<str>, u32>>,
    /// Defaults of the whole suite.
    pub(super) shared: &'a Settings,
    pub(super) secrets: RefCell<SuiteSecrets>,
}

impl Judge<'_> {
    /// The checks of every file that are right, in order.
    pub(super) fn checks(&self, files: &[RawFile], report: &mut Report) -> Vec<Arc<Check>> {
        let mut checks = Vec::with_capacity(files.iter().map(|file| file.checks.len()).sum());
        let mut ids = HashSet::new();
        for file in files {
            let defaults = file.defaults.over(self.shared);
            let mut reader = Reader {
                source: &file.source,
                report,
                subject: "`defaults`: ".to_owned(),
            };
            self.settings(&mut reader, &file.defaults, &defaults);
            for raw in &file.checks {
                for check in self.entry(raw, &defaults, report) {
                    if !ids.insert(check.id.clone()) {
                        let message =
                            format!("the id {} is that of another check", quoted(check.id.as_str()));
                        report.add(raw.source.problem(raw.at, format!("{}{message}", raw.subject())));
                    }
                    checks.push(Arc::new(check));
                }
                if checks.len() > MAX_CHECKS {
                    let message = format!("a suite holds at most {MAX_CHECKS} checks, each target counted");
                    report.add(raw.source.problem(raw.at, message));
                    return checks;
                }
            }
        }
        checks
    }

    /// Settings that contradict each other or the operator; `own` are those to blame.
    fn settings(&self, reader: &mut Reader<'_>, own: &Settings, all: &Settings) {
        let blamed = own.timeout.or(own.interval);
        let effective = all.effective(&self.operator.ceiling);
        if let Some(blamed) = blamed.filter(|_| effective.timeout > effective.interval) {
            let timeout = origin(effective.timeout, own.timeout, all.timeout);
            let interval = origin(effective.interval, own.interval, all.interval);
            let message = format!("`timeout` ({timeout}) is longer than `interval` ({interval})");
            let hint = "raise `interval` or lower `timeout`".to_owned();
            reader.problem_with(blamed.key, message, Some(hint));
        }
        for (kind, limit) in &own.quota {
            let ceiling = self.operator.ceiling.limit(*kind);
            if limit.value > ceiling {
                self.beyond(reader, *kind, *limit, ceiling);
            }
        }
        self.group(reader, own);
        self.notifiers(reader, own);
    }

    fn group(&self, reader: &mut Reader<'_>, own: &Settings) {
        let Some((group, groups)) = own.group.as_ref().zip(self.groups) else {
            return;
        };
        if groups.contains_key(&*group.value) {
            return;
        }
        if reader.report.is_full() {
            return reader.report.omit();
        }
        let meant = suggest::closest(&group.value, groups.keys().map(|name| &**name));
        let hint = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "declare it: `groups: {{ {}: {{ concurrency: 10 }} }}`",
                group.value
            ),
        };
        let message = format!("`group`: there is no group {}", quoted(&group.value));
        reader.problem_with(group.at, message, Some(hint));
    }

    /// Notifiers that the runner does not have; whether it has them is not always known.
    fn notifiers(&self, reader: &mut Reader<'_>, own: &Settings) {
        let Some((alert, known)) = own.alert.as_ref().zip(self.operator.notifiers.as_ref()) else {
            return;
        };
        for name in alert.notifiers() {
            if known.iter().any(|known| **known == *name.value) {
                continue;
            }
            if reader.report.is_full() {
                reader.report.omit();
                continue;
            }
            let hint = match known.as_slice() {
                [] => Some("the runner has no notifiers; its own settings declare them".to_owned()),
                known => suggest::hint(&name.value, known.iter().map(String::as_str)),
            };
            let message = format!("`notify`: there is no notifier {}", quoted(&name.value));
            reader.problem_with(name.at, message, hint);
        }
    }

    fn beyond(&self, reader: &mut Reader<'_>, kind: QuotaKind, limit: Located<u64>, ceiling: u64) {
        let (asked, ceiling) = (kind.show(limit.value), kind.show(ceiling));
        let message = format!("`quota`: `{kind}` is {asked}; this runner allows at most {ceiling}");
        let hint = "the operator sets the ceilings of a runner".to_owned();
        reader.problem_with(limit.at, message, Some(hint));
    }

    /// One check a target; none when something is wrong.
    fn entry(&self, raw: &RawCheck, defaults: &Settings, report: &mut Report) -> Vec<Check> {
        let before = report.count();
        let mut reader = Reader {
            source: &raw.source,
            report,
            subject: raw.subject(),
        };
        let settings = raw.settings.over(defaults);
        self.settings(&mut reader, &raw.settings, &settings);
        let Some((name, plugin)) = raw.name.as_ref().zip(raw.plugin.as_ref()) else {
            return Vec::new();
        };
        let Some(usable) = self.plugins.get(&*plugin.value) else {
            return Vec::new();
        };
        let config = config(&mut reader, raw, &usable.schema);
        let grants: Vec<_> = raw
            .targets
            .iter()
            .filter_map(|target| grants(&mut reader, raw, target, usable))
            .collect();
        let Some(config) = config.filter(|_| reader.report.count() == before && !raw.broken) else {
            return Vec::new();
        };
        let effective = settings.effective(&self.operator.ceiling);
        let ids = ids(&name.value, raw);
        let checks = raw
            .targets
            .iter()
            .zip(grants)
            .zip(ids)
            .map(|((target, grants), id)| Check {
                id,
                name: name.value.to_string(),
                plugin: plugin.value.to_string(),
                target: target.target.clone(),
                interval: effective.interval,
                timeout: effective.timeout,
                retries: effective.retries,
                failure_threshold: effective.failure_threshold,
                success_threshold: effective.success_threshold,
                quota: effective.quota,
                grants,
                labels: raw.labels.clone(),
                group: effective.group.clone(),
                depends_on: names(&raw.depends_on),
                alert: effective.alert.clone(),
                config: config.clone(),
                secrets: self.secrets(raw, target),
            });
        checks.collect()
    }

    fn secrets(&self, raw: &RawCheck, target: &RawTarget) -> Secrets {
        let of_config = raw.config.iter().flat_map(|config| &config.filled.secrets);
        let secrets: Vec<_> = of_config.chain(&target.secrets).cloned().collect();
        self.secrets.borrow_mut().of(&secrets)
    }
}

/// A duration, and where it comes from when not from where the problem is.
fn origin(value: Duration, own: Option<Located<Duration>>, all: Option<Located<Duration>>) -> String {
    let shown = units::show(value);
    match (own, all) {
        (Some(_), _) => shown,
        (None, Some(_)) => format!("{shown}, from `defaults`"),
        (None, None) => format!("{shown}, the default"),
    }
}

/// The check's configuration as JSON, when the plugin's schema allows it.
fn config(reader: &mut Reader<'_>, raw: &RawCheck, schema: &Schema) -> Option<Config> {
    let (value, written) = written(raw)?;
    let explain = !reader.report.is_full();
    match schema.verdict(raw, &value, written, explain) {
        Verdict::Allowed => {}
        Verdict::Refused(_) if !explain => {
            reader.report.omit();
            return None;
        }
        Verdict::Refused(findings) => {
            if findings.is_empty() {
                let message = "`config` does not fit the schema of its plugin";
                reader.problem(written.key, message);
            }
            for finding in findings {
                reader.problem_with(finding.at, finding.message, finding.hint);
            }
            return None;
        }
    }
    let json = value.to_string();
    if json.len() > MAX_CONFIG_BYTES {
        let limit = MAX_CONFIG_BYTES >> 20;
        reader.problem(written.key, format!("`config` is larger than {limit} MiB"));
    }
    Some(Config::new(json))
}

fn grants(
    reader: &mut Reader<'_>,
    raw: &RawCheck,
    target: &RawTarget,
    usable: &Usable<'_>,
) -> Option<Grants> {
    let syntax = &usable.facts.target_syntax;
    Grants::for_check(target.target.expose(), syntax, raw.allow.clone(), usable.embedded)
        .map(|grants| grants.with_secrets_to(raw.redirect_secrets_to.clone()))
        .map_err(|error| {
            // The causes quote parts of the target.
            let reason = if target.secrets.is_empty() {
                chain(&error)
            } else {
                error.to_string()
            };
            reader.problem(
                target.at,
                format!("{}: {reason}", quoted(&target.target.to_string())),
            );
        })
        .ok()
}

/// `name`, or `name@target` where there are several. A target is shown redacted: equal ones are numbered.
fn ids(name: &str, raw: &RawCheck) -> Vec<CheckId> {
    if !raw.many {
        return vec![CheckId::new(name); raw.targets.len()];
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    let ids = raw.targets.iter().map(|target| {
        let id = format!("{name}@{}", target.target);
        let count = seen.entry(id.clone()).or_default();
        *count += 1;
        if *count == 1 {
            CheckId::new(&id)
        } else {
            CheckId::new(&format!("{id}#{count}"))
        }
    });
    ids.collect()
}

fn names(written: &[Located<Arc<str>>]) -> Vec<Arc<str>> {
    written.iter().map(|name| Arc::clone(&name.value)).collect()
}
