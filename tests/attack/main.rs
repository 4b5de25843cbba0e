//! Attacks on a whole service, with everything switched on: a collector, receivers of alerts, a heartbeat, the admin
//! address, state and spool on disk. Good checks run beside, and the same promises are held against each attack.
//!
//! | variable | meaning |
//! |---|---|
//! | `CANARY_ATTACK_MINUTES` | how long each attack goes on; a few runs of the good checks otherwise |
//! | `CANARY_ATTACK_BINARY` | the runner that is attacked; the one that was built with the tests otherwise |
//!
//! An attack of minutes is measured: lag, and how fast probes are answered. A short one says what was seen and asks only
//! that nothing was missed, since it runs against a debug build beside whatever else the machine does.
#![cfg(test)]

mod attack;
mod checks;
mod crowd;
mod disk;
mod hold;
mod ongoing;
mod prober;
mod promises;
mod scenario;
mod service;
mod spans;
mod turns;
mod witness;

use attack::{CLIENTS, ERRORS, HANGS, HOGS, NAMES, NO_DESCRIPTORS, READ_ONLY, SURROUNDINGS, TLS_CLIENTS};
use canary_tests::machine::{Clock, MemoryLimit};
use scenario::Scenario;

/// What the service has to do with where its memory is limited: twenty hostile checks of every kind beside fifty good ones.
const MEMORY: u64 = 256 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn unread_output_a_hanging_receiver_and_a_clock_that_is_set() {
    let Some(clock) = Clock::right() else { return };
    let scenario = Scenario::of("surroundings", &SURROUNDINGS).clock(clock);
    scenario.until_the_end().withstand().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_good_checks_beside_every_kind_of_hog_within_256_mib() {
    let Some(limit) = MemoryLimit::new(MEMORY) else {
        return;
    };
    let scenario = Scenario::of("hogs", &HOGS).good(50).memory(limit);
    scenario.withstand().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_silent_zones_and_ten_floods_of_names() {
    let Some(scenario) = Scenario::of("names", &NAMES).by_name() else {
        return;
    };
    scenario.withstand().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_slow_clients_at_the_admin_address() {
    Scenario::of("clients", &CLIENTS).withstand().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_slow_clients_at_an_admin_address_with_tls() {
    let scenario = Scenario::of("TLS clients", &TLS_CLIENTS);
    scenario.certified().withstand().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_with_the_disk_that_passes() {
    for attack in [&ERRORS, &HANGS, &NO_DESCRIPTORS] {
        disk::passes(attack).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_with_the_disk_that_the_service_is_killed_in() {
    for attack in [&ERRORS, &HANGS, &READ_ONLY, &NO_DESCRIPTORS] {
        disk::kills(attack).await;
    }
}
