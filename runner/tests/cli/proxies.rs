//! Proxies over TLS, from the environment of the runner.

use canary_tests::certificate::Authority;
use canary_tests::command::Ending;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::plain::Proxy;
use canary_tests::peer::tls::NAMES;

use super::{canary, folder, runs};

/// Runs a check of a target through the proxy that `https_proxy` names.
fn check(proxy: &Proxy, url: &str, target: &Site, more: &str, files: &[(&str, &str)]) -> Ending {
    let suite = format!(
        r#"
defaults: {{ retries: 0 }}
checks:
  - name: proxied
    plugin: http
    target: "{}"
    allow: ["tcp://{}"]
    config: {{ proxy: environment{more} }}
"#,
        target.url("https", "/"),
        proxy.address(),
    );
    let files = folder(&[&[("suite.yaml", suite.as_str())], files].concat());
    canary(&files, &["check", "suite.yaml", "--format", "json"])
        .env("HTTPS_PROXY", url)
        .env("SSL_CERT_FILE", "root.pem")
        .run()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_may_use_tls() {
    let (roots, other) = (Authority::new("Root"), Authority::new("Proxy Root"));
    let config = |authority: &Authority| authority.leaf(&NAMES).issue().server_config();
    let target = Site::start_tls(config(&roots), |_| Reply::text("fine"));
    let (root, ca) = (roots.pem(), other.pem());
    let files = [("root.pem", root.as_str()), ("ca.pem", ca.as_str())];
    let own = ", proxy_tls: { ca: \"${file:ca.pem}\" }";
    for (authority, more, passes) in [(&roots, "", true), (&other, "", false), (&other, own, true)] {
        let proxy = Proxy::secure(config(authority), Some("Basic dXNlcjpjb3JyZWN0LWhvcnNl"));
        let url = proxy.url("https", "").replace("://", "://user:correct-horse@");
        let ending = check(&proxy, &url, &target, more, &files);
        assert_eq!(ending.code == 0, passes, "{more}: {ending:?}");
        assert_eq!(proxy.heads().len(), usize::from(passes), "{more}: {ending:?}");
        let run = runs(&ending.out).remove(0);
        let summary = run["summary"].as_str().unwrap_or_default();
        let named = format!("handshake: the proxy `{}`: TLS: ", proxy.url("https", ""));
        assert!(passes || summary.starts_with(&named), "{summary}");
        assert!(!ending.out.contains("correct-horse"), "{ending:?}");
    }
}
