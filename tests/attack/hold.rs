//! An attack that goes on, and what is seen of the service meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::attack::Attack;
use crate::checks::{BAD, GOOD};
use crate::ongoing::Ongoing;
use crate::promises::{changed, named, sum};
use crate::service::{LIMIT, Service, World};
use crate::spans::Roots;

/// Runs of each good check in a short attack.
const ROUNDS: u64 = 4;
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// How long an attack goes on, where somebody has said so.
pub(crate) fn minutes() -> Option<Duration> {
    let minutes = std::env::var_os("CANARY_ATTACK_MINUTES")?;
    let minutes: u64 = minutes
        .to_str()
        .and_then(|text| text.parse().ok())
        .expect("a number of minutes");
    Some(Duration::from_secs(60 * minutes))
}

/// What was seen of a service.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How long `/livez` took to answer each time, which was 200.
    pub(crate) probes: Vec<Duration>,
    /// The most memory, in bytes.
    pub(crate) memory: u64,
    /// What `/readyz` complained of, and the last message of each.
    pub(crate) complaints: BTreeMap<String, String>,
    pub(crate) roots: Roots,
    /// Pings of success, and notifications that came to the receiver that works.
    pub(crate) beats: usize,
    pub(crate) notified: usize,
}

impl Seen {
    pub(crate) async fn look(&mut self, service: &Service, world: &World) {
        let asked = Instant::now();
        let answer = service.entrance.get("/livez").expect("/livez is answered");
        self.probes.push(asked.elapsed());
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.memory = self.memory.max(service.process.peak_resident());
        for (what, message) in service.problems().await {
            let name = message.split('`').nth(1).unwrap_or_default();
            self.complaints.insert(format!("{what} {name}"), message);
        }
        self.roots.add(&world.collector.arrivals());
    }

    fn has_named(&self, attack: &Attack) -> bool {
        attack.complaint.is_none_or(|complaint| {
            let is_meant = |(what, message): (&String, &String)| {
                what.starts_with(complaint.what) && message.contains(complaint.names)
            };
            complaint.takes_long && minutes().is_none() || self.complaints.iter().any(is_meant)
        })
    }

    /// Looks until the attacks have gone on for long enough; the status then.
    pub(crate) async fn hold(
        &mut self,
        (service, world): (&Service, &World),
        attacks: &[Attack],
        ongoing: &mut [Ongoing<'_>],
    ) -> Value {
        let (began, calm) = (Instant::now(), service.status().await);
        let (beats, notified) = (world.beats(), world.well.taken().len());
        let (mut looks, mut last) = (0, Instant::now());
        loop {
            ongoing.iter_mut().for_each(|attack| attack.go_on(looks));
            self.look(service, world).await;
            let status = service.status().await;
            let is_enough = minutes().is_none_or(|minutes| began.elapsed() >= minutes);
            if is_enough && ongoing.iter().all(Ongoing::is_over) {
                let open = self.open(&calm, &status, attacks);
                if open.is_empty() {
                    self.beats = world.beats() - beats;
                    self.notified = world.well.taken().len() - notified;
                    return status;
                }
                assert!(
                    last.elapsed() < LIMIT,
                    "not seen: {open:?}; {:?}",
                    self.complaints
                );
            } else {
                last = Instant::now();
            }
            looks += 1;
            sleep(LOOK).await;
        }
    }

    /// What has not come about yet.
    fn open(&self, calm: &Value, status: &Value, attacks: &[Attack]) -> Vec<String> {
        let silent = attacks.iter().filter(|attack| !self.has_named(attack));
        let mut open: Vec<String> = silent.map(|attack| format!("{:?}", attack.complaint)).collect();
        for (beginning, enough) in [(GOOD, ROUNDS), (BAD, 1)] {
            let few = named(status, beginning).filter(|check| {
                let runs = changed(calm, check, |check| sum(&check["account"]["finished"]));
                runs < enough
            });
            open.extend(few.map(|check| format!("{enough} runs of {}", check["name"])));
        }
        open
    }
}
