//! Crowds at the admin address, one after the other.

use std::io::Write as _;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use canary::ledger::raise_descriptor_limit;
use rustix::process::setpriority_process;
use tokio::sync::oneshot::{Sender, channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::attack::{Attack, By};
use crate::crowd::{Entrance, Manner, Sources, client};
use crate::hold::minutes;
use crate::prober::{Prober, Times};

/// Clients at once.
const CLIENTS: u32 = 10_000;
const CLIENTS_IN_SHORT: u32 = 2_000;
/// In a short attack a client that was turned away comes again after this, or up to twice as long; otherwise at once.
const PAUSE_IN_SHORT: Duration = Duration::from_secs(10);
/// What the thread of the clients leaves to others: what is measured is the runner, not who gets a processor.
const NICE: i32 = 10;
/// How long each crowd has in a short attack.
const TURN: Duration = Duration::from_secs(2);

/// A crowd after the other, and what a probe saw of each.
pub(crate) struct Turns {
    entrance: Arc<Entrance>,
    /// Those that have not come yet; the next is the last.
    to_come: Vec<Crowd>,
    length: Duration,
    now: Turn,
    seen: Vec<(Crowd, Times)>,
}

#[derive(Debug, Clone, Copy)]
struct Crowd {
    name: &'static str,
    manner: Manner,
    sources: Sources,
    /// How long a probe may wait.
    probe: Duration,
}

struct Turn {
    crowd: Crowd,
    began: Instant,
    prober: Prober,
    clients: Clients,
}

/// Clients on a thread of their own.
struct Clients {
    leave: Sender<()>,
    thread: JoinHandle<()>,
}

impl Turns {
    /// Of the crowds among `attacks`, if there are any.
    pub(crate) fn begin(attacks: &[Attack], entrance: &Arc<Entrance>) -> Option<Self> {
        let crowd = |attack: &Attack| match attack.by {
            By::Crowd(manner, sources) => Some(Crowd {
                name: attack.name,
                manner,
                sources,
                probe: attack.probe(),
            }),
            _ => None,
        };
        let mut to_come: Vec<_> = attacks.iter().rev().filter_map(crowd).collect();
        let count = u32::try_from(to_come.len()).unwrap();
        let first = to_come.pop()?;
        raise_descriptor_limit().expect("it may be raised");
        Some(Self {
            now: Turn::begin(first, entrance),
            entrance: Arc::clone(entrance),
            to_come,
            length: minutes().map_or(TURN, |minutes| minutes / count),
            seen: Vec::new(),
        })
    }

    /// Has the next crowd come when this one has had its turn.
    pub(crate) fn go_on(&mut self) {
        if self.now.began.elapsed() < self.length {
            return;
        }
        if let Some(next) = self.to_come.pop() {
            let next = Turn::begin(next, &self.entrance);
            let ended = std::mem::replace(&mut self.now, next);
            self.seen.push(ended.end());
        }
    }

    pub(crate) fn are_over(&self) -> bool {
        self.to_come.is_empty() && self.now.began.elapsed() >= self.length
    }

    /// Says what was seen, and asserts that probes were answered.
    pub(crate) fn end(mut self) {
        self.seen.push(self.now.end());
        for (crowd, times) in &self.seen {
            // Past the capture of test output.
            let _closed = writeln!(
                std::io::stderr(),
                "crowd {}: {} probes, p50 {:.1?}, p99 {:.1?}, at most {:.0?}; not answered: {:?}",
                crowd.name,
                times.count,
                times.half,
                times.p99,
                times.most,
                times.failures,
            );
        }
        for (crowd, times) in self.seen {
            // A short attack is beside whatever else this machine does.
            let time = minutes().map_or(times.half, |_| times.most);
            assert!(
                times.count > 0 && time < crowd.probe,
                "{crowd:?}: /livez took {time:?}"
            );
            assert!(
                minutes().is_none() || times.failures.is_empty(),
                "{crowd:?}: {times:?}"
            );
        }
    }
}

impl Turn {
    fn begin(crowd: Crowd, entrance: &Arc<Entrance>) -> Self {
        Self {
            crowd,
            began: Instant::now(),
            clients: Clients::come(crowd, Arc::clone(entrance)),
            prober: Prober::start(Arc::clone(entrance)),
        }
    }

    fn end(self) -> (Crowd, Times) {
        let times = self.prober.stop();
        self.clients.leave();
        (self.crowd, times)
    }
}

impl Clients {
    fn come(crowd: Crowd, entrance: Arc<Entrance>) -> Self {
        let (leave, left) = channel();
        let all_of_them = async move {
            let (count, pause) =
                minutes().map_or((CLIENTS_IN_SHORT, PAUSE_IN_SHORT), |_| (CLIENTS, Duration::ZERO));
            let mut clients = JoinSet::new();
            for number in 0..count {
                clients.spawn(client(
                    Arc::clone(&entrance),
                    (crowd.manner, crowd.sources),
                    number,
                    pause,
                ));
            }
            let _dropped = left.await;
        };
        let thread = std::thread::spawn(move || {
            setpriority_process(None, NICE).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(all_of_them);
        });
        Self { leave, thread }
    }

    fn leave(self) {
        drop(self.leave);
        self.thread.join().unwrap();
    }
}
