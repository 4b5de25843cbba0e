//! A client that probes `/livez` continuously.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use canary_tests::client::{Answer, Failure, call};
use http_body_util::Full;
use hyper::Request;
use tokio::time::Instant;

use crate::clients::AdminEndpoint;

const PROBE_INTERVAL: Duration = Duration::from_millis(25);
/// Minimum number of answers, of which the median is asserted.
const MIN_ANSWERS: usize = 20;
/// How long a prober continues that has had fewer when it is stopped.
const ANSWERS_LIMIT: Duration = Duration::from_secs(90);

/// A thread that requests `/livez` and records the latencies.
pub(crate) struct Prober {
    stop_tx: Sender<()>,
    thread: JoinHandle<Vec<Result<Duration, String>>>,
}

/// Latencies of the probes.
#[derive(Debug)]
pub(crate) struct ProbeTimes {
    pub(crate) count: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
    /// Errors of failed probes.
    pub(crate) failures: Vec<String>,
}

impl AdminEndpoint {
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Failure> {
        let request = Request::get(path).body(Full::default())?;
        call(self.address, self.tls.as_deref().cloned(), request)
    }

    /// Requests `/livez`, and returns the latency; an error unless the answer is 200.
    pub(crate) fn probe(&self) -> Result<Duration, String> {
        let asked = Instant::now();
        let answer = self.get("/livez").map_err(|error| error.to_string())?;
        match answer.status.as_u16() {
            200 => Ok(asked.elapsed()),
            status => Err(format!("{status}: {}", answer.text())),
        }
    }
}

impl Prober {
    pub(crate) fn start(admin: Arc<AdminEndpoint>) -> Self {
        let (stop_tx, stop_rx) = channel();
        let thread = std::thread::spawn(move || {
            let mut all = Vec::new();
            while stop_rx.recv_timeout(PROBE_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                all.push(admin.probe());
            }
            // On a busy machine the wave may be over before enough were answered. The clients are still there.
            let stopped_at = Instant::now();
            let answers = |all: &[Result<Duration, String>]| all.iter().filter(|probe| probe.is_ok()).count();
            while answers(&all) < MIN_ANSWERS && stopped_at.elapsed() < ANSWERS_LIMIT {
                std::thread::park_timeout(PROBE_INTERVAL);
                all.push(admin.probe());
            }
            all
        });
        Self { stop_tx, thread }
    }

    pub(crate) fn stop(self) -> ProbeTimes {
        drop(self.stop_tx);
        let (times, failures): (Vec<_>, Vec<_>) =
            self.thread.join().unwrap().into_iter().partition(Result::is_ok);
        let mut times: Vec<Duration> = times.into_iter().flatten().collect();
        times.sort();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(rank).copied().unwrap_or_default()
        };
        ProbeTimes {
            count: times.len(),
            p50: at(50),
            p99: at(99),
            max: at(100),
            failures: failures.into_iter().filter_map(Result::err).collect(),
        }
    }
}
