//! From drafts to checks: what fields mean to each other, to the plugins and to the operator's ceiling.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use super::check::{MAX_CHECKS, RawCheck, RawTarget};
pub(super) use super::config::{ConfigKey, key};
use super::error::{Position, Problem, Report};
use super::fields::Reader;
use super::ids::{self, Id};
use super::judged::{self, Usable};
use super::limits::Limits;
use super::raw::RawFile;
use super::secret_places::DeclaredSecrets;
use super::settings::{Effective, Settings};
use super::timing::{self, Layers};
use super::tree::quoted;
use super::{Check, CheckId, Config, Target, chain};
use crate::grant::Grants;
use crate::redact::{SecretPart, Secrets, SuiteSecrets};

/// Which check of the suite it is: checks are where they are written.
pub(super) fn place(raw: &RawCheck) -> (usize, Position) {
    (raw.source.order(), raw.at)
}

/// What checks are judged by.
pub(super) struct Judge<'a> {
    pub(super) plugins: HashMap<&'a str, Usable<'a>>,
    pub(super) limits: Limits<'a>,
    /// Defaults of the whole suite.
    pub(super) shared: &'a Settings,
    /// What is secret because plugins say so.
    pub(super) declared: &'a DeclaredSecrets,
    pub(super) secrets: RefCell<SuiteSecrets>,
    /// Those of configurations, by plugin.
    pub(super) config_secrets: RefCell<ConfigSecrets>,
}

/// Secrets of configurations, by plugin.
type ConfigSecrets = HashMap<(ConfigKey, Option<Arc<str>>), Arc<SecretPart>>;

impl Judge<'_> {
    /// The checks of every file that are right, in order.
    pub(super) fn checks(&self, files: &[RawFile], report: &mut Report) -> Vec<Arc<Check>> {
        let count = files.iter().flat_map(|file| &file.checks);
        let count: usize = count.map(|raw| raw.targets.len()).sum();
        let mut checks = Vec::with_capacity(count.min(MAX_CHECKS));
        let mut ids = HashMap::new();
        let mut left = MAX_CHECKS;
        for file in files {
            self.layers(file, report);
            let defaults = file.defaults.settings.over(self.shared);
            for raw in &file.checks {
                let own_ids = ids::of(raw);
                for (id, target) in own_ids.iter().zip(&raw.targets) {
                    match ids.entry(id.id.clone()) {
                        Slot::Occupied(first) => report.add(same_id(&id.id, (raw, target), *first.get())),
                        Slot::Vacant(free) => drop(free.insert((raw, target))),
                    }
                }
                let made = self.entry(raw, own_ids, &defaults, report);
                checks.extend(made.into_iter().map(Arc::new));
                let Some(rest) = left.checked_sub(raw.targets.len()) else {
                    let message = format!("a suite holds at most {MAX_CHECKS} checks, each target counted");
                    report.add(raw.source.problem(raw.at, message));
                    return checks;
                };
                left = rest;
            }
        }
        checks
    }

    /// What the layers of a file say by themselves.
    fn layers(&self, file: &RawFile, report: &mut Report) {
        let profiles = file.profiles.iter();
        let profiles = profiles.map(|profile| (profile.subject(), &profile.layer.settings));
        let defaults = ("`defaults`: ".to_owned(), &file.defaults.settings);
        let checks = file.checks.iter();
        let checks = checks.map(|check| (check.subject(), &check.layer.settings));
        for (subject, settings) in std::iter::once(defaults).chain(profiles).chain(checks) {
            let mut reader = Reader {
                source: &file.source,
                report,
                subject,
            };
            timing::judge_layer(&mut reader, settings);
            self.limits.judge(&mut reader, settings);
        }
    }

    /// Layers that no check uses, by the schema alone: a plugin would object to what a check has yet to add.
    pub(super) fn unused(&self, layers: &[RawCheck], report: &mut Report) {
        for raw in layers.iter().filter(|raw| raw.layer.config.is_some()) {
            let plugin = raw.layer.plugin.get();
            let Some(usable) = plugin.and_then(|plugin| self.plugins.get(&*plugin.value)) else {
                continue;
            };
            let mut reader = Reader {
                source: &raw.source,
                report,
                subject: raw.subject(),
            };
            let _judged = judged::config(&mut reader, raw, usable);
        }
    }

    /// One check a target; none when something is wrong.
    fn entry(&self, raw: &RawCheck, ids: Vec<Id>, defaults: &Settings, report: &mut Report) -> Vec<Check> {
        let before = report.count();
        let mut reader = Reader {
            source: &raw.source,
            report,
            subject: raw.subject(),
        };
        let effective = self.settings(&mut reader, raw, defaults);
        let plugin = raw.layer.plugin.get();
        let Some((plugin, usable)) =
            plugin.and_then(|plugin| Some((plugin, self.plugins.get(&*plugin.value)?)))
        else {
            return Vec::new();
        };
        let judged = judged::config(&mut reader, raw, usable);
        let grants: Vec<_> = raw
            .targets
            .iter()
            .map(|target| grants(&mut reader, raw, target, usable))
            .collect();
        let fits = |target: usize| grants.get(target).is_some_and(Option::is_some);
        judged::object(&mut reader, raw, (usable, &judged), fits);
        let is_right = reader.report.count() == before && !raw.broken;
        let Some((config, name)) = judged.config().zip(raw.name.as_ref()).filter(|_| is_right) else {
            return Vec::new();
        };
        let common = common(raw, (&name.value, &plugin.value), effective, config);
        let checks = raw.targets.iter().zip(grants.into_iter().flatten()).zip(ids).map(
            |((target, grants), Id { id, former })| Check {
                id,
                former_id: former,
                target: target.target.clone(),
                grants,
                secrets: self.secrets(raw, target),
                ..common.clone()
            },
        );
        checks.collect()
    }

    /// What holds for a check, everything laid over everything.
    fn settings(&self, reader: &mut Reader<'_>, raw: &RawCheck, defaults: &Settings) -> Effective {
        let own = &raw.layer.settings;
        let profile = raw.profile.as_ref();
        let profile = profile.map(|profile| (&*profile.name, &profile.layer.settings));
        let all = match profile {
            Some((_, profile)) => own.over(profile).over(defaults),
            None => own.over(defaults),
        };
        let effective = all.effective(&self.limits.operator.ceiling);
        let layers = Layers { check: own, profile };
        timing::judge(reader, &layers, &all, &effective);
        effective
    }

    fn secrets(&self, raw: &RawCheck, target: &RawTarget) -> Secrets {
        let mut secrets = self.secrets.borrow_mut();
        let plugin = raw.layer.plugin.get().map(|plugin| Arc::clone(&plugin.value));
        let mut parts = self.config_secrets.borrow_mut();
        let of_config = parts.entry((key(raw), plugin)).or_insert_with(|| {
            let of_config = raw.layer.config.iter().flat_map(|config| &config.filled.secrets);
            let of_config = of_config.chain(self.declared.of(raw));
            secrets.part(&of_config.cloned().collect::<Vec<_>>())
        });
        let of_target = secrets.part(&target.secrets);
        secrets.of(&[Arc::clone(of_config), of_target])
    }
}

/// Two checks are not told apart.
fn same_id(id: &CheckId, own: (&RawCheck, &RawTarget), first: (&RawCheck, &RawTarget)) -> Problem {
    let target = |target: &RawTarget| quoted(target.target.written());
    let message = format!(
        "{}the target {} has the id {}, as has the target {} of {} at {}",
        own.0.subject(),
        target(own.1),
        quoted(id.as_str()),
        target(first.1),
        first.0.subject().trim_end_matches(": "),
        first.0.source.location(first.1.at),
    );
    let hint = "statuses and alerts are kept by these ids: give one of the checks another name";
    own.0.source.problem(own.1.at, message).hint(hint)
}

/// What the checks of an entry have in common, without a target.
fn common(raw: &RawCheck, (name, plugin): (&str, &str), effective: Effective, config: Config) -> Check {
    Check {
        id: CheckId::new(name),
        former_id: None,
        name: name.to_owned(),
        plugin: plugin.to_owned(),
        target: Target::new(""),
        cadence: effective.cadence,
        retry_interval: effective.retry_interval,
        timeout: effective.timeout,
        retries: effective.retries,
        failure_threshold: effective.failure_threshold,
        success_threshold: effective.success_threshold,
        quota: effective.quota,
        grants: Grants::default(),
        labels: raw.layer.labels.effective(),
        group: effective.group,
        depends_on: raw
            .depends_on
            .iter()
            .map(|name| Arc::clone(&name.value))
            .collect(),
        alert: effective.alert,
        annotations: effective.annotations,
        expect_failure: raw.expect_failure,
        config,
        secrets: Secrets::default(),
    }
}

fn grants(
    reader: &mut Reader<'_>,
    raw: &RawCheck,
    target: &RawTarget,
    usable: &Usable<'_>,
) -> Option<Grants> {
    let syntax = &usable.facts.target_syntax;
    let allow = raw.layer.allow.get().cloned().unwrap_or_default();
    let secrets_to = raw.layer.redirect_secrets_to.get().cloned().unwrap_or_default();
    let name_servers = raw.layer.name_servers.get().cloned().unwrap_or_default();
    Grants::for_check(target.target.expose(), syntax, allow, usable.embedded)
        .map(|grants| grants.with_secrets_to(secrets_to).with_name_servers(name_servers))
        .map_err(|error| {
            // The causes quote parts of the target.
            let reason = if target.secrets.is_empty() {
                chain(&error)
            } else {
                error.to_string()
            };
            reader.problem(
                target.at,
                format!("{}: {reason}", quoted(target.target.written())),
            );
        })
        .ok()
}
