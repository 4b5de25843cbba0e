//! Resources that all checks share: no check starves, and shortages are not blamed on targets.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what makes a component for a test may panic as the test may"
)]

use std::net::Ipv4Addr;
use std::sync::Arc;

use canary::grant::Networks;
use canary::ledger::{Budget, Ledger};
use canary::liveness::Registry;
use canary::net::NetServices;
use canary::net::resolve::{Resolver, ResolverSettings};
use canary::net::tls::TrustStore;
use canary::plugin::{Cache, Loader, Plugin, PluginError, embedded};
use canary::quota::QuotaKind;
use canary::regular_file::{Owner, Session};
use canary::sandbox::{Engine, EngineSettings, Sandbox};
use canary::suite::PluginSource;
use canary::trace::StepKind;
use canary_tests::harness::{AttemptResult, Harness, alone, ms};
use canary_tests::peer::dns::{Behaviour, Zone};
use canary_tests::peer::plain;
use futures_util::future::{join, join_all};
use serde_json::json;
use tokio::time::Instant;

#[test]
fn silent_zones_and_floods_of_names_delay_no_name_that_answers() {
    alone(async {
        let good = |number: usize| format!("good{number}.test");
        let zone = (0..10).fold(Zone::new(), |zone, number| {
            let name = good(number);
            let zone = zone.behaviour(&name, Behaviour::Answers);
            zone.address(&name, Ipv4Addr::LOCALHOST)
        });
        let server = zone.default_behaviour(Behaviour::Silent).start();
        let settings = Harness::settings().budget(512).name_server(server.address());
        let harness = settings.start().await;
        let peer = plain::echo();
        let silent = (0..40).map(|number| {
            let target = format!("n{number}.silent{}.test:1", number % 8);
            harness.plugin("tcp").target(&target).timeout(ms(3_500)).run()
        });
        let floods = (0..5).map(|_| {
            let flood = harness.guest_with("flood_connects", 1_000).allow("tcp://*:*");
            flood.quota(|q| q.lookups = 1_000).timeout(ms(3_500)).run()
        });
        let bad = join(join_all(silent), join_all(floods));
        let good = join_all((0..10).map(|number| {
            let target = format!("{}:{}", good(number), peer.address().port());
            // Less than the 3 s after which a lookup of a silent zone gives up.
            harness.plugin("tcp").target(&target).timeout(ms(2_800)).run()
        }));
        let ((silent, floods), good) = join(bad, good).await;
        let ended: Vec<_> = good.iter().map(AttemptResult::ended).collect();
        assert_eq!(ended, ["pass"; 10], "{good:?}");
        for ran in silent.iter().chain(&floods).chain(&good) {
            ran.leaves_nothing_of_its_own();
        }
        assert_eq!((harness.descriptors_left(), harness.ledger().leased()), (0, 0));
    });
}

#[test]
fn dead_name_servers_of_a_check_delay_nobody_who_asks_the_machines_about_the_same_zone() {
    alone(async {
        let good = |number: usize| format!("good{number}.shared.test");
        let zone = (0..10).fold(Zone::new(), |zone, number| {
            zone.address(&good(number), Ipv4Addr::LOCALHOST)
        });
        let sound = zone.start();
        let dead = Zone::new().default_behaviour(Behaviour::Silent).start();
        let settings = Harness::settings().budget(128).name_server(sound.address());
        let harness = settings.start().await;
        let peer = plain::echo();
        let bad = join_all((0..30).map(|number| {
            let target = format!("n{number}.shared.test:1");
            let check = harness.plugin("tcp").target(&target).timeout(ms(3_500));
            check.name_server(&dead.address().to_string()).run()
        }));
        let good = join_all((0..10).map(|number| {
            let target = format!("{}:{}", good(number), peer.address().port());
            harness.plugin("tcp").target(&target).timeout(ms(2_800)).run()
        }));
        let (bad, good) = join(bad, good).await;
        let ended: Vec<_> = good.iter().map(AttemptResult::ended).collect();
        assert_eq!(ended, ["pass"; 10], "{good:?}");
        let ended: Vec<_> = bad.iter().map(AttemptResult::ended).collect();
        assert!(ended.iter().all(|ended| ended != "pass"), "{ended:?}");
        assert_eq!((harness.descriptors_left(), harness.ledger().leased()), (0, 0));
    });
}

#[test]
fn answers_that_unfold_to_megabytes_are_refused_and_delay_no_other_check() {
    alone(async {
        let server = Zone::new().default_behaviour(Behaviour::Unfolds).start();
        let settings = Harness::settings().name_server(server.address());
        let harness = settings.start().await;
        let peer = plain::echo();
        let hostile = (0..20).map(|_| {
            let place = json!(server.address().to_string());
            let guest = harness.guest_with("ask_server", place).allow("dns://asked.test");
            let guest = guest.allow(&format!("tcp://{}", server.address()));
            guest.timeout(ms(20_000)).run()
        });
        let resolving = (0..10).map(|number| {
            let check = harness.plugin("tcp").target(&format!("n{number}.test:1"));
            check.timeout(ms(20_000)).run()
        });
        let innocent = (0..10).map(|_| harness.plugin("tcp").against(&peer).run());
        let bad = join(join_all(hostile), join_all(resolving));
        let ((hostile, resolving), innocent) = join(bad, join_all(innocent)).await;
        for ran in &hostile {
            let answer = ran.leaves_nothing_of_its_own().answer();
            assert_eq!(answer, "protocol(the answer has more than 256 records)");
        }
        // None of the records that are read is an address.
        for ran in &resolving {
            assert_eq!(ran.leaves_nothing_of_its_own().ended(), "fail");
        }
        for ran in &innocent {
            assert_eq!(ran.leaves_nothing_of_its_own().ended(), "pass");
        }
    });
}

#[test]
fn a_question_that_the_host_had_no_place_for_blames_no_target() {
    alone(async {
        let server = Zone::new().default_behaviour(Behaviour::Silent).start();
        let settings = Harness::settings().budget(64).name_server(server.address());
        let harness = settings.start().await;
        let checks = (0..40).map(|number| {
            let target = format!("a.silent{number}.test:1");
            harness.plugin("tcp").target(&target).timeout(ms(1_500)).run()
        });
        let ran = join_all(checks).await;
        let ended: Vec<_> = ran.iter().map(AttemptResult::ended).collect();
        let busy = ended.iter().filter(|ended| *ended == "stopped: dns_busy").count();
        // On a busy machine a run may end before its plugin can report the time-out.
        let was_asked = |ended: &&String| ["fail", "stopped: deadline"].contains(&ended.as_str());
        let asked = ended.iter().filter(was_asked).count();
        assert!(busy > 0 && asked > 0 && busy + asked == 40, "{ended:?}");
        let pools = harness.ledger().pools().snapshots();
        let short = pools.iter().filter(|pool| pool.since_short.is_some());
        let names: Vec<_> = short.map(|pool| pool.name).collect();
        assert!(
            names.iter().all(|name| name.starts_with("dns")) && !names.is_empty(),
            "{pools:?}"
        );
    });
}

#[test]
fn those_who_ask_the_same_at_once_share_one_exchange() {
    alone(async {
        let server = Zone::new().default_behaviour(Behaviour::Silent).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        // Each is dropped at another time; the remaining ones continue the exchange that the first began.
        let started_at = Instant::now();
        let checks = (1..=20).map(|number| {
            let check = harness.plugin("tcp").target("a.test:1");
            check.timeout(ms(40 * number)).run()
        });
        for ran in join_all(checks).await {
            // On a busy machine the run may end before its plugin can report the time-out.
            let ended = ran.leaves_nothing_of_its_own().ended();
            assert!(["fail", "stopped: deadline"].contains(&ended.as_str()), "{ended}");
        }
        // One question of each kind. A busy machine may need so long that they are repeated, after a second.
        let rounds = 1 + usize::try_from(started_at.elapsed().as_secs()).unwrap();
        let asked = server.asked("a.test");
        assert!((2..=2 * rounds).contains(&asked), "{asked} in {rounds} rounds");
        assert_eq!((harness.descriptors_left(), harness.ledger().leased()), (0, 0));
    });
}

/// The errors of the lookups. They are recorded even if the run ends before its guest can report them.
fn lookup_errors(ran: &AttemptResult) -> Vec<&'static str> {
    let steps = ran.trail.steps.iter();
    let lookups = steps.filter(|step| matches!(step.kind, StepKind::Lookup(_)));
    lookups
        .filter_map(|step| step.error.as_ref().map(|error| error.code))
        .collect()
}

#[test]
fn name_servers_count_as_descriptors_and_not_as_sockets() {
    alone(async {
        let server = Zone::new().default_behaviour(Behaviour::Silent).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let peer = plain::echo();
        let attempt = || {
            let guest = harness.guest_with("connect", json!(["a.test:1"]));
            let guest = guest.allow("tcp://a.test:*").hold(2).against(&peer);
            // Less than the second after which questions are repeated.
            guest.timeout(ms(800))
        };
        let ran = attempt().quota(|q| q.sockets = 3).run().await;
        assert_eq!(lookup_errors(ran.leaves_nothing()), ["timeout"]);
        assert_eq!((ran.usage.used.sockets_peak, ran.usage.used.fds_peak), (2, 4));
        let ran = attempt().quota(|q| q.fds = 3).run().await;
        assert_eq!(
            lookup_errors(ran.leaves_nothing()),
            ["timeout"],
            "one question after the other"
        );
        assert_eq!((ran.usage.used.fds_peak, ran.denied(QuotaKind::Fds)), (3, 0));
        let asked = server.questions().len();
        let ran = attempt().quota(|q| q.fds = 2).run().await;
        assert_eq!(ran.leaves_nothing().answer(), "quota(fds, 2)");
        assert_eq!((ran.usage.used.sockets_peak, ran.usage.used.fds_peak), (2, 2));
        assert_eq!(server.questions().len(), asked, "nobody was asked");
    });
}

#[test]
fn a_component_that_takes_more_than_a_share_of_the_instance_pool_is_refused_at_load() {
    const MEMORY: &[u8] = b"\0asm\x01\0\0\0\x05\x03\x01\0\0";
    const TABLE: &[u8] = b"\0asm\x01\0\0\0\x04\x04\x01\x70\0\0";
    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";
    alone(async {
        // Sixty-four core instances are allowed; these have fewer, but too many memories.
        let error = load(&with_instances(MEMORY, 40)).await.unwrap_err();
        let reason = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(
            reason,
            "it needs 41 memories and 2 tables; a component may have 16 and 64"
        );
        let [memories, tables, instances] = [MEMORY, TABLE, EMPTY];
        for module in [memories, tables, instances] {
            let error = load(&with_instances(module, 499)).await.unwrap_err().to_string();
            assert!(
                error.contains("core module instances") && error.contains("64"),
                "{error}"
            );
        }
        load(&with_instances(MEMORY, 10)).await.unwrap();
    });
}

/// The embedded `tcp` with this many instances of a module without effect.
fn with_instances(module: &[u8], count: usize) -> Vec<u8> {
    let component = embedded("tcp").unwrap();
    let index = leb(core_modules(&component));
    let mut instances = leb(count);
    for _ in 0..count {
        instances.extend([&[0], index.as_slice(), &[0]].concat());
    }
    let section = |id: u8, body: &[u8]| [&[id], leb(body.len()).as_slice(), body].concat();
    [component.as_slice(), &section(1, module), &section(2, &instances)].concat()
}

/// Core modules at the top level of a component.
fn core_modules(component: &[u8]) -> usize {
    let (mut rest, mut count) = (&component[8..], 0);
    while let Some((id, body)) = rest.split_first() {
        count += usize::from(*id == 1);
        let digits = body.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let length = body[..digits]
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
        rest = &body[digits + length..];
    }
    count
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        bytes.push(if number > 0 { low | 0x80 } else { low });
        if number == 0 {
            return bytes;
        }
    }
}

#[test]
fn a_plugin_under_two_names_is_in_memory_once() {
    alone(async {
        let [first, second] = load_as(["a", "b"], &embedded("tcp").unwrap()).await;
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!([&first.name, &second.name], ["a", "b"]);
        assert!(Arc::ptr_eq(first.digest(), second.digest()));
    });
}

async fn load(wasm: &[u8]) -> Result<Arc<Plugin>, PluginError> {
    let [plugin] = load_as(["hog"], wasm).await;
    plugin
}

/// Loads it concurrently under each of these names.
async fn load_as<const N: usize>(names: [&str; N], wasm: &[u8]) -> [Result<Arc<Plugin>, PluginError>; N] {
    let ledger = Ledger::new(Budget::new(8));
    let shared = NetServices {
        resolver: Resolver::new(ResolverSettings::servers(Vec::new()), &ledger),
        blocked: Networks::default(),
        trust: TrustStore::default(),
        propagation: Default::default(),
        proxies: Default::default(),
    };
    let settings = EngineSettings {
        concurrency: 4,
        memory_ceiling: 64 << 20,
    };
    let sandbox = Sandbox::new(
        Engine::new(settings, &Registry::default()).unwrap(),
        ledger,
        Arc::new(shared),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugin.wasm");
    std::fs::write(&path, wasm).unwrap();
    let source = PluginSource::File { path, digest: None };
    let loader = Loader::in_process(Cache::disabled());
    let session = Session::new(Owner::Plugins);
    let loaded = names.map(|name| Plugin::load(name, &source, &loader, &sandbox, &session));
    let loaded = join_all(loaded).await;
    loaded.try_into().unwrap_or_else(|_| unreachable!())
}
