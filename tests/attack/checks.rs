//! The suite: good checks, one that changes with each run so that there is always an alert to send, and hostile ones.

use canary_tests::certificate::Authority;
use canary_tests::harness::HOSTILE;
use canary_tests::peer::Peer;
use serde_json::{Value, json};

use crate::attack::{Attack, By};

/// The check that changes with each run.
pub(crate) const FLAPPING: &str = "flapping";
/// Zones that never answer.
const ZONES: usize = 8;

/// Names of the good checks begin with it.
pub(crate) const GOOD: &str = "good";
/// Names of the hostile checks begin with it.
pub(crate) const BAD: &str = "hostile";

/// The checks of an attack, and the targets that they need.
#[derive(Default)]
pub(crate) struct Bad {
    pub(crate) checks: Vec<Value>,
    peers: Vec<Peer>,
}

impl Bad {
    pub(crate) fn of(attacks: &[Attack]) -> Self {
        let mut bad = Self::default();
        for attack in attacks {
            bad.add(attack);
        }
        bad
    }

    fn add(&mut self, attack: &Attack) {
        match attack.by {
            By::Guest(behaviour, peer) => {
                let behaviour: Value = serde_json::from_str(behaviour).unwrap();
                let target = self.at(peer.start());
                let config = json!({ "hold": 1, "on_each": "nothing", "then": behaviour });
                self.push(
                    attack,
                    json!({ "plugin": "hostile", "target": target, "config": config }),
                );
            }
            By::Target(plugin, peer) => {
                let target = self.at(peer.start());
                let target = if plugin == "http" {
                    format!("http://{target}/")
                } else {
                    target
                };
                self.push(attack, json!({ "plugin": plugin, "target": target }));
            }
            By::TlsTarget(peer) => {
                let target = self.at(peer.start(&Authority::new("Test Root")));
                self.push(attack, json!({ "plugin": "tls", "target": target }));
            }
            By::SilentZones(count) => (0..count).for_each(|number| {
                let target = format!("http://n{number}.silent{}.test:1/", number % ZONES);
                self.push(attack, json!({ "plugin": "http", "target": target }));
            }),
            By::FloodOfNames(count) => (0..count).for_each(|_| {
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
            By::Machine(_) | By::Crowd(..) | By::Disk(_) => {}
        }
    }

    fn at(&mut self, peer: Peer) -> String {
        let address = peer.address().to_string();
        self.peers.push(peer);
        address
    }

    fn push(&mut self, attack: &Attack, mut check: Value) {
        check["name"] = json!(format!("{BAD} {}: {}", self.checks.len(), attack.name));
        self.checks.push(check);
    }
}

/// A suite with `good` checks of `url` and the one that changes, `bad` ones beside them.
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
