//! Concurrent attacks on one service.

use std::net::Ipv4Addr;
use std::sync::Arc;

use canary_tests::command::{Program, skip};
use canary_tests::machine::{Clock, MemoryLimit, with_name_server};
use canary_tests::peer::dns::{Behaviour, NameServer, Zone};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::active_attack::ActiveAttack;
use crate::attack::{Attack, Attacker, HostFault};
use crate::checks::{GOOD, HostileChecks, suite};
use crate::client_waves::ClientWaves;
use crate::observation::{Observations, configured_duration};
use crate::promises::{Evidence, checks_with_prefix, sum};
use crate::reference::Reference;
use crate::service::{LIMIT, Service, World, records};
use crate::wake_latency::WakeLatencyMonitor;

/// Descriptors that a running service may have open temporarily.
const FD_TOLERANCE: usize = 8;
/// Held by the scenario that runs: another one beside it would take processors from its good checks.
pub(crate) static TURN: Mutex<()> = Mutex::const_new(());
/// Problems that health reports for a minute after they ended.
const LINGERING_ISSUES: [&str; 2] = ["pool_short", "slow_poll"];

/// Attacks, and the configuration of the service under attack.
pub(crate) struct Scenario {
    name: &'static str,
    attacks: &'static [Attack],
    good: usize,
    clock: Option<Clock>,
    memory: Option<MemoryLimit>,
    names: Option<(NameServer, TempDir)>,
    is_until_exit: bool,
    has_certificate: bool,
}

impl Scenario {
    /// Attacks on a service with ten good checks.
    pub(crate) fn new(name: &'static str, attacks: &'static [Attack]) -> Self {
        Self {
            name,
            attacks,
            good: 10,
            clock: None,
            memory: None,
            names: None,
            is_until_exit: false,
            has_certificate: false,
        }
    }

    /// Sets the number of good checks.
    pub(crate) fn good(self, good: usize) -> Self {
        Self { good, ..self }
    }

    /// Makes the service use this clock.
    pub(crate) fn clock(self, clock: Clock) -> Self {
        let clock = Some(clock);
        Self { clock, ..self }
    }

    /// Limits the memory of the service.
    pub(crate) fn memory(self, limit: MemoryLimit) -> Self {
        let memory = Some(limit);
        Self { memory, ..self }
    }

    /// Uses names as targets of good checks, with a name server. `None` where no name server can be started.
    pub(crate) fn name_server(self) -> Option<Self> {
        let zone = (0..self.good).fold(Zone::new(), |zone, number| {
            let name = format!("{GOOD}{number}.test");
            zone.behaviour(&name, Behaviour::Answers)
                .address(&name, Ipv4Addr::LOCALHOST)
        });
        let [.., third, fourth] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 53, third, fourth.clamp(1, 254));
        let server = zone.default_behaviour(Behaviour::Silent).start_at(address);
        if server.is_none() {
            skip("the port of DNS");
        }
        let names = Some((server?, TempDir::new().unwrap()));
        let scenario = Self { names, ..self };
        scenario.prepare(Program::at("/bin/true")).map(|_| scenario)
    }

    /// Continues the attacks until the service has exited.
    pub(crate) fn until_exit(self) -> Self {
        Self {
            is_until_exit: true,
            ..self
        }
    }

    /// Enables TLS for the admin address.
    pub(crate) fn admin_certificate(self) -> Self {
        Self {
            has_certificate: true,
            ..self
        }
    }

    /// Runs the attacks, and asserts every promise. No other scenario runs at the same time.
    pub(crate) async fn run(self) {
        let _alone = TURN.lock().await;
        let (world, bad) = (World::new(self.has_certificate), HostileChecks::new(self.attacks));
        let (baseline_suite, attacked_suite) = (self.suite(&world, &[]), self.suite(&world, &bad.checks));
        let with = |program| self.prepare(program).expect("it was tried");
        let mut service = Service::start(&world, &baseline_suite, &attacked_suite, with);
        if !self.host_faults().any(|fault| fault == HostFault::UnreadOutput) {
            service.process.drain_output();
        }
        // From now on, so that it covers all runs that count.
        let monitor = WakeLatencyMonitor::start();
        let reference = Arc::new(Reference::start());
        let baseline = self.baseline(&service).await;
        let open = service.process.descriptors().len();
        if !bad.checks.is_empty() {
            service.reload(&attacked_suite).await;
        }
        let begin = |fault| ActiveAttack::begin(fault, &service, &world, self.clock.as_ref());
        let mut active: Vec<_> = self.host_faults().map(begin).collect();
        let waves = ClientWaves::begin(self.attacks, &service.admin, &reference);
        active.extend(waves.map(ActiveAttack::Clients));
        let attacked = Instant::now();
        let mut observations = Observations::default();
        let under_attack = observations
            .observe((&service, &world), self.attacks, &mut active)
            .await;
        let wake_latency = monitor.stop();
        let pace = reference.pace(attacked);
        if !self.is_until_exit {
            active.into_iter().for_each(|attack| attack.end(&world));
            service.reload(&baseline_suite).await;
            wait_for_recovery(&service, open).await;
            observations.sample(&service, &world).await;
        }
        let terminated = Instant::now();
        let ended_in = service.terminate().await;
        let pace_at_end = reference.pace(terminated);
        let ending = service.process.end();
        observations.root_spans.add(&world.collector.arrivals());
        let evidence = Evidence {
            name: self.name,
            baseline,
            under_attack,
            observations,
            probe_limit: self.attacks.iter().map(Attack::probe_limit).max().unwrap(),
            wake_latency,
            pace,
            pace_at_end,
            ended_in,
            code: ending.code,
            records: records(&service.folder.path().join("state")),
            kills: self.memory.as_ref().map_or(0, MemoryLimit::kills),
        };
        evidence.assert_all_promises();
    }

    fn host_faults(&self) -> impl Iterator<Item = HostFault> {
        self.attacks.iter().filter_map(|attack| match attack.attacker {
            Attacker::HostFault(fault) => Some(fault),
            _ => None,
        })
    }

    fn suite(&self, world: &World, bad: &[Value]) -> String {
        let port = world.site.address().port();
        let url = |number: usize| match self.names {
            None => format!("http://127.0.0.1:{port}/"),
            Some(_) => format!("http://{GOOD}{number}.test:{port}/"),
        };
        suite(
            self.good,
            if configured_duration().is_some() {
                "1s"
            } else {
                // Of a debug build, beside plugins that use up all they get.
                "5s"
            },
            url,
            bad,
        )
    }

    /// Starts the program in the configured environment.
    fn prepare(&self, program: Program) -> Option<Program> {
        let program = match &self.clock {
            Some(clock) => clock.apply_to(program),
            None => program,
        };
        let program = match &self.memory {
            Some(limit) => limit.apply_to(program),
            None => program,
        };
        match &self.names {
            Some((server, folder)) => with_name_server(program, server.address().ip(), folder.path()),
            None => Some(program),
        }
    }

    /// Waits until every good check has run, and returns the status.
    async fn baseline(&self, service: &Service) -> Value {
        let have_all_run = |status: &Value| {
            let run = checks_with_prefix(status, GOOD).filter(|check| sum(&check["account"]["finished"]) > 0);
            run.count() == self.good
        };
        service.until("all good checks have run", have_all_run).await
    }
}

/// Waits until the attacks have no more effect: no reported problem except lingering ones, no extra descriptor.
async fn wait_for_recovery(service: &Service, open: usize) {
    let began = Instant::now();
    let is_over = |problem: &(String, String)| {
        let what = problem.0.as_str();
        configured_duration().is_none() && LINGERING_ISSUES.contains(&what)
    };
    loop {
        let problems = service.problems().await;
        let descriptors = service.process.descriptors();
        if problems.iter().all(is_over) && descriptors.len() <= open + FD_TOLERANCE {
            return;
        }
        assert!(
            began.elapsed() < LIMIT,
            "it does not recover: {problems:?}, {descriptors:#?}"
        );
        sleep(crate::observation::SAMPLE_INTERVAL).await;
    }
}
