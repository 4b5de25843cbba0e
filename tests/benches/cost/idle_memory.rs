//! Memory of runs that wait for silent peers.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use canary::ledger::raise_descriptor_limit;
use canary::plugin::Cache;
use rustix::net::listen;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::fixture::host;

const RUNS: u32 = 10_000;
/// Connections that one listener's queue takes, as Linux allows by default.
const QUEUE: u32 = 4_096;

/// Starts as many runs as the descriptor limit allows, waits until all of them wait, and measures resident memory.
pub(crate) async fn measure() {
    let limit = raise_descriptor_limit().expect("a limit on descriptors");
    let runs = RUNS.min(u32::try_from(limit.saturating_sub(256)).unwrap_or(RUNS));
    // Nothing accepts: the kernel completes the connections, so the peers need no descriptors in this process.
    let peers: Vec<_> = (0..runs.div_ceil(QUEUE / 2)).map(|_| silent()).collect();
    let places: Vec<_> = peers
        .iter()
        .map(|peer| peer.local_addr().expect("an address"))
        .collect();
    let (dispatcher, suite) = host(&text(&places), runs, Cache::disabled()).await;
    let dispatcher = Arc::new(dispatcher);
    let before = resident();
    let started_at = Instant::now();
    let mut waiting = JoinSet::new();
    for (_, check) in (0..runs).zip(suite.checks.iter().cycle()) {
        let (dispatcher, check) = (Arc::clone(&dispatcher), Arc::clone(check));
        waiting.spawn(async move {
            let job = dispatcher.job(&check, Instant::now());
            let permit = dispatcher.permit(&job).await.expect("nothing drains");
            dispatcher.run(job, permit).await
        });
    }
    while dispatcher.sandbox().ledger().leased() < u64::from(runs) {
        assert!(
            started_at.elapsed() < Duration::from_secs(60),
            "the runs do not connect"
        );
        sleep(Duration::from_millis(5)).await;
    }
    let (took, after) = (started_at.elapsed(), resident());
    println!(
        "silence: {runs} runs wait on silent peers: {} MiB resident, {} MiB before, {} KiB a run; all waited after \
         {took:.0?}",
        after >> 20,
        before >> 20,
        ((after - before) / u64::from(runs)) >> 10,
    );
    dispatcher.abort_running();
    while let Some(run) = waiting.join_next().await {
        run.expect("a run that does not panic");
    }
    println!(
        "silence: {} descriptors lent afterwards",
        dispatcher.sandbox().ledger().leased()
    );
}

fn silent() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let queue = i32::try_from(QUEUE).expect("a small number");
    listen(&listener, queue).expect("a longer queue");
    listener
}

fn text(places: &[SocketAddr]) -> String {
    let targets: Vec<_> = places.iter().map(|place| format!("\"{place}\"")).collect();
    format!(
        r#"
checks:
  - name: silent
    plugin: tcp
    targets: [{}]
    interval: 10m
    timeout: 5m
    retries: 0
    config: {{ dialogue: [{{ expect: {{ contains: hello }} }}] }}
"#,
        targets.join(", ")
    )
}

/// Memory of this process that is in RAM, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this process's status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().nth(1))
        .expect("a number");
    kib.parse::<u64>().expect("a number") << 10
}
