//! From files to a suite whose plugins are compiled.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;

use super::Host;
use crate::dispatch::Plugins;
use crate::plugin::{EMBEDDED, Plugin};
use crate::suite::{Catalog, Environment, Operator, PluginDeclaration, Problems, Suite, read};

/// A suite that can run.
pub struct Loaded {
    /// Its checks.
    pub suite: Suite,
    /// Their plugins.
    pub plugins: Plugins,
}

/// Reads files, compiles the plugins that they name, and judges each check by its plugin.
///
/// # Errors
/// Every problem of every file.
pub async fn load(paths: &[PathBuf], host: &Host, environment: &dyn Environment) -> Result<Loaded, Problems> {
    let embedded = EMBEDDED.map(|(name, _)| name);
    let draft = read(paths, &embedded, environment);
    let mut catalog = Catalog::default();
    let mut plugins = Plugins::new();
    let compiled = draft.plugins().iter().map(|declared| compile(declared, host));
    for (name, plugin) in join_all(compiled).await {
        match plugin {
            Ok(plugin) => {
                catalog.insert(name.clone(), Ok(plugin.facts()));
                plugins.insert(name, Arc::new(plugin));
            }
            Err(reason) => catalog.insert(name, Err(reason)),
        }
    }
    let operator = Operator {
        ceiling: host.settings().ceiling,
        notifiers: None,
    };
    let suite = draft.finish(&catalog, &operator)?;
    Ok(Loaded { suite, plugins })
}

async fn compile(declared: &PluginDeclaration, host: &Host) -> (String, Result<Plugin, String>) {
    let plugin = Plugin::load(
        &declared.name,
        &declared.source,
        &host.settings().cache,
        &host.sandbox,
    )
    .await;
    (declared.name.clone(), plugin.map_err(|error| chain(&error)))
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
