//! Everything that checks need and suites do not decide.

use std::io;
use std::sync::Arc;

use super::trust::TrustThread;
use crate::console::Streams;
use crate::dispatch::{Dispatcher, Plugins};
use crate::grant::Networks;
use crate::ledger::audit::{Audit, Reserve, open_descriptors};
use crate::ledger::{Budget, Ledger, raise_descriptor_limit};
use crate::liveness::Registry;
use crate::net::resolve::{NameFiles, Resolver, ResolverSettings};
use crate::net::tls::TrustStore;
use crate::net::{EnvironmentProxies, Shared};
use crate::plugin::isolated::{Isolation, Limits};
use crate::plugin::{Cache, Loader};
use crate::quota::Quota;
use crate::sandbox::{Engine, EngineError, EngineSettings, Sandbox};
use crate::suite::{
    Environment as _, KnownSecrets, ProcessEnvironment, ReferencePolicy, Secrets, Suite, VariableOverrides,
};
use crate::trace::propagation::Propagation;
use crate::trace::sampler::Sampler;

/// What an operator sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Runs at once.
    pub concurrency: u32,
    /// Where compiled plugins are kept.
    pub cache: Cache,
    /// What examining a plugin that is not embedded may take, in a process of its own; absent: all are trusted.
    pub plugin_limits: Option<Limits>,
    /// Given the name of each plugin that is compiled, which takes a while.
    pub compiling: Option<fn(&str)>,
    /// Networks that no check may reach.
    pub blocked: Networks,
    /// Which variables and files suites may refer to.
    pub references: ReferencePolicy,
    /// What the command line says of the variables of suites.
    pub variables: VariableOverrides,
    /// The most that a suite may set.
    pub ceiling: Quota,
    /// DNS servers; absent: the operating system's.
    pub resolver: Option<ResolverSettings>,
    /// Names that a suite may send alerts to; absent when nobody judges that.
    pub notifiers: Option<Vec<String>>,
    /// How requests carry their run's trace.
    pub propagation: Propagation,
    /// Which runs' traces are wanted.
    pub sampler: Sampler,
    /// What the process writes to.
    pub streams: Streams,
    /// Where threads and tasks report that they make progress.
    pub liveness: Registry,
    /// What no text shows.
    pub secrets: KnownSecrets,
}

/// The host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The limit on descriptors cannot be read or raised, or `/proc/self/fd` cannot be read.
    #[error("cannot tell how many descriptors this process may open")]
    Descriptors(#[source] io::Error),
    /// The thread that reads trusted certificates could not be started.
    #[error("cannot start the thread that reads trusted certificates")]
    TrustThread(#[source] io::Error),
    /// The wasm engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The engine, the ledger, the DNS service and the plugin cache.
pub struct Host {
    /// Where attempts run.
    pub sandbox: Sandbox,
    /// Descriptors of the runner itself that come and go.
    pub reserve: Reserve,
    /// The roots that the host trusts.
    pub trust: TrustStore,
    /// The files with name servers and hosts.
    pub names: NameFiles,
    /// Makes programs of plugins.
    pub loader: Loader,
    settings: Settings,
    descriptor_limit: u64,
    /// Keeps the credentials of the environment's proxies known as long as they are in use.
    _proxy_secrets: Secrets,
    _trust_thread: TrustThread,
}

impl Host {
    /// Raises the limit on descriptors, takes stock of what is open, and starts the engine.
    ///
    /// # Errors
    /// What the host cannot do without.
    pub fn start(settings: Settings) -> Result<Self, HostError> {
        let limit = raise_descriptor_limit().map_err(HostError::Descriptors)?;
        let open = open_descriptors().map_err(HostError::Descriptors)?;
        let memory_ceiling = settings.ceiling.memory;
        let engine = Engine::new(
            EngineSettings {
                concurrency: settings.concurrency,
                memory_ceiling,
            },
            &settings.liveness,
        )?;
        let ledger = Ledger::new(Budget::within(limit, open));
        let resolver = match &settings.resolver {
            None => Resolver::system(&ledger, &settings.liveness),
            Some(settings) => Resolver::new(settings.clone(), &ledger),
        };
        let reserve = Reserve::default();
        let (reader, trust) = TrustStore::system();
        let trust_thread = TrustThread::start(reader, reserve.clone(), &settings.liveness)
            .map_err(HostError::TrustThread)?;
        let names = resolver.files();
        let proxies = EnvironmentProxies::read(|name| ProcessEnvironment.variable(name));
        let proxy_secrets = proxies.hold(&settings.secrets);
        let shared = Shared {
            resolver,
            blocked: settings.blocked.clone(),
            trust: trust.clone(),
            propagation: settings.propagation.clone(),
            proxies,
        };
        Ok(Self {
            loader: loader(&settings, &reserve),
            sandbox: Sandbox::new(engine, ledger, Arc::new(shared)),
            reserve,
            trust,
            names,
            settings,
            descriptor_limit: limit,
            _proxy_secrets: proxy_secrets,
            _trust_thread: trust_thread,
        })
    }

    /// What the operator set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A dispatcher for a suite's plugins.
    #[must_use]
    pub fn dispatcher(&self, plugins: Plugins) -> Dispatcher {
        let concurrency = usize::try_from(self.settings.concurrency).unwrap_or(usize::MAX);
        Dispatcher::new(self.sandbox.clone(), plugins, concurrency)
            .counted_in(self.sandbox.ledger().pools())
            .sampled_by(self.settings.sampler)
            .timed_by(self.settings.liveness.stall_clock().clone())
    }

    /// Takes what is open now as the host's own.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn audit(&self) -> io::Result<Audit> {
        Audit::baseline(self.sandbox.ledger(), &self.reserve)
    }

    /// Everything of the host's own is open: lends what is left.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn settle(&self) -> io::Result<()> {
        let ledger = self.sandbox.ledger();
        let own = open_descriptors()?.saturating_sub(ledger.leased());
        ledger.fit(self.descriptor_limit, own);
        Ok(())
    }

    /// Says when as many runs at once as allowed could want more sockets than the host has to lend, or more memory than
    /// the limits of the process allow.
    #[must_use]
    pub fn shortage(&self, suite: &Suite) -> Vec<String> {
        let memory = super::memory::shortage(suite, self.settings.concurrency);
        self.descriptors_short(suite).into_iter().chain(memory).collect()
    }

    fn descriptors_short(&self, suite: &Suite) -> Option<String> {
        let mut wants: Vec<u64> = suite.checks.iter().map(|check| check.quota.sockets).collect();
        wants.sort_unstable_by(|a, b| b.cmp(a));
        let at_once = usize::try_from(self.settings.concurrency).unwrap_or(usize::MAX);
        let wanted: u64 = wants
            .iter()
            .take(at_once)
            .fold(0, |sum, sockets| sum.saturating_add(*sockets));
        let capacity = self.sandbox.ledger().capacity();
        (wanted > capacity).then(|| {
            format!(
                "{} runs at once may want {wanted} sockets, and this host can lend {capacity}: raise the limit on \
                 open files (ulimit -n), or lower `--concurrency` or the checks' `sockets`",
                at_once.min(wants.len())
            )
        })
    }
}

fn loader(settings: &Settings, reserve: &Reserve) -> Loader {
    let cache = settings.cache.clone();
    let loader = match settings.plugin_limits {
        Some(limits) => Loader::isolated(cache, Isolation::new(limits, reserve.clone())),
        None => Loader::trusting(cache),
    };
    loader.noticing(settings.compiling)
}

#[cfg(test)]
pub(in crate::app) mod tests;
