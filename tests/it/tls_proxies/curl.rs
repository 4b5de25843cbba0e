//! The same proxies beside `curl --proxy https://… --proxy-cacert`.
#![expect(clippy::expect_used, reason = "what is missing must fail the test")]

use std::path::PathBuf;

use canary_tests::certificate::Authority;
use canary_tests::command::{Program, find};
use canary_tests::harness::{Harness, alone, ms};
use canary_tests::peer::plain::Proxy;
use tempfile::TempDir;

use super::{Target, kinds, of_proxy, proxy};

/// A real curl with the certificates of both sides.
struct Curl {
    program: PathBuf,
    folder: TempDir,
}

impl Curl {
    fn find(target: &Authority, proxy: &Authority) -> Option<Self> {
        let program = find("curl")?;
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text);
        write("target.pem", target.pem()).expect("a file");
        write("proxy.pem", proxy.pem()).expect("a file");
        Some(Self { program, folder })
    }

    async fn passes(&self, proxy: &str, url: &str) -> bool {
        let program = Program::at(&self.program).within(self.folder.path());
        let program = program.args(["-sS", "--noproxy", "", "--max-time", "10", "--proxy", proxy]);
        let files = ["--proxy-cacert", "proxy.pem", "--cacert", "target.pem", "-o"];
        let program = program.args(files).args(["/dev/null", url]);
        let ending = tokio::task::spawn_blocking(|| program.run()).await;
        ending.expect("it ends").code == 0
    }
}

#[test]
fn curl_and_canary_use_and_refuse_the_same_proxies() {
    alone(async {
        let harness = Harness::new().await;
        let (target, ca) = (Target::new(), Authority::new("Proxy Root"));
        let Some(curl) = Curl::find(&target.authority, &ca) else {
            return;
        };
        let good = proxy(&ca);
        let demanding = Proxy::secure(of_proxy(&ca).server_config(), Some("Basic dTpw"));
        let with_password = demanding.url("https", "").replace("://", "://u:p@");
        let plain = Proxy::start();
        let mut cases = vec![
            ("good", &*good, good.url("https", ""), true),
            ("with a password", &*demanding, with_password, true),
            (
                "without a password",
                &*demanding,
                demanding.url("https", ""),
                false,
            ),
            ("plain text", &*plain, plain.url("https", ""), false),
        ];
        let kinds = kinds(&ca);
        let bad = kinds.iter();
        cases.extend(bad.map(|kind| (kind.name, &kind.proxy, kind.proxy.url("https", ""), false)));
        for (name, proxy, url, passes) in cases {
            let attempt = target.through(&harness, proxy, &ca).set("proxy", url.clone());
            let ran = attempt.timeout(ms(5_000)).run().await;
            assert_eq!(
                ran.leaves_nothing().ended() == "pass",
                passes,
                "{name}: {:?}",
                ran.outcome
            );
            assert_eq!(curl.passes(&url, &target.url()).await, passes, "curl: {name}");
        }
    });
}
