//! Waves of clients of the admin address, one kind after the other.

use std::io::Write as _;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use canary::ledger::raise_descriptor_limit;
use rustix::process::setpriority_process;
use tokio::sync::oneshot::{Sender, channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::attack::{Attack, Attacker};
use crate::clients::{AdminEndpoint, ClientBehaviour, Sources, run_client};
use crate::observation::configured_duration;
use crate::prober::{ProbeTimes, Prober};
use crate::reference::{Pace, Reference};

/// Concurrent clients.
const CLIENTS: u32 = 10_000;
const SHORT_CLIENTS: u32 = 2_000;
/// In a short attack a client reconnects after this time or up to twice as long; otherwise immediately.
const SHORT_PAUSE: Duration = Duration::from_secs(10);
/// Nice value of the clients' thread, so that the runner is measured and not the competition for processors.
const NICE: i32 = 10;
/// Duration of each wave in a short attack.
const SHORT_WAVE: Duration = Duration::from_secs(2);

/// The waves, and the probe latencies during each.
pub(crate) struct ClientWaves {
    admin: Arc<AdminEndpoint>,
    reference: Arc<Reference>,
    /// The waves that have not started; the next is the last element.
    pending: Vec<Wave>,
    length: Duration,
    running: RunningWave,
    finished: Vec<(Wave, ProbeTimes, Pace)>,
}

#[derive(Debug, Clone, Copy)]
struct Wave {
    name: &'static str,
    behaviour: ClientBehaviour,
    sources: Sources,
    /// Maximum latency of a probe.
    probe_limit: Duration,
}

struct RunningWave {
    wave: Wave,
    began: Instant,
    prober: Prober,
    clients: Clients,
}

/// Clients on a separate thread.
struct Clients {
    stop_tx: Sender<()>,
    thread: JoinHandle<()>,
}

impl ClientWaves {
    /// Starts the first wave, if `attacks` has any.
    pub(crate) fn begin(
        attacks: &[Attack],
        admin: &Arc<AdminEndpoint>,
        reference: &Arc<Reference>,
    ) -> Option<Self> {
        let wave = |attack: &Attack| match attack.attacker {
            Attacker::Clients(behaviour, sources) => Some(Wave {
                name: attack.name,
                behaviour,
                sources,
                probe_limit: attack.probe_limit(),
            }),
            _ => None,
        };
        let mut pending: Vec<_> = attacks.iter().rev().filter_map(wave).collect();
        let count = u32::try_from(pending.len()).unwrap();
        let first = pending.pop()?;
        raise_descriptor_limit().expect("it may be raised");
        Some(Self {
            running: RunningWave::begin(first, admin),
            admin: Arc::clone(admin),
            reference: Arc::clone(reference),
            pending,
            length: configured_duration().map_or(SHORT_WAVE, |duration| duration / count),
            finished: Vec::new(),
        })
    }

    /// Starts the next wave when the running one has had its time.
    pub(crate) fn step(&mut self) {
        if self.running.began.elapsed() < self.length {
            return;
        }
        if let Some(next) = self.pending.pop() {
            let next = RunningWave::begin(next, &self.admin);
            let ended = std::mem::replace(&mut self.running, next);
            self.finished.push(ended.end(&self.reference));
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.pending.is_empty() && self.running.began.elapsed() >= self.length
    }

    /// Reports the latencies, and asserts that probes were answered.
    pub(crate) fn end(mut self) {
        self.finished.push(self.running.end(&self.reference));
        for (wave, times, pace) in &self.finished {
            // Written directly, which bypasses the capture of test output.
            let _closed = writeln!(
                std::io::stderr(),
                "crowd {}: {} probes, p50 {:.1?}, p99 {:.1?}, at most {:.0?}; not answered: {:?}; {pace:.1?}",
                wave.name,
                times.count,
                times.p50,
                times.p99,
                times.max,
                times.failures,
            );
        }
        for (wave, times, pace) in self.finished {
            // In a short attack the machine may be busy, so only the median is asserted.
            let (time, limit, is_allowed) = match configured_duration() {
                Some(_) => (times.max, wave.probe_limit, times.failures.is_empty()),
                None => (
                    times.p50,
                    pace.median_limit(wave.probe_limit),
                    pace.allows_refused(times.failures.len(), times.count),
                ),
            };
            assert!(
                times.count > 0 && time < limit,
                "{wave:?}: /livez took {time:?}, more than {limit:?}"
            );
            assert!(is_allowed, "{wave:?}: {times:?}, {pace:?}");
        }
    }
}

impl RunningWave {
    fn begin(wave: Wave, admin: &Arc<AdminEndpoint>) -> Self {
        Self {
            wave,
            began: Instant::now(),
            clients: Clients::start(wave, Arc::clone(admin)),
            prober: Prober::start(Arc::clone(admin)),
        }
    }

    fn end(self, reference: &Reference) -> (Wave, ProbeTimes, Pace) {
        let times = self.prober.stop();
        let pace = reference.pace(self.began);
        self.clients.stop();
        (self.wave, times, pace)
    }
}

impl Clients {
    fn start(wave: Wave, admin: Arc<AdminEndpoint>) -> Self {
        let (stop_tx, stop_rx) = channel();
        let run_all = async move {
            let (count, pause) =
                configured_duration().map_or((SHORT_CLIENTS, SHORT_PAUSE), |_| (CLIENTS, Duration::ZERO));
            let mut clients = JoinSet::new();
            for number in 0..count {
                clients.spawn(run_client(
                    Arc::clone(&admin),
                    (wave.behaviour, wave.sources),
                    number,
                    pause,
                ));
            }
            let _dropped = stop_rx.await;
        };
        let thread = std::thread::spawn(move || {
            setpriority_process(None, NICE).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(run_all);
        });
        Self { stop_tx, thread }
    }

    fn stop(self) {
        drop(self.stop_tx);
        self.thread.join().unwrap();
    }
}
