use canary_tests::command::Program;

use super::*;

/// Settings of a small host with nothing configured.
pub(in crate::app) fn settings() -> Settings {
    Settings {
        concurrency: 10,
        cache: Cache::disabled(),
        plugin_limits: None,
        on_compile: None,
        blocked_networks: Networks::default(),
        references: ReferencePolicy::default(),
        variables: VariableOverrides::default(),
        ceiling: Quota::ceiling(),
        resolver: None,
        notifiers: None,
        propagation: Propagation::default(),
        sampler: Sampler::default(),
        streams: Streams::default(),
        liveness: Registry::default(),
        secrets: SecretRegistry::default(),
    }
}

#[tokio::test]
#[ignore = "needs an environment of its own"]
async fn a_host_behind_a_proxy() {
    let settings = settings();
    let secrets = settings.secrets.clone();
    let host = Host::start(settings).unwrap();
    assert_eq!(secrets.secrets().redact("407 for correct-horse"), "407 for ***");
    drop(host);
}

#[test]
fn the_password_of_the_environments_proxy_is_a_secret_of_the_process() {
    let program = Program::test("app::host::tests::a_host_behind_a_proxy");
    let proxy = "http://canary:correct-horse@proxy.internal.test:3128";
    let ending = program.env("HTTPS_PROXY", proxy).run();
    assert!(ending.out.contains("1 passed"), "{ending:?}");
}
