use std::fs::File;
use std::time::Duration;

use canary_tests::command::Program;
use canary_tests::systemd::Systemd;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::time::{Instant, sleep};

use super::reserved_fds::ReservedFds;
use super::systemd;
use canary_net::ledger::audit::InternalFds;

#[test]
fn systemd_is_notified_of_each_state_and_of_life_only_while_there_is_some() {
    let manager = Systemd::listen();
    let service = Program::test("tests::a_service_that_dies_after_25_s")
        .env("NOTIFY_SOCKET", manager.path())
        .env("WATCHDOG_USEC", "20000000")
        .start();
    assert_eq!(manager.notice(), "READY=1\nSTATUS=2 checks READY=0\n");
    let reloading = manager.notice();
    let moment = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    assert!(moment.trim().parse::<u64>().unwrap() > 0, "{reloading}");
    for _ in ["at once", "after 10 s", "after 20 s"] {
        assert_eq!(manager.notice(), "WATCHDOG=1\n");
    }
    assert_eq!(manager.notice(), "STOPPING=1\nSTATUS=waiting for 1 run\n");
    let ending = service.end();
    assert_eq!(ending.code, 0, "{ending:?}");
}

#[tokio::test(start_paused = true)]
#[ignore = "of use in a process of its own with an environment of its own"]
async fn a_service_that_dies_after_25_s() {
    systemd::ready("2 checks\nREADY=0").unwrap();
    systemd::reloading().unwrap();
    let start = Instant::now();
    let is_live = || start.elapsed() < Duration::from_secs(25);
    systemd::watchdog(is_live, &InternalFds::default(), sleep(Duration::from_mins(2))).await;
    assert_eq!(start.elapsed(), Duration::from_mins(2));
    systemd::stopping("waiting for 1 run").unwrap();
}

#[tokio::test]
async fn without_systemd_nothing_is_sent_and_nothing_fails() {
    systemd::ready("").unwrap();
    systemd::watchdog(|| true, &InternalFds::default(), std::future::pending()).await;
}

#[test]
fn reserved_descriptors_count_as_internal_while_they_are_open() {
    let internal_fds = InternalFds::default();
    let mut reserved = ReservedFds::new(&internal_fds, 2);
    assert_eq!(internal_fds.count(), 2);
    reserved.release();
    assert_eq!(internal_fds.count(), 0);
    reserved.refill();
    reserved.refill();
    assert_eq!(internal_fds.count(), 2);
    drop(reserved);
    assert_eq!(internal_fds.count(), 0);
}

/// Uses up the descriptors of this process, after limiting them to 64.
pub(super) fn use_up_descriptors(files: &mut Vec<File>) {
    let few = Rlimit {
        current: Some(64),
        maximum: Some(64),
    };
    setrlimit(Resource::Nofile, few).unwrap();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
}
