//! One attempt of a plugin against a peer, and its result.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use canary::grant::Grants;
use canary::ledger::LiveLease;
use canary::outcome::{LogLine, Outcome, Usage, Verdict};
use canary::plugin::Plugin;
use canary::quota::{Quota, QuotaKind};
use canary::record::Recorder;
use canary::sandbox::Attempt;
use canary::suite::{Check, CheckId, Config, Target};
use canary::trace::{TraceContext, Trail};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Harness;
use crate::peer::Peer;

/// Builder for one attempt.
#[derive(Clone)]
#[must_use = "nothing happens before it runs"]
pub struct AttemptBuilder<'h> {
    harness: &'h Harness,
    plugin: &'h Plugin,
    target: String,
    config: Map<String, Value>,
    quota: Quota,
    timeout: Duration,
    allow: Vec<String>,
    name_servers: Vec<String>,
    expect_failure: bool,
    shutdown: CancellationToken,
    keeps_conversation: bool,
}

impl<'h> AttemptBuilder<'h> {
    pub(super) fn new(harness: &'h Harness, plugin: &'h Plugin) -> Self {
        Self {
            harness,
            plugin,
            target: "127.0.0.1:1".into(),
            config: Map::new(),
            quota: Quota::default(),
            timeout: Duration::from_secs(5),
            allow: Vec::new(),
            name_servers: Vec::new(),
            expect_failure: false,
            shutdown: CancellationToken::new(),
            keeps_conversation: false,
        }
    }

    /// Records the conversation between the attempt and its peers.
    pub const fn record_conversation(mut self) -> Self {
        self.keeps_conversation = true;
        self
    }

    /// Sets the peer as the target, as a URL for plugins that need one.
    pub fn against(self, peer: &Peer) -> Self {
        match self.plugin.name.as_str() {
            "http" => self.target(&peer.url("http", "/")),
            _ => self.target(&peer.address().to_string()),
        }
    }

    /// Sets the target.
    pub fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// Sets one key of the plugin's configuration.
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config.insert(key.to_owned(), value.into());
        self
    }

    /// Sets the number of connections that the hostile guest opens and holds before it misbehaves.
    pub fn hold(self, connections: u32) -> Self {
        self.set("hold", connections)
    }

    /// Sets what the hostile guest does on each held connection: `nothing`, `request`, `tls` or `exchange`.
    pub fn on_each(self, what: &str) -> Self {
        self.set("on_each", what)
    }

    /// Adds a grant, in the syntax of `allow:`.
    pub fn allow(mut self, grant: &str) -> Self {
        self.allow.push(grant.to_owned());
        self
    }

    /// Adds a name server of the check, in the syntax of `name_servers:`.
    pub fn name_server(mut self, server: &str) -> Self {
        self.name_servers.push(server.to_owned());
        self
    }

    /// Sets `expect_failure` for the plugin. The verdict is as the plugin returns it.
    pub const fn expect_failure(mut self) -> Self {
        self.expect_failure = true;
        self
    }

    /// Changes the quota.
    pub fn quota(mut self, change: impl FnOnce(&mut Quota)) -> Self {
        change(&mut self.quota);
        self
    }

    /// Sets the deadline of the attempt.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Ends the attempt when this token is cancelled.
    pub fn shutdown(mut self, shutdown: &CancellationToken) -> Self {
        self.shutdown = shutdown.clone();
        self
    }

    /// Runs the attempt and counts the descriptors immediately afterwards.
    pub async fn run(self) -> AttemptResult {
        let check = Arc::new(self.check());
        let (secrets, budget) = (check.secrets.clone(), check.quota.record);
        let recorder = if self.keeps_conversation {
            Recorder::with_conversation(secrets, budget)
        } else {
            Recorder::new(secrets, budget)
        };
        let started_at = Instant::now();
        let attempt = Attempt {
            check: &check,
            program: self.plugin.program(),
            number: 1,
            trace: TraceContext {
                trace_id: [1; 16],
                span_id: [2; 8],
                sampled: true,
            },
            recorder: &recorder,
            shutdown: &self.shutdown,
        };
        let mut report = self.harness.sandbox.run(attempt).await;
        report.usage.note_record(recorder.usage());
        report.trail.conversation = recorder.transcript();
        let ledger = self.harness.ledger();
        AttemptResult {
            descriptors_left: self.harness.descriptors_left(),
            leased: ledger.leased(),
            own_leases: own_leases(ledger.live(), &check.id),
            took: started_at.elapsed(),
            outcome: report.outcome,
            usage: report.usage,
            log: report.log,
            trail: report.trail,
        }
    }

    /// Creates the check.
    fn check(&self) -> Check {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let name = format!("trial-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let allow = self.allow.iter().map(|grant| grant.parse().expect("a grant"));
        let servers = self.name_servers.iter();
        let servers = servers.map(|server| server.parse().expect("the address of a name server"));
        let description = self.plugin.description();
        let follows_redirects = self.plugin.name == "http";
        let grants = Grants::for_check(
            &self.target,
            &description.target_syntax,
            allow.collect(),
            follows_redirects,
        );
        Check {
            plugin: self.plugin.name.clone(),
            target: Target::new(&self.target),
            failure_threshold: 1,
            quota: self.quota,
            expect_failure: self.expect_failure,
            grants: grants
                .expect("a target that fits its syntax")
                .with_name_servers(servers.collect()),
            config: Config::new(Value::from(self.config.clone()).to_string()),
            ..Check::minimal(&name, self.timeout)
        }
    }
}

fn own_leases(live: Vec<LiveLease>, check: &CheckId) -> usize {
    live.iter().filter(|lease| lease.owner.check == *check).count()
}

/// The result of an attempt, observed at the moment of its outcome.
#[derive(Debug)]
pub struct AttemptResult {
    /// The outcome.
    pub outcome: Outcome,
    /// The quota usage.
    pub usage: Usage,
    /// The log lines of the guest.
    pub log: Vec<LogLine>,
    /// The recorded steps.
    pub trail: Trail,
    /// From start to outcome.
    pub took: Duration,
    descriptors_left: i64,
    leased: u64,
    own_leases: usize,
}

impl AttemptResult {
    /// Open descriptors of the process compared with before. Only meaningful if no other attempt ran at the same time.
    #[must_use]
    pub const fn descriptors_left(&self) -> i64 {
        self.descriptors_left
    }

    /// Asserts that the process has no additional descriptor and no lease.
    #[track_caller]
    pub fn leaves_nothing(&self) -> &Self {
        assert_eq!(
            (self.descriptors_left, self.leased),
            (0, 0),
            "descriptors and leases left by {self:?}"
        );
        self
    }

    /// Asserts that no lease of this attempt is left; for concurrent attempts.
    #[track_caller]
    pub fn leaves_nothing_of_its_own(&self) -> &Self {
        assert_eq!(self.own_leases, 0, "leases left by {self:?}");
        self
    }

    /// The outcome in short: `pass`, `warn`, `fail`, `stopped: deadline`, `faulted: trap` and so on.
    #[must_use]
    pub fn ended(&self) -> String {
        match self.outcome.cause() {
            None => self.outcome.as_str().to_owned(),
            Some(cause) => format!("{}: {cause}", self.outcome.as_str()),
        }
    }

    /// The verdict, where there is one.
    ///
    /// # Panics
    /// The run did not complete.
    #[must_use]
    #[track_caller]
    pub fn verdict(&self) -> &Verdict {
        match &self.outcome {
            Outcome::Completed(verdict) => verdict,
            #[expect(clippy::panic, reason = "an assertion of the tests")]
            other => panic!("no verdict but {other:?}"),
        }
    }

    /// The host's results as the hostile guest saw them, oldest first; empty without a verdict.
    #[must_use]
    pub fn answers(&self) -> Vec<&str> {
        let Outcome::Completed(verdict) = &self.outcome else {
            return Vec::new();
        };
        verdict
            .assertions
            .iter()
            .map(|assertion| assertion.message.as_str())
            .collect()
    }

    /// The last of the results, or the outcome if there is none.
    #[must_use]
    pub fn answer(&self) -> String {
        let last = self.answers().last().copied().map(str::to_owned);
        last.unwrap_or_else(|| self.outcome.summary())
    }

    /// The number of denials by this quota.
    #[must_use]
    pub fn denied(&self, quota: QuotaKind) -> u64 {
        self.usage.denials.get(&quota).copied().unwrap_or_default()
    }
}
