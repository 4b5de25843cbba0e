//! A disk in trouble under a service with everything switched on, its spool on the same disk. What is there of a full, a
//! locked and a missing database in `runner/tests/cli/disk.rs` is not here again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use canary_tests::command::Program;
use canary_tests::machine::BlockDevice;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::attack::{Attack, By, Trouble};
use crate::checks::GOOD;
use crate::hold::LOOK;
use crate::promises::{named, sum};
use crate::service::{LIMIT, Service, World, records};

/// The check whose target goes down.
const PAGE: &str = "page";
/// Descriptors that a runner may still open where there are next to none.
const FREE: usize = 3;
/// Descriptors of a machine that has few.
const FEW: u32 = 64;

/// A service, and the disk that its state is on.
struct Stage<'a> {
    attack: &'a Attack,
    trouble: Trouble,
    world: World,
    device: Option<BlockDevice>,
    folder: TempDir,
}

impl<'a> Stage<'a> {
    /// `None` where the trouble cannot be made.
    fn of(attack: &'a Attack) -> Option<Self> {
        let By::Disk(trouble) = attack.by else { return None };
        let folder = TempDir::new().unwrap();
        let device = match trouble {
            Trouble::NoDescriptors => None,
            _ => Some(BlockDevice::mount(folder.path())?),
        };
        Some(Self {
            attack,
            trouble,
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
            "defaults": { "interval": "1s", "timeout": "1s", "retries": 0, "failure_threshold": 2 },
            "checks": good.chain([check(PAGE.to_owned(), "/page")]).collect::<Vec<_>>(),
        });
        let suite = suite.to_string();
        let with = |program: Program| with(program.env("CANARY_STATE_DIR", self.state()));
        let mut service = Service::start(&self.world, &suite, &suite, with);
        service.process.read_on();
        self.rounds(&service).await;
        service
    }

    /// Two more runs of each good check have ended, and none of them as a failure of its target.
    async fn rounds(&self, service: &Service) {
        let finished = |check: &Value| sum(&check["account"]["finished"]);
        let before = service.status().await;
        let enough = |status: &Value| {
            let mut few = named(status, GOOD).filter(|check| {
                let mut all = named(&before, GOOD);
                let before = all.find(|before| before["id"] == check["id"]).map_or(0, finished);
                finished(check) < before + 2
            });
            few.next().is_none()
        };
        let status = service.until("two more runs of each good check", enough).await;
        for check in named(&status, GOOD) {
            let counts = &check["account"]["finished"];
            let blamed = counts["fail"].as_u64().unwrap() + counts["faulted"].as_u64().unwrap();
            assert_eq!(blamed, 0, "{:?}: {check:#}", self.attack);
        }
    }

    /// Brings the trouble about.
    fn begin(&self, service: &Service) {
        match (self.trouble, &self.device) {
            (Trouble::Errors, Some(device)) => device.fail(),
            (Trouble::Hangs, Some(device)) => device.freeze(),
            (Trouble::ReadOnly, Some(device)) => device.turn_read_only(),
            _ => {
                let open = service.process.descriptors();
                let mut free = (0..).filter(|number: &u64| !open.contains_key(&number.to_string()));
                service.process.limit_descriptors(free.nth(FREE).unwrap());
            }
        }
    }

    /// Ends it. Nobody uses a disk that has become read-only.
    fn end(&self, service: Option<&Service>) {
        match (self.trouble, &self.device, service) {
            (Trouble::Errors, Some(device), _) => device.mend(),
            (Trouble::Hangs, Some(device), _) => device.thaw(),
            (Trouble::ReadOnly, Some(device), _) => device.mount_again(),
            (_, _, Some(service)) => service.process.limit_descriptors(1_024),
            _ => {}
        }
    }

    async fn is_named(&self, service: &Service) {
        let Some(complaint) = self.attack.complaint else {
            return;
        };
        let began = Instant::now();
        loop {
            let problems = service.problems().await;
            let is_meant = |(what, message): &(String, String)| {
                what == complaint.what && message.contains(complaint.names)
            };
            if problems.iter().any(is_meant) {
                return;
            }
            assert!(
                began.elapsed() < LIMIT,
                "{:?} is not named: {problems:?}",
                self.attack
            );
            sleep(LOOK).await;
        }
    }

    /// Waits until nothing is wrong with the disk.
    async fn heals(&self, service: &Service) {
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
            sleep(LOOK).await;
        }
    }

    /// `kill -9`. A process that waits for a disk that hangs is gone when the disk goes on.
    fn kill(&self, service: Service) {
        service.process.signal(Signal::KILL);
        if self.trouble == Trouble::Hangs {
            self.end(None);
        }
        drop(service);
    }

    /// What had to pass for a process to be gone is there again.
    fn goes_on(&self) {
        if let (Trouble::Hangs, Some(device)) = (self.trouble, &self.device) {
            device.freeze();
        }
    }

    /// The target goes up or down, and that is sent.
    async fn turns(&self, is_bad: bool) {
        let wanted = if is_bad { "firing" } else { "resolved" };
        self.world.is_bad.store(is_bad, Ordering::SeqCst);
        let began = Instant::now();
        while self.sent().last().is_none_or(|last| last["event"] != wanted) {
            assert!(began.elapsed() < LIMIT, "{:?}: nobody is notified", self.attack);
            sleep(LOOK).await;
        }
    }

    /// What was sent of the target.
    fn sent(&self) -> Vec<Value> {
        let mut sent = self.world.well.bodies();
        sent.retain(|one| one["check"] == PAGE);
        sent
    }

    /// Nothing was sent twice or forgotten: an alert begins, it is over, and then the next may begin. There is more than one
    /// where the machine had no time for a run, which ends an alert.
    fn takes_turns(&self) {
        let sent = self.sent();
        for (place, one) in sent.iter().enumerate() {
            let event = ["firing", "resolved"][place % 2];
            assert_eq!(one["event"], event, "{:?}: {sent:#?}", self.attack);
            let is_repeated = sent[..place].iter().any(|before| before["id"] == one["id"]);
            assert!(!is_repeated, "{:?}: {sent:#?}", self.attack);
        }
    }

    /// The target is up again: that is sent once, and nothing was sent twice.
    async fn comes_out_even(&self, service: Service) {
        self.rounds(&service).await;
        self.takes_turns();
        self.turns(false).await;
        self.rounds(&service).await;
        service.terminate().await;
        let ending = service.process.end();
        assert_eq!(ending.code, 0, "{ending:?}");
        self.takes_turns();
        let records = records(&self.state());
        assert_eq!(records.len(), 6);
        for (check, record) in records {
            assert!(record.account.holds(0, 0), "{check}: {:?}", record.account);
        }
        assert!(set_aside(&self.state()).is_empty(), "{:?}", self.attack);
    }
}

/// Files of the state that were taken for corrupt.
fn set_aside(state: &Path) -> Vec<String> {
    let names = fs::read_dir(state)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.contains("broken")).collect()
}

/// The target goes down in the trouble, the trouble passes, and then the service is killed.
pub(crate) async fn passes(attack: &Attack) {
    let Some(stage) = Stage::of(attack) else { return };
    let first = stage.start(|program| program).await;
    stage.begin(&first);
    stage.turns(true).await;
    stage.is_named(&first).await;
    stage.rounds(&first).await;
    stage.end(Some(&first));
    stage.heals(&first).await;
    stage.rounds(&first).await;
    drop(first);
    let second = stage.start(|program| program).await;
    stage.comes_out_even(second).await;
}

/// The target is down, and the service is killed in the trouble, and again after a start in it.
pub(crate) async fn kills(attack: &Attack) {
    let Some(stage) = Stage::of(attack) else { return };
    let first = stage.start(|program| program).await;
    stage.turns(true).await;
    stage.rounds(&first).await;
    stage.begin(&first);
    stage.is_named(&first).await;
    stage.rounds(&first).await;
    stage.kill(first);
    stage.goes_on();
    let few = |program: Program| match stage.trouble {
        Trouble::NoDescriptors => program.descriptors(FEW),
        _ => program,
    };
    let second = stage.start(few).await;
    stage.kill(second);
    if stage.trouble != Trouble::Hangs {
        stage.end(None);
    }
    let third = stage.start(|program| program).await;
    stage.heals(&third).await;
    stage.comes_out_even(third).await;
}
