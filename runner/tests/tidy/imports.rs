//! Each dangerous API has a few modules that may use it.

use super::order::{module, module_path};
use super::{Source, fail, names};

/// An API that only a few modules may use.
struct Rule {
    what: &'static str,
    why: &'static str,
    paths: &'static [&'static str],
    /// The modules that may use it, or single files, such as `suite/interpolate`: the folder of the crate, and the
    /// path in its `src`. A crate stands for what has no place of its own in the order of modules: `net` is not
    /// `net/pool`.
    allowed: &'static [&'static str],
}

const RULES: [Rule; 12] = [
    Rule {
        what: "the PEM parser",
        why: "its errors quote private keys",
        paths: &[
            "PemObject",
            "pem::Error",
            "from_pem_slice",
            "pem_slice_iter",
            "from_pem_file",
        ],
        allowed: &["system/pem"],
    },
    Rule {
        what: "wasmtime",
        why: "only the sandbox and what compiles plugins for it know how guests run",
        paths: &["wasmtime", "wasmtime_wasi"],
        allowed: &["sandbox", "sandbox/plugin"],
    },
    Rule {
        what: "OpenTelemetry",
        why: "telemetry is made of outcomes, afterwards",
        paths: &[
            "opentelemetry",
            "opentelemetry_proto",
            "opentelemetry_semantic_conventions",
            "prost",
            "tonic",
        ],
        allowed: &["telemetry"],
    },
    Rule {
        what: "a socket",
        why: "a socket of a check has a lease in the ledger; those of the runner itself are no check's",
        paths: &[
            "TcpStream",
            "TcpListener",
            "TcpSocket",
            "UdpSocket",
            "UnixStream",
            "UnixListener",
            "socket2",
            "std::net::Tcp",
            "tokio::net",
            "rustix::net",
            "ToSocketAddrs",
        ],
        allowed: &[
            "net",
            "net/ledger",
            "demo/targets",
            "outbound/http_client",
            "admin",
        ],
    },
    Rule {
        what: "a stream",
        why: "a reader that does not read holds up whoever writes: log with `tracing`, print by `console`",
        paths: &[
            "io::stdout",
            "io::stderr",
            "stdout()",
            "stderr()",
            "print!",
            "println!",
            "eprint!",
            "eprintln!",
            "/dev/stdout",
            "/dev/stderr",
            "/dev/tty",
        ],
        // The worker process writes its result to the process that started it.
        allowed: &["console", "sandbox/plugin/isolated/worker"],
    },
    Rule {
        what: "a thread",
        why: "a thread that nobody watches stops silently: `liveness` starts it and sees that it makes progress",
        paths: &[
            "thread::spawn",
            "thread::Builder",
            "thread::scope",
            "std::thread::{",
        ],
        // `regular_file` waits for its thread, or abandons and counts it; each simulated world has one. The admin
        // address has at most one, which reads the files of its certificate; the old certificate stays in use while it
        // hangs.
        allowed: &[
            "system/liveness/thread",
            "system/regular_file/deadline",
            "admin/tls",
            "app/simulation",
        ],
    },
    Rule {
        what: "a task",
        why: "every task has an owner that joins it, and a host function has none",
        paths: &[
            "tokio::spawn",
            "JoinSet",
            "TaskTracker",
            "spawn_local",
            "Handle::current",
        ],
        // `liveness` starts long-lived tasks; the others belong to a run, a connection or a request, which has a
        // deadline.
        allowed: &[
            "system/liveness/tasks",
            "app/supervisor",
            "app/simulation",
            "outbound/http_client/connection",
            "admin",
            "demo/targets",
        ],
    },
    Rule {
        what: "the blocking pool",
        why: "it panics where the operating system has no thread; `liveness::run_blocking` has an error",
        paths: &["spawn_blocking", "block_in_place", "tokio::fs", "lookup_host"],
        allowed: &[],
    },
    Rule {
        what: "a process",
        why: "what is started is limited, and ends with the value that stands for it",
        paths: &["process::Command", "Command::new"],
        allowed: &["sandbox/plugin/isolated"],
    },
    Rule {
        what: "opening a file",
        why: "a path that a suite or the settings name can be a pipe, a device, or on a disk that does not answer: \
              `regular_file` reads it. The others open what is the runner's own or the system's",
        paths: &[
            "fs::read",
            "fs::read_to_string",
            "fs::canonicalize",
            "fs::metadata",
            "fs::open",
            "File::open",
            "OpenOptions",
            "read_dir",
        ],
        allowed: &[
            "system/regular_file",
            // Folders of a suite, with a deadline.
            "suite/source",
            "app/file_fingerprint",
            // Folders and files that only the runner writes.
            "sandbox/plugin/cache",
            "suite/references",
            "state",
            "telemetry/delivery",
            // `/proc` of this process and machine.
            "system/age",
            "app/clock_monitor/pause_detector/run_queue_wait",
            "net/ledger/audit",
            "sandbox/plugin/isolated/time_budget",
            "sandbox/plugin/isolated/confine",
            "telemetry/metrics/process",
            "watch/reserved_fds",
            // Those of the operating system's resolver.
            "net/resolve/settings",
        ],
    },
    Rule {
        what: "the environment",
        why: "what a runner depends on is on its command line or in its suite",
        paths: &[
            "std::env",
            "env::var",
            "env::var_os",
            "env::vars",
            "env::args",
            "env::temp_dir",
            "env::current_dir",
        ],
        allowed: &[
            "cli",
            "suite/interpolate",
            "main",
            "app/simulation",
            "net/resolve/settings",
        ],
    },
    Rule {
        what: "tokio",
        why: "what decides is pure: time is an input",
        paths: &["tokio", "tokio_util", "tokio_rustls", "futures_util", "hyper"],
        allowed: &[
            "system/liveness",
            "run/schedule/ticker",
            "state",
            "watch",
            "system/signal",
            "net/pool",
            "net/ledger",
            "net",
            "sandbox",
            "sandbox/plugin/loader",
            "sandbox/plugin/isolated",
            "sandbox/dispatch",
            "outbound/http_client",
            "alert/dispatcher",
            "alert/worker",
            "alert/notifier",
            "alert/outbox",
            "alert/simulated",
            "alert/smtp",
            "telemetry",
            "admin",
            "app",
            "demo",
            "cli",
        ],
    },
];

/// The part of tokio that pure modules may use: an instant, on a clock that tests can pause.
const INSTANT: &str = "tokio::time::Instant";

fn is_within(source: &Source, allowed: &[&str]) -> bool {
    let (own, module) = (module_path(source), module(source));
    allowed
        .iter()
        .any(|path| covers(path, &own) && covers(&module, path))
}

/// Whether a module is `path` itself or below it.
fn covers(path: &str, module: &str) -> bool {
    let rest = module.strip_prefix(path);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[test]
fn each_dangerous_thing_has_its_place() {
    let sources = Source::of_the_runner();
    let mut problems = Vec::new();
    for rule in RULES {
        for source in sources.iter().filter(|source| !is_within(source, rule.allowed)) {
            for (number, line) in source.code() {
                let line = line.replace(INSTANT, "");
                if rule.paths.iter().any(|path| names(&line, path)) {
                    let Rule {
                        what, why, allowed, ..
                    } = &rule;
                    let path = &source.path;
                    problems.push(format!(
                        "{path}:{number}: {what} belongs to {allowed:?}: {why}\n    {line}"
                    ));
                }
            }
        }
    }
    fail(&problems);
}

#[test]
fn every_rule_is_about_something_that_is_there() {
    let sources = Source::of_the_runner();
    let gone: Vec<&str> = RULES
        .iter()
        .flat_map(|rule| rule.allowed)
        .copied()
        .filter(|path| !sources.iter().any(|source| is_within(source, &[path])))
        .collect();
    assert_eq!(gone, [""; 0]);
}
