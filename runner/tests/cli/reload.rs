//! Reloads of the suite while the service runs.

mod refused;

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use canary::plugin::embedded;
use canary_tests::client::get;
use canary_tests::command::{LIMIT, Running};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{accepted, canary, folder, http_check, service_process, site, suite};

const RELOADS: usize = 500;
const CHECKS: usize = 5;

/// How long the kernel may take to deliver the end of a connection after the beginning of the next one, from another
/// processor. A run that is not over holds its connection for up to its timeout, which is longer.
const MAX_DELIVERY: Duration = Duration::from_millis(20);

/// A silent peer that checks for each new connection whether earlier ones are closed. It polls the sockets at that
/// moment, because a task may be notified of a close later than of the next connection.
struct OverlapDetector {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    overlaps: Arc<AtomicUsize>,
}

impl OverlapDetector {
    /// Starts it; its thread ends with the test's process.
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let turnstile = Self {
            address: listener.local_addr().unwrap(),
            accepted: Arc::default(),
            overlaps: Arc::default(),
        };
        let (accepted, overlaps) = (Arc::clone(&turnstile.accepted), Arc::clone(&turnstile.overlaps));
        std::thread::spawn(move || {
            let mut inside: Vec<TcpStream> = Vec::new();
            for stream in listener.incoming().map(Result::unwrap) {
                stream.set_nonblocking(true).unwrap();
                // The runner sends nothing, so a read only returns at the end of the stream.
                let is_inside = |stream: &TcpStream| {
                    stream
                        .peek(&mut [0])
                        .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
                };
                inside.retain(is_inside);
                let began = Instant::now();
                while !inside.is_empty() && began.elapsed() < MAX_DELIVERY {
                    std::thread::park_timeout(Duration::from_millis(1));
                    inside.retain(is_inside);
                }
                overlaps.fetch_add(inside.len(), Ordering::SeqCst);
                inside.push(stream);
                accepted.fetch_add(1, Ordering::SeqCst);
            }
        });
        turnstile
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn wait_for(&self, accepted: usize) {
        let start = Instant::now();
        while self.accepted() < accepted {
            assert!(
                start.elapsed() < service_process::LIMIT,
                "{} of {accepted} came",
                self.accepted()
            );
            std::thread::yield_now();
        }
    }
}

/// Replaces a file atomically, as editors do.
pub(super) fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let part = folder.join(format!(".{name}.part"));
    fs::write(&part, bytes).unwrap();
    fs::rename(part, folder.join(name)).unwrap();
}

/// The n-th suite: one check comes and goes, another has a label that changes; every second suite is broken.
fn nth(peers: &[OverlapDetector], number: usize) -> String {
    let mut text = "plugins: { mine: { path: mine.wasm } }\ndefaults: { interval: 100ms, timeout: 100ms, retries: 0 }\nchecks:\n".to_owned();
    for (index, peer) in peers.iter().enumerate() {
        if index == 0 && number.is_multiple_of(4) {
            continue;
        }
        let (address, label) = (peer.address, number % 7);
        let label = if index == 1 { label } else { 0 };
        let plugin = if index == 2 { "mine" } else { "tcp" };
        writeln!(
            text,
            "  - {{ name: c{index}, plugin: {plugin}, target: \"{address}\", labels: {{ l: \"{label}\" }}, \
             config: {{ dialogue: [ {{ expect: {{ matches: x }} }} ] }} }}"
        )
        .unwrap();
    }
    if number % 2 == 1 {
        text += "  - { name: c9, plugin: tpc }\n";
    }
    text
}

/// The plugin `tcp` with an additional custom section, so that its digest differs.
fn plugin(number: u8) -> Vec<u8> {
    let mut wasm = embedded("tcp").unwrap();
    // A custom section of the name `n`.
    wasm.extend([0, 3, 1, b'n', number]);
    wasm
}

/// Number of descriptors that are neither sockets nor plugins.
fn own(running: &Running) -> usize {
    let all = running.descriptors();
    let is_own = |link: &Path| {
        let link = link.to_string_lossy();
        !link.starts_with("socket:") && !link.ends_with(".cwasm") && !link.starts_with("/memfd:")
    };
    all.values().filter(|link| is_own(link)).count()
}

/// The fewest of them in several samples: a file that is just being read is not in all.
fn fewest_own(running: &Running) -> usize {
    let samples = (0..50).map(|_| {
        std::thread::park_timeout(Duration::from_millis(2));
        own(running)
    });
    samples.min().unwrap()
}

/// The next log line with this prefix.
pub(super) fn next(running: &mut Running, start: &str) -> String {
    std::iter::from_fn(|| running.log_line())
        .find(|note| note.trim_start().starts_with(start))
        .unwrap_or_else(|| panic!("it ended without `{start}`"))
}

/// The admin address, from the log.
fn admin_address(running: &mut Running) -> SocketAddr {
    let place = next(running, "metrics on http://");
    let address = place.trim_start_matches("metrics on http://");
    address.trim_end_matches("/metrics").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_reloads_half_of_them_broken_lose_no_run_and_no_descriptor() {
    let peers: Vec<OverlapDetector> = (0..CHECKS).map(|_| OverlapDetector::start()).collect();
    let folder = TempDir::new().unwrap();
    put(folder.path(), "mine.wasm", plugin(0));
    put(folder.path(), "suite.yaml", nth(&peers, 2));
    // On a busy machine this takes longer than the default time limit.
    let program = canary(&folder, &["run", "suite.yaml"]).env("CANARY_ADMIN", "127.0.0.1:0");
    let mut running = program.for_up_to(LIMIT * 4).start();
    let admin = admin_address(&mut running);
    peers[1].wait_for(2);
    let mut early = None;
    for number in 3..RELOADS + 3 {
        put(folder.path(), "suite.yaml", nth(&peers, number));
        if number % 100 == 0 {
            put(
                folder.path(),
                "mine.wasm",
                plugin(u8::try_from(number / 100).unwrap()),
            );
        }
        running.signal(Signal::HUP);
        match number % 2 {
            1 => next(&mut running, "reload failed"),
            _ => next(&mut running, "reloaded"),
        };
        if number == 100 {
            early = Some((
                fewest_own(&running),
                running.descriptors().len(),
                running.resident(),
            ));
        }
    }
    let (own_then, all_then, memory_then) = early.unwrap();
    peers[1].wait_for(peers[1].accepted() + 5);
    assert_eq!(fewest_own(&running), own_then);
    // Runs have sockets, and old plugins are dropped with their last instance.
    let began = Instant::now();
    while running.descriptors().len() > all_then + 2 * CHECKS {
        assert!(
            began.elapsed() < service_process::LIMIT,
            "{:?}",
            running.descriptors()
        );
        std::thread::yield_now();
    }
    let (memory, most) = (running.resident(), memory_then + (32 << 20));
    assert!(
        memory <= most,
        "{memory} bytes are resident, {memory_then} were after a hundred"
    );
    for peer in &peers {
        assert_eq!(
            peer.overlaps.load(Ordering::SeqCst),
            0,
            "a check ran twice at once"
        );
    }
    assert_accounting(running, admin, &peers);
}

/// Every due time finished or was missed, every connection that a peer saw belongs to a run that finished, and every
/// run with a verdict has connected. On a busy machine the host may stop a run before it has connected.
fn assert_accounting(running: Running, admin: SocketAddr, peers: &[OverlapDetector]) {
    let with_verdict = runs_with_verdict(admin);
    running.signal(Signal::TERM);
    let ending = running.end();
    assert_eq!(ending.code, 0);
    let last = ending.log_lines().last().unwrap();
    let numbers: Vec<u64> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers[0], numbers[1] + numbers[2], "{last}");
    let accepted = || peers.iter().map(OverlapDetector::accepted).sum::<usize>();
    let began = Instant::now();
    // A peer may not have accepted its last connection yet.
    while accepted() < with_verdict && began.elapsed() < service_process::LIMIT {
        std::thread::yield_now();
    }
    let accepted = accepted();
    let finished = usize::try_from(numbers[1]).unwrap();
    assert!(
        (with_verdict..=finished).contains(&accepted),
        "{accepted} connections came, {with_verdict} runs had a verdict: {last}"
    );
}

/// The runs so far that the host did not stop, those of removed checks included.
fn runs_with_verdict(admin: SocketAddr) -> usize {
    let status = get(admin, "/api/v1/status").unwrap();
    let status: Value = serde_json::from_slice(&status.body).unwrap();
    let finished = status["account"]["finished"].as_object().unwrap();
    let verdicts = finished.iter().filter(|(outcome, _)| *outcome != "stopped");
    let verdicts = verdicts.filter_map(|(_, count)| count.as_u64());
    usize::try_from(verdicts.sum::<u64>()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_read_again_by_itself() {
    let site = site();
    let check = |name: &str| format!("checks:\n{}    interval: 1s\n", http_check(name, &site, "/"));
    let folder = suite(&check("one"));
    let mut running = canary(&folder, &["run", "suite.yaml"]).start();
    next(&mut running, "running");
    put(folder.path(), "suite.yaml", check("two"));
    next(&mut running, "reloaded: 1 checks");
    let line = std::iter::from_fn(|| running.line()).find(|line| line.contains("two"));
    assert!(line.unwrap().contains("unknown -> up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_from_the_first_moment_on_ends_no_runner() {
    let site = site();
    let folder = suite(&format!("checks:\n{}", http_check("page", &site, "/")));
    for _ in 0..12 {
        let mut running = canary(&folder, &["run", "suite.yaml"]).start();
        // Before its first instruction there is no handler; the one for XFSZ is installed next.
        while !running.handles(&[Signal::HUP, Signal::XFSZ]) {
            std::thread::yield_now();
        }
        for _ in 0..50 {
            running.signal(Signal::HUP);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        next(&mut running, "running 1 check");
        running.signal(Signal::TERM);
        assert_eq!(running.end().code, 0);
    }
}

#[test]
#[should_panic(expected = "it was killed (signal: 1 (SIGHUP))")]
fn sighup_ends_a_command_that_reads_nothing_again() {
    let folder = folder(&[]);
    let running = canary(&folder, &["demo"]).start();
    while !running.handles(&[Signal::XFSZ]) {
        std::thread::yield_now();
    }
    running.signal(Signal::HUP);
    drop(running.end());
}
