//! Attacks at the same time on one service.

use std::net::Ipv4Addr;

use canary_tests::command::{Program, skip};
use canary_tests::machine::{Clock, MemoryLimit, resolving_by};
use canary_tests::peer::dns::{Manner, NameServer, Zone};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::attack::{Attack, By, Machine};
use crate::checks::{Bad, GOOD, suite};
use crate::hold::{Seen, minutes};
use crate::ongoing::Ongoing;
use crate::promises::{Evidence, named, sum};
use crate::service::{LIMIT, Service, World, records};
use crate::turns::Turns;
use crate::witness::Witness;

/// Descriptors that a runner at work may have open for a moment of its own.
const SLACK: usize = 8;
/// What health remembers of the last minute.
const OF_THE_LAST_MINUTE: [&str; 2] = ["pool_short", "slow_poll"];

/// Attacks, and the service that they are on.
pub(crate) struct Scenario {
    name: &'static str,
    attacks: &'static [Attack],
    good: usize,
    clock: Option<Clock>,
    memory: Option<MemoryLimit>,
    names: Option<(NameServer, TempDir)>,
    is_until_the_end: bool,
    has_certificate: bool,
}

impl Scenario {
    /// On a service with ten good checks.
    pub(crate) fn of(name: &'static str, attacks: &'static [Attack]) -> Self {
        Self {
            name,
            attacks,
            good: 10,
            clock: None,
            memory: None,
            names: None,
            is_until_the_end: false,
            has_certificate: false,
        }
    }

    /// On one with so many good checks.
    pub(crate) fn good(self, good: usize) -> Self {
        Self { good, ..self }
    }

    /// On one that goes by this clock.
    pub(crate) fn clock(self, clock: Clock) -> Self {
        let clock = Some(clock);
        Self { clock, ..self }
    }

    /// On one that has no more memory than this.
    pub(crate) fn memory(self, limit: MemoryLimit) -> Self {
        let memory = Some(limit);
        Self { memory, ..self }
    }

    /// On one whose good checks have targets with names. `None` where there can be no name server.
    pub(crate) fn by_name(self) -> Option<Self> {
        let zone = (0..self.good).fold(Zone::new(), |zone, number| {
            let name = format!("{GOOD}{number}.test");
            zone.manner(&name, Manner::Answers)
                .address(&name, Ipv4Addr::LOCALHOST)
        });
        let [.., third, fourth] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 53, third, fourth.clamp(1, 254));
        let server = zone.otherwise(Manner::Silent).start_at(address);
        if server.is_none() {
            skip("the port of DNS");
        }
        let names = Some((server?, TempDir::new().unwrap()));
        let scenario = Self { names, ..self };
        scenario.around(Program::at("/bin/true")).map(|_| scenario)
    }

    /// The attacks go on until it has ended.
    pub(crate) fn until_the_end(self) -> Self {
        Self {
            is_until_the_end: true,
            ..self
        }
    }

    /// On one that has a certificate for its admin address.
    pub(crate) fn certified(self) -> Self {
        Self {
            has_certificate: true,
            ..self
        }
    }

    /// Holds every promise against the attacks. No other scenario runs at the same time.
    pub(crate) async fn withstand(self) {
        static TURN: Mutex<()> = Mutex::const_new(());
        let _alone = TURN.lock().await;
        let (world, bad) = (World::new(self.has_certificate), Bad::of(self.attacks));
        let (calm_suite, attacked_suite) = (self.suite(&world, &[]), self.suite(&world, &bad.checks));
        let with = |program| self.around(program).expect("it was tried");
        let mut service = Service::start(&world, &calm_suite, &attacked_suite, with);
        if !self.machines().any(|machine| machine == Machine::UnreadOutput) {
            service.process.read_on();
        }
        let calm = self.calm(&service).await;
        let open = service.process.descriptors().len();
        if !bad.checks.is_empty() {
            service.reload(&attacked_suite).await;
        }
        let begin = |machine| Ongoing::begin(machine, &service, &world, self.clock.as_ref());
        let mut ongoing: Vec<_> = self.machines().map(begin).collect();
        ongoing.extend(Turns::begin(self.attacks, &service.entrance).map(Ongoing::Crowds));
        let (witness, mut seen) = (Witness::start(), Seen::default());
        let held = seen.hold((&service, &world), self.attacks, &mut ongoing).await;
        let machine = witness.stop();
        if !self.is_until_the_end {
            ongoing.into_iter().for_each(|attack| attack.end(&world));
            service.reload(&calm_suite).await;
            recovers(&service, open).await;
            seen.look(&service, &world).await;
        }
        let ended_in = service.terminate().await;
        let ending = service.process.end();
        seen.roots.add(&world.collector.arrivals());
        let evidence = Evidence {
            name: self.name,
            calm,
            held,
            seen,
            probe: self.attacks.iter().map(Attack::probe).max().unwrap(),
            machine,
            ended_in,
            code: ending.code,
            records: records(&service.folder.path().join("state")),
            kills: self.memory.as_ref().map_or(0, MemoryLimit::kills),
        };
        evidence.shows_that_all_promises_hold();
    }

    fn machines(&self) -> impl Iterator<Item = Machine> {
        self.attacks.iter().filter_map(|attack| match attack.by {
            By::Machine(machine) => Some(machine),
            _ => None,
        })
    }

    fn suite(&self, world: &World, bad: &[Value]) -> String {
        let port = world.site.address().port();
        let url = |number: usize| match self.names {
            None => format!("http://127.0.0.1:{port}/"),
            Some(_) => format!("http://{GOOD}{number}.test:{port}/"),
        };
        suite(self.good, if minutes().is_some() { "1s" } else { "2s" }, url, bad)
    }

    /// The program in these surroundings.
    fn around(&self, program: Program) -> Option<Program> {
        let program = match &self.clock {
            Some(clock) => clock.of(program),
            None => program,
        };
        let program = match &self.memory {
            Some(limit) => limit.of(program),
            None => program,
        };
        match &self.names {
            Some((server, folder)) => resolving_by(program, server.address().ip(), folder.path()),
            None => Some(program),
        }
    }

    /// Every good check has run.
    async fn calm(&self, service: &Service) -> Value {
        let have_all_run = |status: &Value| {
            let run = named(status, GOOD).filter(|check| sum(&check["account"]["finished"]) > 0);
            run.count() == self.good
        };
        service.until("all good checks have run", have_all_run).await
    }
}

/// Waits until nothing is left of the attacks: no complaint but of the last minute, no descriptor.
async fn recovers(service: &Service, open: usize) {
    let began = Instant::now();
    let is_over = |problem: &(String, String)| {
        let what = problem.0.as_str();
        minutes().is_none() && OF_THE_LAST_MINUTE.contains(&what)
    };
    loop {
        let problems = service.problems().await;
        let descriptors = service.process.descriptors();
        if problems.iter().all(is_over) && descriptors.len() <= open + SLACK {
            return;
        }
        assert!(
            began.elapsed() < LIMIT,
            "it does not recover: {problems:?}, {descriptors:#?}"
        );
        sleep(crate::hold::LOOK).await;
    }
}
