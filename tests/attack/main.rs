//! Attacks on a whole service with all features enabled: collector, alert receivers, heartbeat, admin address, state
//! and spool on disk. Good checks run at the same time, and the same promises are verified under each attack.
//!
//! | variable | meaning |
//! |---|---|
//! | `CANARY_ATTACK_MINUTES` | duration of each attack; without it, a few runs of the good checks |
//! | `CANARY_ATTACK_BINARY` | the program to attack; without it, the one built with the tests |
//!
//! An attack of minutes asserts the lag, the latency of every probe and how long the end takes. A short one runs
//! against a debug build on a machine that may be busy. It asserts that nothing was missed, and the median latency of
//! probes, the share that is refused and how long the end takes, with limits that grow with the time that a plain
//! server beside it takes.
#![cfg(test)]

mod active_attack;
mod attack;
mod checks;
mod client_waves;
mod clients;
mod disk;
mod observation;
mod prober;
mod promises;
mod reference;
mod root_spans;
mod scenario;
mod service;
mod wake_latency;

use attack::{CLIENTS, ERRORS, HANGS, HOGS, HOST_FAULTS, NAMES, NO_DESCRIPTORS, READ_ONLY, TLS_CLIENTS};
use canary_tests::machine::{Clock, MemoryLimit};
use scenario::Scenario;

/// Memory limit of the service with one hostile check of each kind and fifty good checks.
const MEMORY_LIMIT: u64 = 256 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn unread_output_a_hanging_receiver_and_a_clock_that_is_set() {
    let Some(clock) = Clock::new() else { return };
    let scenario = Scenario::new("surroundings", &HOST_FAULTS).clock(clock);
    scenario.until_exit().run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_good_checks_beside_every_kind_of_hog_within_256_mib() {
    let Some(limit) = MemoryLimit::new(MEMORY_LIMIT) else {
        return;
    };
    let scenario = Scenario::new("hogs", &HOGS).good(50).memory(limit);
    scenario.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_silent_zones_and_ten_floods_of_names() {
    let Some(scenario) = Scenario::new("names", &NAMES).name_server() else {
        return;
    };
    scenario.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_slow_clients_at_the_admin_address() {
    Scenario::new("clients", &CLIENTS).run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_slow_clients_at_an_admin_address_with_tls() {
    let scenario = Scenario::new("TLS clients", &TLS_CLIENTS);
    scenario.admin_certificate().run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_with_the_disk_that_passes() {
    for attack in [&ERRORS, &HANGS, &NO_DESCRIPTORS] {
        disk::recovers_from(attack).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_with_the_disk_that_the_service_is_killed_in() {
    for attack in [&ERRORS, &HANGS, &READ_ONLY, &NO_DESCRIPTORS] {
        disk::survives_kills_in(attack).await;
    }
}
