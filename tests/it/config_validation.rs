//! Configurations that a built-in plugin accepts can run: whatever the peer does, only the target is blamed.
#![expect(clippy::unwrap_used, reason = "what is missing must fail the test")]

mod generated;

use canary::outcome::Outcome;
use canary_tests::certificate::Authority;
use canary_tests::harness::{Harness, alone, ms};
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::{Hostile, Peer, plain};
use serde_json::Value;

use generated::Choice;

/// Number of configurations for each plugin.
const CONFIGS: usize = 150;

/// Runs the configurations that the plugin accepts, and returns their number. No run may end as the plugin's fault.
async fn runs(
    harness: &Harness,
    plugin: &str,
    keys: &[(&str, Vec<Value>)],
    peers: &[&Peer],
    choice: &mut Choice,
) -> usize {
    let mut allowed = 0;
    for _ in 0..CONFIGS {
        let config = choice.object(keys, 3);
        let peer = choice.pick(peers);
        let target = match plugin {
            "http" if choice.is_likely() => peer.url("http", "/"),
            "http" => peer.url("https", "/"),
            _ => peer.address().to_string(),
        };
        if !harness
            .check_config(plugin, &target, &config)
            .await
            .unwrap()
            .is_empty()
        {
            continue;
        }
        allowed += 1;
        let mut attempt = harness
            .plugin(plugin)
            .target(&target)
            .timeout(ms(400))
            .allow("tcp://127.0.0.0/8:*");
        for (key, value) in config.as_object().unwrap() {
            attempt = attempt.set(key, value.clone());
        }
        let ran = attempt.run().await;
        assert!(
            !matches!(ran.outcome, Outcome::Faulted(_)),
            "{plugin} {target} {config}: {}",
            ran.outcome.summary()
        );
    }
    allowed
}

#[test]
fn a_configuration_that_its_plugin_takes_is_never_its_fault() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Judged");
        let site = Site::start(|_| Reply::json(r#"{"status":"ok","a":[1,{"b":null}]}"#));
        let mut choice = Choice(10);
        let mut hostile: Vec<Peer> = Hostile::ALL.into_iter().map(Hostile::start).collect();
        hostile.push(plain::echo());
        // Good and hostile peers in equal proportion.
        let peers: Vec<&Peer> = hostile.iter().flat_map(|peer| [peer, &*site]).collect();
        let keys = [
            ("http", generated::http(&mut choice, &authority)),
            ("tcp", generated::tcp(&mut choice, &authority)),
            ("tls", generated::tls_plugin(&authority)),
        ];
        for (plugin, keys) in keys {
            let allowed = runs(&harness, plugin, &keys, &peers, &mut choice).await;
            // Both accepted and rejected configurations must be frequent.
            assert!(
                (CONFIGS / 5..CONFIGS - CONFIGS / 5).contains(&allowed),
                "{plugin}: {allowed}"
            );
        }
    });
}
