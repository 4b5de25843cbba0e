//! Names resolve as with the system's resolver: compares generated configurations with glibc's `getaddrinfo`, in
//! separate namespaces.
#![expect(clippy::unwrap_used, reason = "what is missing must fail the test")]

mod generated;
mod server;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use canary::grant::{Destination, Host, Scheme};
use canary::ledger::{Budget, Ledger, PageOwner};
use canary::liveness::Registry;
use canary::net::Family;
use canary::net::resolve::{LookupMode, QueryClient, Resolver};
use canary::quota::Quota;
use canary::record::Recorder;
use canary::redact::Secrets;
use canary_tests::command::{Program, skip};
use canary_tests::harness::alone;
use canary_tests::machine::ResolverFiles;
use generated::Generator;
use tokio::time::Instant;

/// Number of configurations; `CANARY_RESOLUTIONS` overrides it.
const CONFIGURATIONS: u64 = 500;
/// Maximum additional time of a lookup compared with glibc. No server here is silent, so waiting for a time-out would
/// take far longer.
const MARGIN: Duration = Duration::from_secs(2);
/// Environment variables with the folder and the number of configurations for the process under test.
const FOLDER: &str = "CANARY_TEST_FOLDER";
const COUNT: &str = "CANARY_TEST_COUNT";

#[test]
fn every_name_resolves_as_in_glibc() {
    alone(async {
        let folder = tempfile::tempdir().unwrap();
        let files = ResolverFiles::new(folder.path());
        let count = std::env::var_os("CANARY_RESOLUTIONS").and_then(|count| count.into_string().ok());
        let count = count.unwrap_or_else(|| CONFIGURATIONS.to_string());
        let program = Program::test("resolution::generated_configurations")
            .env(FOLDER, folder.path())
            .env(COUNT, &count);
        let Some(program) = files.mount_for(program) else {
            return;
        };
        let ending = program.run();
        assert_eq!(ending.code, 0, "{}\n{}", ending.out, ending.err);
    });
}

/// Runs in the namespaces.
#[tokio::test]
#[ignore = "it is run by another test, in namespaces"]
async fn generated_configurations() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let count: u64 = std::env::var_os(COUNT)
        .unwrap()
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    if !cfg!(target_env = "gnu") {
        return skip("glibc");
    }
    server::start();
    let files = ResolverFiles::new(&folder);
    let mut differences = Vec::new();
    let mut resolved = 0;
    for seed in 0..count {
        let case = Generator::new(seed).case();
        write_resolv_conf(&files, &case.resolv_conf, seed);
        fs::write(files.hosts(), &case.hosts).unwrap();
        let resolver = Resolvers::new();
        for (name, theirs) in case.names.iter().zip(glibc(case.names.clone())) {
            let mut ours = resolver.timed(name).await;
            if ours.took > theirs.took + MARGIN {
                // A busy machine is not as slow again; waiting for a time-out is.
                ours = Resolvers::new().timed(name).await;
            }
            resolved += usize::from(!theirs.addresses.is_empty());
            if !is_same(name, &theirs, &ours) {
                differences.push(format!(
                    "seed {seed}: `{name}`: glibc {theirs:?}, here {ours:?}\n{:?}\n{:?}",
                    case.resolv_conf, case.hosts
                ));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
    assert!(
        resolved as u64 > count,
        "most names should resolve, and {resolved} did"
    );
}

/// Writes the file with a distinct modification time: glibc re-reads it when its time or size has changed.
fn write_resolv_conf(files: &ResolverFiles, text: &str, seed: u64) {
    let mut file = File::create(files.resolv_conf()).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seed)).unwrap();
}

/// The result of a lookup.
#[derive(Debug)]
struct Found {
    addresses: BTreeSet<IpAddr>,
    took: Duration,
}

/// Runs on a separate thread: the state of glibc's resolver is per thread, and some options stay in it.
fn glibc(names: Vec<String>) -> Vec<Found> {
    let all = thread::spawn(move || names.iter().map(|name| timed_glibc(name)).collect());
    all.join().unwrap()
}

fn timed_glibc(name: &str) -> Found {
    let begun = Instant::now();
    let found = (name, 1).to_socket_addrs();
    let addresses = found.into_iter().flatten().map(|address| address.ip()).collect();
    Found {
        addresses,
        took: begun.elapsed(),
    }
}

/// Intended differences are listed in the documentation, under "Names".
fn is_same(name: &str, theirs: &Found, ours: &Found) -> bool {
    let is_local = name
        .trim_end_matches('.')
        .to_ascii_lowercase()
        .ends_with("localhost");
    // glibc discards answers for names that are not valid host names by its rules.
    let is_host = name.split('.').all(|label| {
        !label.starts_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    });
    let is_decided = if is_local {
        ours.addresses.iter().all(IpAddr::is_loopback)
    } else {
        theirs.addresses.is_empty() && !is_host
    };
    (is_decided || theirs.addresses == ours.addresses) && ours.took <= theirs.took + MARGIN
}

/// The resolver under test with its query context.
struct Resolvers {
    resolver: Resolver,
    query_client: QueryClient,
}

impl Resolvers {
    fn new() -> Self {
        let ledger = Ledger::new(Budget::new(256));
        let quota = Quota::default();
        let recorder = Recorder::new(Secrets::default(), quota.record);
        let page = ledger.open_page(PageOwner::service("resolution"), quota, recorder);
        Self {
            resolver: Resolver::system(&ledger, &Registry::default()),
            query_client: QueryClient::new(Arc::clone(&page)),
        }
    }

    async fn timed(&self, name: &str) -> Found {
        let begun = Instant::now();
        let destination = Destination::new(Scheme::Tcp, name, 1);
        let addresses = match destination.as_ref().map(Destination::host) {
            // A suite with this name is rejected.
            Err(_) => BTreeSet::new(),
            Ok(Host::Address(address)) => BTreeSet::from([*address]),
            Ok(Host::Name(_)) => {
                let name = destination.unwrap().name_to_resolve().unwrap();
                let asked = (Family::Any, LookupMode::FirstUsable);
                let found = self
                    .resolver
                    .resolve(&self.query_client, &name, asked.0, asked.1)
                    .await;
                found.unwrap_or_default().addresses.into_iter().collect()
            }
        };
        Found {
            addresses,
            took: begun.elapsed(),
        }
    }
}
