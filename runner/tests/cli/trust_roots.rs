//! Trusted root certificates of the host that cannot be read block no run and blame no target.

use std::process::Command;

use canary_tests::certificate::Authority;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::tls::NAMES;

use super::{canary, folder, runs};

#[tokio::test(flavor = "multi_thread")]
async fn roots_that_cannot_be_read_stop_a_run_and_blame_no_target() {
    let certificate = Authority::new("Test Root").leaf(&NAMES).issue();
    let site = Site::start_tls(certificate.server_config(), |_| Reply::text("fine"));
    let target = site.url("https", "/");
    let suite = format!(
        "defaults: {{ retries: 0 }}\nchecks:\n  - name: page\n    plugin: http\n    target: {target}\n"
    );
    let folder = folder(&[("suite.yaml", &suite)]);
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let absent = folder.path().join("absent");
    for roots in [pipe, absent] {
        let command = canary(&folder, &["check", "suite.yaml", "--format", "json"]);
        let ending = command.env("SSL_CERT_FILE", &roots).run();
        let run = runs(&ending.out).remove(0);
        assert_eq!(
            (run["outcome"].as_str(), run["cause"].as_str()),
            (Some("stopped"), Some("trust_store")),
            "{roots:?}: {ending:?}"
        );
    }
}
