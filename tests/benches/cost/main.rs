//! CPU cost of checks compared with plain loops that do the same on the network, measured alternately.
//!
//! `cargo bench -p canary-tests` measures everything, `cargo bench -p canary-tests -- http tls` what has one of the
//! words in its name. CPU is that of the one thread that runs the checks; the peers have a thread of their own.
#![expect(clippy::expect_used, reason = "a bench that cannot run says why and ends")]
#![expect(clippy::print_stdout, reason = "what it measured")]

mod baseline;
mod fixture;
mod idle_memory;
mod load;
mod rounds;
mod telemetry;

use std::time::Duration;

use canary_tests::peer::http::Reply;

use baseline::Baseline;
use fixture::Fixture;
use rounds::{CpuTime, in_turns};

/// The budget of a measurement.
enum Budget {
    /// Maximum CPU time of one check.
    Cpu(Duration),
    /// Maximum ratio to the CPU time of the baseline.
    Ratio(f64),
    /// No budget.
    None,
}

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let is_wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        checks(is_wanted).await;
        if is_wanted("load") {
            load::measure().await;
        }
        if is_wanted("telemetry") {
            telemetry::measure().await;
        }
        if is_wanted("silence") {
            idle_memory::measure().await;
        }
    });
}

/// Measures each check against its baseline.
async fn checks(is_wanted: impl Fn(&str) -> bool) {
    let budgets = [
        ("empty", Budget::Cpu(Duration::from_micros(20))),
        ("http", Budget::Ratio(4.0)),
        ("tcp", Budget::None),
        ("tls", Budget::None),
    ];
    let wanted: Vec<_> = budgets.into_iter().filter(|(name, _)| is_wanted(name)).collect();
    if wanted.is_empty() {
        return;
    }
    let fixture = Fixture::new().await;
    let bare = Baseline::new(&fixture.peers);
    println!(
        "CPU of one check in µs: the least and the median of {} rounds",
        rounds::ROUNDS
    );
    println!(
        "{:8}{:>16}{:>16}{:>8}  budget",
        "check", "canary", "bare loop", "ratio"
    );
    for (name, budget) in wanted {
        let check = fixture.check(name);
        let ours = async || drop(fixture.run(check).await);
        let (ours, theirs) = match name {
            "http" => in_turns(ours, async || bare.http().await).await,
            "tcp" => in_turns(ours, async || bare.tcp().await).await,
            "tls" => in_turns(ours, async || bare.tls().await).await,
            _ => in_turns(ours, async || {}).await,
        };
        println!("{}", line(name, ours, theirs, &budget));
    }
}

fn line(name: &str, ours: CpuTime, theirs: CpuTime, budget: &Budget) -> String {
    let ratio = ours.median.as_secs_f64() / theirs.median.as_secs_f64();
    let verdict = match *budget {
        Budget::Cpu(limit) => verdict(
            ours.median.as_secs_f64() / limit.as_secs_f64(),
            &format!("{limit:?}"),
        ),
        Budget::Ratio(limit) => verdict(ratio / limit, &format!("{limit}x")),
        Budget::None => String::new(),
    };
    let (theirs, ratio) = match name {
        "empty" => (String::new(), String::new()),
        _ => (theirs.to_string(), format!("{ratio:.1}x")),
    };
    format!(
        "{name:8}{:>16}{theirs:>16}{ratio:>8}  {verdict}",
        ours.to_string()
    )
}

fn verdict(part: f64, limit: &str) -> String {
    if part <= 1.0 {
        format!("{limit}: met")
    } else {
        format!("{limit}: missed by {:.0} %", (part - 1.0) * 100.0)
    }
}

/// The small page.
fn page() -> Reply {
    let body = format!(
        "<!doctype html><title>Welcome</title><p>{}</p>",
        "All is well. ".repeat(64)
    );
    Reply::status(200).header("content-type", "text/html").body(body)
}
