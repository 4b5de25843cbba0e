//! Runs guests against peers in a real sandbox, and counts the open descriptors at the moment of each outcome.
//!
//! ```no_run
//! use canary_tests::harness::{self, Harness, ms};
//! use canary_tests::peer::Hostile;
//!
//! harness::alone(async {
//!     let harness = Harness::new().await;
//!     let peer = Hostile::Silent.start();
//!     let ran = harness.guest("sleep").hold(3).against(&peer).timeout(ms(100)).run().await;
//!     ran.leaves_nothing();
//!     assert_eq!(ran.ended(), "stopped: deadline");
//! });
//! ```
#![expect(
    clippy::expect_used,
    reason = "a harness that cannot start must fail its test"
)]

mod attempt;
mod conversation;
mod guests;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use canary::grant::Networks;
use canary::ledger::audit::open_descriptors;
use canary::ledger::{Budget, Ledger, raise_descriptor_limit};
use canary::net::NetServices;
use canary::net::resolve::{Resolver, ResolverSettings};
use canary::net::tls::TrustStore;
use canary::outcome::Outcome;
use canary::sandbox::{ConfigProblem, ConfigRequest, EngineSettings, Sandbox};
use canary::suite::Secrets;
use tokio::runtime::Runtime;

pub use attempt::{AttemptBuilder, AttemptResult};
pub use guests::{HOSTILE, load};

use crate::peer::{descriptors_outside_peers, plain};
use guests::Guests;

/// Milliseconds.
#[must_use]
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs one test on the runtime that all tests of this process share, and no other test at the same time: each test
/// counts the descriptors of the whole process.
pub fn alone<F: Future>(test: F) -> F::Output {
    static TURN: Mutex<()> = Mutex::new(());
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all();
        builder.build().expect("a runtime")
    });
    // The lock guards no data, so poisoning by a failed test does not matter.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    RUNTIME.block_on(test)
}

/// Builder for a [`Harness`].
#[derive(Debug)]
pub struct Settings {
    budget: Budget,
    servers: Vec<SocketAddr>,
    blocked: Networks,
    engine: Option<EngineSettings>,
}

impl Settings {
    /// Sets the ledger's descriptor budget.
    #[must_use]
    pub fn budget(mut self, descriptors: u64) -> Self {
        self.budget = Budget::new(descriptors);
        self
    }

    /// Sets the name server; without one, only names of the hosts file resolve.
    #[must_use]
    pub fn name_server(mut self, server: SocketAddr) -> Self {
        self.servers.push(server);
        self
    }

    /// Sets the networks that checks must not reach.
    #[must_use]
    pub fn blocked(mut self, networks: Networks) -> Self {
        self.blocked = networks;
        self
    }

    /// Uses a separate engine with only the hostile guest, in place of the shared one.
    #[must_use]
    pub const fn engine(mut self, settings: EngineSettings) -> Self {
        self.engine = Some(settings);
        self
    }

    /// Creates the harness, and runs one guest as a warm-up before taking the baseline of open descriptors.
    pub async fn start(self) -> Harness {
        let guests = match self.engine {
            None => Guests::shared().await,
            Some(settings) => Guests::hostile(settings).await,
        };
        let ledger = Ledger::new(self.budget);
        let shared = Arc::new(NetServices {
            resolver: Resolver::new(ResolverSettings::servers(self.servers), &ledger),
            blocked: self.blocked,
            trust: TrustStore::default(),
            propagation: Default::default(),
            proxies: Default::default(),
        });
        let sandbox = Sandbox::new(guests.engine().clone(), ledger, shared);
        let mut harness = Harness {
            sandbox,
            guests,
            baseline: 0,
        };
        let peer = plain::echo();
        harness.guest("return").hold(1).against(&peer).run().await;
        harness.baseline = harness.descriptors();
        harness
    }
}

/// A warmed-up sandbox with its plugins.
pub struct Harness {
    sandbox: Sandbox,
    guests: Arc<Guests>,
    baseline: usize,
}

impl Harness {
    /// A harness with the default budget and without a name server.
    pub async fn new() -> Self {
        Self::settings().start().await
    }

    /// The settings that [`Harness::new`] uses.
    #[must_use]
    pub fn settings() -> Settings {
        let limit = raise_descriptor_limit().expect("a limit on descriptors");
        let open = open_descriptors().expect("the folder of this process's descriptors");
        Settings {
            budget: Budget::within(limit, open),
            servers: Vec::new(),
            blocked: Networks::default(),
            engine: None,
        }
    }

    /// An attempt of the hostile guest with a behaviour without parameters.
    pub fn guest(&self, behaviour: &str) -> AttemptBuilder<'_> {
        self.plugin("hostile").set("then", behaviour)
    }

    /// An attempt of the hostile guest with a behaviour with parameters.
    pub fn guest_with(
        &self,
        behaviour: &str,
        parameters: impl Into<serde_json::Value>,
    ) -> AttemptBuilder<'_> {
        self.plugin("hostile")
            .set("then", serde_json::json!({ behaviour: parameters.into() }))
    }

    /// The problems that a plugin reports for a configuration, or how the call ended.
    pub async fn check_config(
        &self,
        plugin: &str,
        target: &str,
        config: &serde_json::Value,
    ) -> Result<Vec<ConfigProblem>, Outcome> {
        let request = ConfigRequest {
            target: Some(target),
            config: &config.to_string(),
            secrets: &Secrets::default(),
        };
        let program = self.guests.plugin(plugin).program();
        self.sandbox.check_config(program, request).await
    }

    /// An attempt of a plugin: `hostile` or `table`; `hostile-0.1` or `empty-0.1`, built for contract 0.1; or the name
    /// of an embedded plugin.
    pub fn plugin(&self, name: &str) -> AttemptBuilder<'_> {
        AttemptBuilder::new(self, self.guests.plugin(name))
    }

    /// The ledger of all runs of this harness.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        self.sandbox.ledger()
    }

    /// Open descriptors compared with the baseline, without those of peers; negative if fewer.
    #[must_use]
    pub fn descriptors_left(&self) -> i64 {
        let count = |number: usize| i64::try_from(number).expect("a count of descriptors");
        count(self.descriptors()) - count(self.baseline)
    }

    fn descriptors(&self) -> usize {
        descriptors_outside_peers().expect("the folder of this process's descriptors")
    }
}
