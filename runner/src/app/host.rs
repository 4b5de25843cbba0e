//! The host: everything that checks need and a suite does not configure.

use std::io;
use std::sync::Arc;

use super::trust::TrustThread;
use canary_console::Streams;
use canary_net::ledger::audit::{Audit, InternalFds, open_descriptors};
use canary_net::ledger::{Budget, Ledger, raise_descriptor_limit};
use canary_net::resolve::{NameFiles, Resolver, ResolverSettings};
use canary_net::tls::TrustStore;
use canary_net::{EnvironmentProxies, NetServices};
use canary_record::quota::Quota;
use canary_record::trace::propagation::Propagation;
use canary_record::trace::sampler::Sampler;
use canary_sandbox::dispatch::{Dispatcher, Plugins};
use canary_sandbox::plugin::isolated::{Isolation, Limits};
use canary_sandbox::plugin::{Cache, Loader};
use canary_sandbox::{Engine, EngineError, EngineSettings, Sandbox};
use canary_suite::grant::Networks;
use canary_suite::{
    Environment as _, ProcessEnvironment, ReferencePolicy, SecretRegistry, Secrets, Suite, VariableOverrides,
};
use canary_system::liveness::Registry;

/// Host configuration set by the operator.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Maximum number of concurrent runs.
    pub concurrency: u32,
    /// Cache of compiled plugins.
    pub cache: Cache,
    /// Resource limits for examining a plugin that is not embedded, which happens in a separate process; `None`
    /// trusts every plugin.
    pub plugin_limits: Option<Limits>,
    /// Called with the name of each plugin that is compiled, since compiling takes a while.
    pub on_compile: Option<fn(&str)>,
    /// Networks that no check may reach.
    pub blocked_networks: Networks,
    /// Which variables and files suites may reference.
    pub references: ReferencePolicy,
    /// Overrides of suite variables from the command line.
    pub variables: VariableOverrides,
    /// Upper bound for the quotas that a suite may set.
    pub ceiling: Quota,
    /// DNS servers; `None` uses those of the operating system.
    pub resolver: Option<ResolverSettings>,
    /// Notifier names that a suite may use; `None` disables the validation.
    pub notifiers: Option<Vec<String>>,
    /// How requests propagate the trace context of their run.
    pub propagation: Propagation,
    /// Decides which traces are sampled.
    pub sampler: Sampler,
    /// Output streams of the process.
    pub streams: Streams,
    /// Registry in which threads and tasks report progress.
    pub liveness: Registry,
    /// Secrets that are redacted from every text.
    pub secrets: SecretRegistry,
}

/// The host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The limit on descriptors cannot be read or raised, or `/proc/self/fd` cannot be read.
    #[error("cannot determine the limit on open files")]
    Descriptors(#[source] io::Error),
    /// The thread that reads trusted certificates could not be started.
    #[error("cannot start the thread for trusted certificates")]
    TrustThread(#[source] io::Error),
    /// The wasm engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The engine, the ledger, the DNS service and the plugin cache.
pub struct Host {
    /// Executes attempts.
    pub sandbox: Sandbox,
    /// Temporary descriptors of the runner itself.
    pub internal_fds: InternalFds,
    /// Trusted root certificates.
    pub trust: TrustStore,
    /// The resolver's files: name servers and hosts.
    pub names: NameFiles,
    /// Loads and compiles plugins.
    pub loader: Loader,
    settings: Settings,
    descriptor_limit: u64,
    /// Keeps the credentials of the environment's proxies registered as secrets while they are in use.
    _proxy_secrets: Secrets,
    _trust_thread: TrustThread,
}

impl Host {
    /// Raises the descriptor limit, counts the open descriptors, and starts the engine.
    ///
    /// # Errors
    /// The limit or the open descriptors cannot be determined, or the engine or a thread cannot be started.
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
        let reserve = InternalFds::default();
        let (reader, trust) = TrustStore::system();
        let trust_thread = TrustThread::start(reader, reserve.clone(), &settings.liveness)
            .map_err(HostError::TrustThread)?;
        let names = resolver.files();
        let proxies = EnvironmentProxies::read(|name| ProcessEnvironment.variable(name));
        let proxy_secrets = proxies.register_secrets(&settings.secrets);
        let shared = NetServices {
            resolver,
            blocked: settings.blocked_networks.clone(),
            trust: trust.clone(),
            propagation: settings.propagation.clone(),
            proxies,
        };
        Ok(Self {
            loader: loader(&settings, &reserve),
            sandbox: Sandbox::new(engine, ledger, Arc::new(shared)),
            internal_fds: reserve,
            trust,
            names,
            settings,
            descriptor_limit: limit,
            _proxy_secrets: proxy_secrets,
            _trust_thread: trust_thread,
        })
    }

    /// The operator's settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A dispatcher for a suite's plugins.
    #[must_use]
    pub fn dispatcher(&self, plugins: Plugins) -> Dispatcher {
        let concurrency = usize::try_from(self.settings.concurrency).unwrap_or(usize::MAX);
        Dispatcher::new(self.sandbox.clone(), plugins, concurrency)
            .with_pools(self.sandbox.ledger().pools())
            .with_sampler(self.settings.sampler)
            .with_stall_clock(self.settings.liveness.stall_clock().clone())
    }

    /// Records the descriptors that are open now as the host's own.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn audit(&self) -> io::Result<Audit> {
        Audit::baseline(self.sandbox.ledger(), &self.internal_fds)
    }

    /// Sets the descriptor budget to what the host's own open descriptors leave. Call it once they are all open.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn rebaseline_fds(&self) -> io::Result<()> {
        let ledger = self.sandbox.ledger();
        let own = open_descriptors()?.saturating_sub(ledger.leased());
        ledger.set_budget(self.descriptor_limit, own);
        Ok(())
    }

    /// Warnings for when the maximum number of concurrent runs could need more sockets than the host can lend, or
    /// more memory than the process limits allow.
    #[must_use]
    pub fn resource_warnings(&self, suite: &Suite) -> Vec<String> {
        let memory = super::memory::shortage(suite, self.settings.concurrency);
        self.descriptors_short(suite).into_iter().chain(memory).collect()
    }

    fn descriptors_short(&self, suite: &Suite) -> Option<String> {
        let mut sockets: Vec<u64> = suite.checks.iter().map(|check| check.quota.sockets).collect();
        sockets.sort_unstable_by(|a, b| b.cmp(a));
        let at_once = usize::try_from(self.settings.concurrency).unwrap_or(usize::MAX);
        let wanted: u64 = sockets
            .iter()
            .take(at_once)
            .fold(0, |sum, sockets| sum.saturating_add(*sockets));
        let capacity = self.sandbox.ledger().capacity();
        (wanted > capacity).then(|| {
            format!(
                "{} concurrent runs may need {wanted} sockets, but only {capacity} are available: raise the limit \
                 on open files (ulimit -n), or lower `--concurrency` or the checks' `sockets`",
                at_once.min(sockets.len())
            )
        })
    }
}

fn loader(settings: &Settings, reserve: &InternalFds) -> Loader {
    let cache = settings.cache.clone();
    let loader = match settings.plugin_limits {
        Some(limits) => Loader::isolated(cache, Isolation::new(limits, reserve.clone())),
        None => Loader::in_process(cache),
    };
    loader.on_compile(settings.on_compile)
}

#[cfg(test)]
pub(in crate::app) mod tests;
