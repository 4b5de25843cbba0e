use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wasmtime::Store;

use super::cpu::CpuMeter;
use super::guest::Guest;
use super::state::State;
use super::{Bounds, Engine, EngineSettings, Program, Sandbox};
use canary_net::NetServices;
use canary_net::ledger::{Budget, Lease, Ledger, Page, PageOwner};
use canary_net::resolve::{Resolver, ResolverSettings};
use canary_net::tls::TrustStore;
use canary_record::Recorder;
use canary_record::quota::Quota;
use canary_record::trace::TraceContext;
use canary_run::outcome::{Fault, Outcome};
use canary_suite::Secrets;
use canary_suite::grant::{Grants, Networks};
use canary_system::liveness::Registry;

fn sandbox() -> Sandbox {
    let settings = EngineSettings {
        concurrency: 4,
        memory_ceiling: 64 << 20,
    };
    let ledger = Ledger::new(Budget::new(8));
    let shared = NetServices {
        resolver: Resolver::new(ResolverSettings::servers(Vec::new()), &ledger),
        blocked: Networks::default(),
        trust: TrustStore::default(),
        propagation: canary_record::trace::propagation::Propagation::default(),
        proxies: Default::default(),
    };
    Sandbox::new(
        Engine::new(settings, &Registry::default()).unwrap(),
        ledger,
        Arc::new(shared),
    )
}

fn program(sandbox: &Sandbox) -> Program {
    let component = include_bytes!(env!("CANARY_PLUGIN_LEAK"));
    let component = sandbox.engine().compile(component).unwrap();
    sandbox.link(&component).unwrap()
}

fn bounds() -> Bounds {
    Bounds {
        quota: Quota::default(),
        timeout: Duration::from_secs(60),
        grants: Grants::default(),
        trace: TraceContext {
            trace_id: [1; 16],
            span_id: [1; 8],
            sampled: true,
        },
        owner: PageOwner::service("a check"),
        recorder: Recorder::new(Secrets::default(), Quota::default().record),
    }
}

#[tokio::test]
async fn a_panic_of_the_host_is_an_outcome_and_releases_what_was_leased() {
    let sandbox = sandbox();
    let program = program(&sandbox);
    let token = CancellationToken::new();
    let call = async |_: &Guest, store: &mut Store<State>| {
        let nowhere = ([127, 0, 0, 1], 9).into();
        std::mem::forget(Lease::try_acquire(store.data().client.page(), nowhere).unwrap());
        if sandbox.ledger().leased() == 1 {
            panic!("a bug of the host");
        }
        Ok(())
    };
    let (ended, record) = sandbox
        .call(&program, bounds(), &token, call, async |(), _, _| ())
        .await;
    let expected = Fault::Host("a host function panicked: a bug of the host".into());
    assert_eq!(ended, Err(Outcome::Faulted(expected)));
    assert_eq!((record.usage.reclaimed, sandbox.ledger().leased()), (1, 0));
}

#[tokio::test]
async fn what_was_returned_in_time_is_not_late_however_long_it_takes_to_record() {
    let sandbox = sandbox();
    let program = program(&sandbox);
    let token = CancellationToken::new();
    let bounds = bounds();
    let after = bounds.timeout + Duration::from_millis(1);
    let record = async |returned, _: &Page, _: &Arc<CpuMeter>| {
        tokio::time::pause();
        tokio::time::advance(after).await;
        tokio::task::yield_now().await;
        returned
    };
    let (ended, _) = sandbox
        .call(&program, bounds, &token, async |_, _| Ok(7), record)
        .await;
    assert_eq!(ended, Ok(7));
}
