//! What the plugins of a suite have to say of it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::Draft;
use crate::suite::check::RawCheck;
use crate::suite::contract::Contract;
use crate::suite::error::{Problem, Report};
use crate::suite::json;
use crate::suite::judged::{self, Schema, Usable};
use crate::suite::judgement::{Judgement, PortableConfig, SchemaRequest, Verdict, Verdicts};
use crate::suite::objection::{self, Collector, ConfigRequest, Objections, Uses};
use crate::suite::portable::PortableNode;
use crate::suite::tree::quoted;
use crate::suite::validate;
use crate::suite::{Catalog, PluginDeclaration, PluginFacts, PluginSource, Unusable};

impl Draft {
    /// What [`judge`](crate::suite::judge) is to judge for this plugin, so that [`Draft::finish`] need not.
    #[must_use]
    pub fn schema_request(&self, plugin: &str, facts: &PluginFacts) -> SchemaRequest {
        let configs = self.configs(plugin).map(|check| {
            let (value, written) = judged::written(check);
            PortableConfig {
                value: value.map(PortableNode::of),
                key: written.key,
                node: written.node.map(PortableNode::of),
            }
        });
        SchemaRequest {
            configs: configs.collect(),
            schema: facts.config_schema.as_ref().clone(),
        }
    }

    /// What a plugin itself is to judge: the configurations that its schema allows, and the targets that they are used
    /// for. Nothing where the schema makes no sense, which [`Draft::finish`] reports.
    #[must_use]
    pub fn config_request(&self, plugin: &str, catalog: &Catalog) -> (ConfigRequest, Uses) {
        let facts = catalog.get(plugin).and_then(|facts| facts.as_ref().ok());
        let schema = facts.and_then(|facts| self.schema(plugin, facts, catalog).ok());
        let mut collector = Collector::default();
        let mut known = HashMap::new();
        for (check, schema) in schema
            .iter()
            .flat_map(|schema| self.judged(plugin).map(move |check| (check, schema)))
        {
            let written = judged::written(check);
            let config = *known.entry(validate::key(check)).or_insert_with(|| {
                match schema.verdict(check, written, false) {
                    Verdict::Allowed(readings) => {
                        Some(collector.config(json::exact(written.0, &readings, &[])))
                    }
                    Verdict::Refused(refusal) => {
                        refusal.rest.map(|rest| collector.config(rest.of(written.0)))
                    }
                }
            });
            if let Some(config) = config {
                collector.add(check, config);
            }
        }
        collector.finish()
    }

    /// Of the checks of a plugin, the first with each configuration.
    fn configs(&self, plugin: &str) -> impl Iterator<Item = &RawCheck> {
        let mut known = HashSet::new();
        let checks = self.judged(plugin);
        checks.filter(move |check| known.insert(validate::key(check)))
    }

    /// The checks of a plugin.
    fn judged(&self, plugin: &str) -> impl Iterator<Item = &RawCheck> {
        let checks = self.files.iter().flat_map(|file| &file.checks);
        let plugin = plugin.to_owned();
        checks.filter(move |check| {
            let own = check.layer.plugin.get();
            own.is_some_and(|own| *own.value == *plugin)
        })
    }

    /// The plugins that could be loaded and whose schema makes sense; the others are problems.
    pub(super) fn usable<'a>(
        &'a self,
        catalog: &'a Catalog,
        report: &mut Report,
    ) -> HashMap<&'a str, Usable<'a>> {
        let mut usable = HashMap::with_capacity(self.plugins.len());
        for plugin in &self.plugins {
            let schema = match catalog.get(&plugin.name) {
                Some(Ok(facts)) => self
                    .schema(&plugin.name, facts, catalog)
                    .map(|schema| (facts, schema)),
                Some(Err(error)) => Err(error.clone()),
                None => Err(Unusable::from("was not loaded".to_owned())),
            };
            match schema {
                Ok((facts, schema)) => {
                    let embedded = plugin.source == PluginSource::Embedded;
                    let objections = self.objections(plugin, catalog, report);
                    usable.insert(
                        &*plugin.name,
                        Usable {
                            facts,
                            schema,
                            objections,
                            embedded,
                            configs: RefCell::default(),
                        },
                    );
                }
                Err(unusable) => {
                    let problem = self.plugin_problem(plugin, &unusable.reason);
                    report.add(problem.transient(unusable.is_transient));
                }
            }
        }
        usable
    }

    fn schema(&self, plugin: &str, facts: &PluginFacts, catalog: &Catalog) -> Result<Schema, Unusable> {
        let wrong =
            |reason: &str| Unusable::from(format!("the schema of its configuration is wrong: {reason}"));
        match catalog.judgements.get(plugin) {
            None => match Contract::new(&facts.config_schema) {
                Ok(contract) => Ok(Schema::Here(Box::new(contract))),
                Err(reason) => Err(wrong(&reason)),
            },
            Some(Ok(Judgement::Verdicts(verdicts))) => {
                let keys = self.configs(plugin).map(validate::key);
                Ok(Schema::Elsewhere(Verdicts::new(keys, verdicts)))
            }
            Some(Ok(Judgement::BadSchema(reason))) => Err(wrong(reason)),
            Some(Err(unusable)) => Err(Unusable {
                reason: format!("its schema cannot be used: {}", unusable.reason),
                is_transient: unusable.is_transient,
            }),
        }
    }

    /// What a plugin has against configurations; where it came to no end, that is reported.
    fn objections<'a>(
        &'a self,
        plugin: &PluginDeclaration,
        catalog: &'a Catalog,
        report: &mut Report,
    ) -> Option<Objections<'a>> {
        let (uses, answer) = catalog.answers.get(&plugin.name)?;
        let answer = match answer {
            Ok(answer) => answer,
            Err(unusable) => {
                let reason = format!("it cannot judge configurations: {}", unusable.reason);
                let problem = self.plugin_problem(plugin, &reason);
                report.add(problem.transient(unusable.is_transient));
                return None;
            }
        };
        let checks = || self.judged(&plugin.name);
        let secrets = objection::secrets_of(checks());
        let objections = Objections::new(uses, answer, &secrets);
        if let Some(ended) = &answer.ended {
            let check = objections.check_with(ended.config, checks());
            let name = check.and_then(|check| Some(quoted(&check.name.as_ref()?.value)));
            let reason = format!(
                "it came to no answer when it judged the configuration of check {}: {}",
                name.unwrap_or_default(),
                objection::shown(&ended.reason, &secrets)
            );
            let problem = self.plugin_problem(plugin, &reason);
            report.add(problem.transient(ended.is_transient));
        }
        Some(objections)
    }

    fn plugin_problem(&self, plugin: &PluginDeclaration, reason: &str) -> Problem {
        let message = format!("plugin {}: {reason}", quoted(&plugin.name));
        let file = self
            .files
            .iter()
            .find(|file| file.source.path == plugin.location.file);
        match file.zip(plugin.location.at) {
            Some((file, at)) => file.source.problem(at, message),
            None => Problem::of_file(&plugin.location.file, message),
        }
    }
}
