//! The suite: good checks, a flapping one so that there is always an alert to send, and hostile ones.

use canary_tests::certificate::Authority;
use canary_tests::harness::HOSTILE;
use canary_tests::peer::Peer;
use serde_json::{Value, json};

use crate::attack::{Attack, Attacker};

/// The check that changes its status with each run.
pub(crate) const FLAPPING: &str = "flapping";
/// Number of DNS zones that never answer.
const ZONES: usize = 8;

/// Prefix of the names of good checks.
pub(crate) const GOOD: &str = "good";
/// Prefix of the names of hostile checks.
pub(crate) const BAD: &str = "hostile";

/// The checks of an attack, and the peers that are their targets.
#[derive(Default)]
pub(crate) struct HostileChecks {
    pub(crate) checks: Vec<Value>,
    peers: Vec<Peer>,
}

impl HostileChecks {
    pub(crate) fn new(attacks: &[Attack]) -> Self {
        let mut bad = Self::default();
        for attack in attacks {
            bad.add(attack);
        }
        bad
    }

    fn add(&mut self, attack: &Attack) {
        match attack.attacker {
            Attacker::Guest(behaviour, peer) => {
                let behaviour: Value = serde_json::from_str(behaviour).unwrap();
                let target = self.keep(peer.start());
                let config = json!({ "hold": 1, "on_each": "nothing", "then": behaviour });
                self.push(
                    attack,
                    json!({ "plugin": "hostile", "target": target, "config": config }),
                );
            }
            Attacker::Target(plugin, peer) => {
                let target = self.keep(peer.start());
                let target = if plugin == "http" {
                    format!("http://{target}/")
                } else {
                    target
                };
                self.push(attack, json!({ "plugin": plugin, "target": target }));
            }
            Attacker::TlsTarget(peer) => {
                let target = self.keep(peer.start(&Authority::new("Test Root")));
                self.push(attack, json!({ "plugin": "tls", "target": target }));
            }
            Attacker::SilentZones(count) => (0..count).for_each(|number| {
                let target = format!("http://n{number}.silent{}.test:1/", number % ZONES);
                self.push(attack, json!({ "plugin": "http", "target": target }));
            }),
            Attacker::FloodOfNames(count) => (0..count).for_each(|_| {
                self.push(
                    attack,
                    json!({
                        "plugin": "hostile",
                        "target": "127.0.0.1:1",
                        "allow": ["tcp://*:*"],
                        "quota": { "lookups": 1000 },
                        "config": { "then": { "flood_connects": 5000 } },
                    }),
                );
            }),
            Attacker::HostFault(_) | Attacker::Clients(..) | Attacker::DiskFault(_) => {}
        }
    }

    fn keep(&mut self, peer: Peer) -> String {
        let address = peer.address().to_string();
        self.peers.push(peer);
        address
    }

    fn push(&mut self, attack: &Attack, mut check: Value) {
        check["name"] = json!(format!("{BAD} {}: {}", self.checks.len(), attack.name));
        self.checks.push(check);
    }
}

/// A suite with this many good checks of `url`, the flapping check, and `bad` ones.
pub(crate) fn suite(good: usize, interval: &str, url: impl Fn(usize) -> String, bad: &[Value]) -> String {
    let good = (0..good)
        .map(|number| json!({ "name": format!("{GOOD} {number}"), "plugin": "http", "target": url(number) }));
    let mut flapping = json!({ "name": FLAPPING, "plugin": "http", "target": url(0) + "flap" });
    flapping["failure_threshold"] = json!(1);
    let checks: Vec<Value> = good.chain([flapping]).chain(bad.iter().cloned()).collect();
    let suite = json!({
        "plugins": { "hostile": { "path": HOSTILE } },
        "defaults": { "interval": interval, "timeout": interval, "retries": 0, "success_threshold": 1 },
        "checks": checks,
    });
    suite.to_string()
}
