//! Disk faults under a service with all features enabled, with the spool on the same disk. Full, locked and missing
//! databases are tested in `runner/tests/cli/disk.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use canary_tests::command::Program;
use canary_tests::machine::BlockDevice;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::attack::{Attack, Attacker, DiskFault};
use crate::checks::GOOD;
use crate::observation::SAMPLE_INTERVAL;
use crate::promises::{checks_with_prefix, sum};
use crate::scenario::TURN;
use crate::service::{LIMIT, Service, World, records};

/// The check whose target goes down.
const TARGET_CHECK: &str = "page";
/// Descriptors that a runner can still open under [`DiskFault::NoDescriptors`].
const FREE_DESCRIPTORS: usize = 3;
/// Descriptor limit of a runner that starts under [`DiskFault::NoDescriptors`].
const FEW_DESCRIPTORS: u32 = 64;

/// A service, and the disk with its state.
struct DiskScenario<'a> {
    attack: &'a Attack,
    fault: DiskFault,
    world: World,
    device: Option<BlockDevice>,
    folder: TempDir,
}

impl<'a> DiskScenario<'a> {
    /// `None` where the fault cannot be produced.
    fn new(attack: &'a Attack) -> Option<Self> {
        let Attacker::DiskFault(fault) = attack.attacker else {
            return None;
        };
        let folder = TempDir::new().unwrap();
        let device = match fault {
            DiskFault::NoDescriptors => None,
            _ => Some(BlockDevice::mount(folder.path())?),
        };
        Some(Self {
            attack,
            fault,
            world: World::new(false),
            device,
            folder,
        })
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    async fn start(&self, with: impl FnOnce(Program) -> Program) -> Service {
        let site = self.world.site.address();
        let check = |name: String, path| json!({ "name": name, "plugin": "http", "target": format!("http://{site}{path}") });
        let good = (0..5).map(|number| check(format!("{GOOD} {number}"), "/"));
        let suite = json!({
            "defaults": { "interval": "2s", "timeout": "2s", "retries": 0, "failure_threshold": 2 },
            "checks": good.chain([check(TARGET_CHECK.to_owned(), "/page")]).collect::<Vec<_>>(),
        });
        let suite = suite.to_string();
        let with = |program: Program| with(program.env("CANARY_STATE_DIR", self.state()));
        let mut service = Service::start(&self.world, &suite, &suite, with);
        service.process.drain_output();
        self.wait_for_runs(&service).await;
        service
    }

    /// Waits until two more runs of each good check have ended, and asserts that none blames its target.
    async fn wait_for_runs(&self, service: &Service) {
        let finished = |check: &Value| sum(&check["account"]["finished"]);
        let before = service.status().await;
        let enough = |status: &Value| {
            let mut few = checks_with_prefix(status, GOOD).filter(|check| {
                let mut all = checks_with_prefix(&before, GOOD);
                let before = all.find(|before| before["id"] == check["id"]).map_or(0, finished);
                finished(check) < before + 2
            });
            few.next().is_none()
        };
        let status = service.until("two more runs of each good check", enough).await;
        for check in checks_with_prefix(&status, GOOD) {
            let counts = &check["account"]["finished"];
            let blamed = counts["fail"].as_u64().unwrap() + counts["faulted"].as_u64().unwrap();
            assert_eq!(blamed, 0, "{:?}: {check:#}", self.attack);
        }
    }

    /// Starts the fault.
    fn start_fault(&self, service: &Service) {
        match (self.fault, &self.device) {
            (DiskFault::Errors, Some(device)) => device.fail(),
            (DiskFault::Hangs, Some(device)) => device.freeze(),
            (DiskFault::ReadOnly, Some(device)) => device.turn_read_only(),
            _ => {
                let open = service.process.descriptors();
                let mut free = (0..).filter(|number: &u64| !open.contains_key(&number.to_string()));
                service
                    .process
                    .limit_descriptors(free.nth(FREE_DESCRIPTORS).unwrap());
            }
        }
    }

    /// Ends the fault. A disk that has become read-only must not be in use.
    fn end_fault(&self, service: Option<&Service>) {
        match (self.fault, &self.device, service) {
            (DiskFault::Errors, Some(device), _) => device.repair(),
            (DiskFault::Hangs, Some(device), _) => device.thaw(),
            (DiskFault::ReadOnly, Some(device), _) => device.mount_again(),
            (_, _, Some(service)) => service.process.limit_descriptors(1_024),
            _ => {}
        }
    }

    async fn wait_for_issue(&self, service: &Service) {
        let Some(issue) = self.attack.expected_issue else {
            return;
        };
        let began = Instant::now();
        loop {
            let problems = service.problems().await;
            let is_meant =
                |(what, message): &(String, String)| what == issue.code && message.contains(issue.message);
            if problems.iter().any(is_meant) {
                return;
            }
            assert!(
                began.elapsed() < LIMIT,
                "{:?} is not named: {problems:?}",
                self.attack
            );
            sleep(SAMPLE_INTERVAL).await;
        }
    }

    /// Waits until no problem with the disk is reported.
    async fn wait_until_healthy(&self, service: &Service) {
        let began = Instant::now();
        loop {
            let problems = service.problems().await;
            let is_of_disk = |what: &str| {
                what.starts_with("state_") || what == "component_stalled" || what == "spool_failing"
            };
            if !problems.iter().any(|(what, _)| is_of_disk(what)) {
                return;
            }
            assert!(began.elapsed() < LIMIT, "{:?}: {problems:?}", self.attack);
            sleep(SAMPLE_INTERVAL).await;
        }
    }

    /// `kill -9`. A process that is blocked on a hanging disk only exits once the disk works again.
    fn kill(&self, service: Service) {
        service.process.signal(Signal::KILL);
        if self.fault == DiskFault::Hangs {
            self.end_fault(None);
        }
        drop(service);
    }

    /// Restores the hang that had to end for the process to exit.
    fn freeze_again(&self) {
        if let (DiskFault::Hangs, Some(device)) = (self.fault, &self.device) {
            device.freeze();
        }
    }

    /// Changes the target's state, and waits for the notification.
    async fn set_target(&self, is_bad: bool) {
        let wanted = if is_bad { "firing" } else { "resolved" };
        self.world.is_bad.store(is_bad, Ordering::SeqCst);
        let began = Instant::now();
        while self.sent().last().is_none_or(|last| last["event"] != wanted) {
            assert!(began.elapsed() < LIMIT, "{:?}: nobody is notified", self.attack);
            sleep(SAMPLE_INTERVAL).await;
        }
    }

    /// The notifications about the target.
    fn sent(&self) -> Vec<Value> {
        let mut sent = self.world.healthy.bodies();
        sent.retain(|one| one["check"] == TARGET_CHECK);
        sent
    }

    /// Asserts that no notification was repeated or lost: firing and resolved alternate. There may be more than one
    /// alert, since a run without a verdict on a busy machine ends an alert.
    fn assert_alternating(&self) {
        let sent = self.sent();
        for (index, one) in sent.iter().enumerate() {
            let event = ["firing", "resolved"][index % 2];
            assert_eq!(one["event"], event, "{:?}: {sent:#?}", self.attack);
            let is_repeated = sent[..index].iter().any(|before| before["id"] == one["id"]);
            assert!(!is_repeated, "{:?}: {sent:#?}", self.attack);
        }
    }

    /// Brings the target up, and asserts that notifications and run accounts are correct after shutdown.
    async fn assert_recovered(&self, service: Service) {
        self.wait_for_runs(&service).await;
        self.assert_alternating();
        self.set_target(false).await;
        self.wait_for_runs(&service).await;
        service.terminate().await;
        let ending = service.process.end();
        assert_eq!(ending.code, 0, "{ending:?}");
        self.assert_alternating();
        let records = records(&self.state());
        assert_eq!(records.len(), 6);
        for (check, record) in records {
            assert!(record.account.is_balanced(0, 0), "{check}: {:?}", record.account);
        }
        assert!(quarantined(&self.state()).is_empty(), "{:?}", self.attack);
    }
}

/// State files that were renamed as corrupt.
fn quarantined(state: &Path) -> Vec<String> {
    let names = fs::read_dir(state)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.contains("broken")).collect()
}

/// The target goes down during the fault, the fault ends, and then the service is killed.
pub(crate) async fn recovers_from(attack: &Attack) {
    let _alone = TURN.lock().await;
    let Some(scenario) = DiskScenario::new(attack) else {
        return;
    };
    let first = scenario.start(|program| program).await;
    scenario.start_fault(&first);
    scenario.set_target(true).await;
    scenario.wait_for_issue(&first).await;
    scenario.wait_for_runs(&first).await;
    scenario.end_fault(Some(&first));
    scenario.wait_until_healthy(&first).await;
    scenario.wait_for_runs(&first).await;
    drop(first);
    let second = scenario.start(|program| program).await;
    scenario.assert_recovered(second).await;
}

/// The target is down, the service is killed during the fault, and again after a start during the fault.
pub(crate) async fn survives_kills_in(attack: &Attack) {
    let _alone = TURN.lock().await;
    let Some(scenario) = DiskScenario::new(attack) else {
        return;
    };
    let first = scenario.start(|program| program).await;
    scenario.set_target(true).await;
    scenario.wait_for_runs(&first).await;
    scenario.start_fault(&first);
    scenario.wait_for_issue(&first).await;
    scenario.wait_for_runs(&first).await;
    scenario.kill(first);
    scenario.freeze_again();
    let few = |program: Program| match scenario.fault {
        DiskFault::NoDescriptors => program.descriptors(FEW_DESCRIPTORS),
        _ => program,
    };
    let second = scenario.start(few).await;
    scenario.kill(second);
    if scenario.fault != DiskFault::Hangs {
        scenario.end_fault(None);
    }
    let third = scenario.start(|program| program).await;
    scenario.wait_until_healthy(&third).await;
    scenario.assert_recovered(third).await;
}
