//! A client that only wants to know whether the runner lives, again and again.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use canary_tests::client::{Answer, Failure, call};
use http_body_util::Full;
use hyper::Request;
use tokio::time::Instant;

use crate::crowd::Entrance;

const BETWEEN: Duration = Duration::from_millis(25);

/// A thread that asks for `/livez`, and notes how long each answer takes.
pub(crate) struct Prober {
    stop: Sender<()>,
    thread: JoinHandle<Vec<Result<Duration, String>>>,
}

/// How long it took.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) count: usize,
    pub(crate) half: Duration,
    pub(crate) p99: Duration,
    pub(crate) most: Duration,
    /// Why some were not answered.
    pub(crate) failures: Vec<String>,
}

impl Entrance {
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Failure> {
        let request = Request::get(path).body(Full::default())?;
        call(self.address, self.tls.as_deref().cloned(), request)
    }

    fn probe(&self) -> Result<Duration, String> {
        let asked = Instant::now();
        let answer = self.get("/livez").map_err(|error| error.to_string())?;
        match answer.status.as_u16() {
            200 => Ok(asked.elapsed()),
            status => Err(format!("{status}: {}", answer.text())),
        }
    }
}

impl Prober {
    pub(crate) fn start(entrance: Arc<Entrance>) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut all = Vec::new();
            while stopped.recv_timeout(BETWEEN) == Err(RecvTimeoutError::Timeout) {
                all.push(entrance.probe());
            }
            all
        });
        Self { stop, thread }
    }

    pub(crate) fn stop(self) -> Times {
        drop(self.stop);
        let (times, failures): (Vec<_>, Vec<_>) =
            self.thread.join().unwrap().into_iter().partition(Result::is_ok);
        let mut times: Vec<Duration> = times.into_iter().flatten().collect();
        times.sort();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(rank).copied().unwrap_or_default()
        };
        Times {
            count: times.len(),
            half: at(50),
            p99: at(99),
            most: at(100),
            failures: failures.into_iter().filter_map(Result::err).collect(),
        }
    }
}
