//! One attempt of a plugin against a peer, and what was seen when its outcome came.

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

/// One attempt that is about to be made.
#[derive(Clone)]
#[must_use = "nothing happens before it runs"]
pub struct Trial<'h> {
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

impl<'h> Trial<'h> {
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

    /// Keeps what the attempt and its peers say to each other.
    pub const fn keeping_conversation(mut self) -> Self {
        self.keeps_conversation = true;
        self
    }

    /// The peer as the target: a URL for a plugin that wants one.
    pub fn against(self, peer: &Peer) -> Self {
        match self.plugin.name.as_str() {
            "http" => self.target(&peer.url("http", "/")),
            _ => self.target(&peer.address().to_string()),
        }
    }

    /// Any target.
    pub fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// One key of the plugin's configuration.
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config.insert(key.to_owned(), value.into());
        self
    }

    /// Connections that the hostile guest keeps before it behaves as it is told.
    pub fn hold(self, connections: u32) -> Self {
        self.set("hold", connections)
    }

    /// What the hostile guest does on each connection that it keeps: `nothing`, `request`, `tls` or `exchange`.
    pub fn on_each(self, what: &str) -> Self {
        self.set("on_each", what)
    }

    /// One more destination, as `allow:` spells it.
    pub fn allow(mut self, grant: &str) -> Self {
        self.allow.push(grant.to_owned());
        self
    }

    /// One more server that the check asks for names, as `name_servers:` spells it.
    pub fn name_server(mut self, server: &str) -> Self {
        self.name_servers.push(server.to_owned());
        self
    }

    /// Lets the plugin know that the target is expected to fail. The verdict is as the plugin returns it.
    pub const fn expect_failure(mut self) -> Self {
        self.expect_failure = true;
        self
    }

    /// Changes the quota.
    pub fn quota(mut self, change: impl FnOnce(&mut Quota)) -> Self {
        change(&mut self.quota);
        self
    }

    /// The deadline of the attempt.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Ends the attempt when it is cancelled.
    pub fn shutdown(mut self, shutdown: &CancellationToken) -> Self {
        self.shutdown = shutdown.clone();
        self
    }

    /// Runs it, and looks at the descriptors before anything else happens.
    pub async fn run(self) -> Ran {
        let check = Arc::new(self.check());
        let (secrets, budget) = (check.secrets.clone(), check.quota.record);
        let recorder = match self.keeps_conversation {
            true => Recorder::with_conversation(secrets, budget),
            false => Recorder::new(secrets, budget),
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
        Ran {
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

    /// The one place where a check is made.
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
            ..Check::plain(&name, self.timeout)
        }
    }
}

fn own_leases(live: Vec<LiveLease>, check: &CheckId) -> usize {
    live.iter().filter(|lease| lease.owner.check == *check).count()
}

/// What was seen when an attempt's outcome came.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// What the host did for it.
    pub trail: Trail,
    /// From start to outcome.
    pub took: Duration,
    descriptors_left: i64,
    leased: u64,
    own_leases: usize,
}

impl Ran {
    /// Descriptors of this process more than before; only of use where nothing ran beside it.
    #[must_use]
    pub const fn descriptors_left(&self) -> i64 {
        self.descriptors_left
    }

    /// Asserts that no descriptor of the whole process was left, nor any lease.
    #[track_caller]
    pub fn leaves_nothing(&self) -> &Self {
        assert_eq!(
            (self.descriptors_left, self.leased),
            (0, 0),
            "descriptors and leases left by {self:?}"
        );
        self
    }

    /// Asserts that no lease of this attempt was left; for attempts beside others.
    #[track_caller]
    pub fn leaves_nothing_of_its_own(&self) -> &Self {
        assert_eq!(self.own_leases, 0, "leases left by {self:?}");
        self
    }

    /// How it ended, in short: `pass`, `warn`, `fail`, `stopped: deadline`, `faulted: trap` and so on.
    #[must_use]
    pub fn ended(&self) -> String {
        match self.outcome.cause() {
            None => self.outcome.word().to_owned(),
            Some(cause) => format!("{}: {cause}", self.outcome.word()),
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

    /// What the host answered the hostile guest, oldest first; nothing where there is no verdict.
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

    /// The last of the answers, or how the run ended.
    #[must_use]
    pub fn answer(&self) -> String {
        let last = self.answers().last().copied().map(str::to_owned);
        last.unwrap_or_else(|| self.outcome.summary())
    }

    /// Refusals of one quota.
    #[must_use]
    pub fn denied(&self, quota: QuotaKind) -> u64 {
        self.usage.denials.get(&quota).copied().unwrap_or_default()
    }
}
