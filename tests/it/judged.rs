//! What a built-in plugin finds nothing wrong with can run: whatever the peer does, nobody is to blame but the peer.
#![expect(clippy::unwrap_used, reason = "what is missing must fail the test")]

mod configs;

use canary::outcome::Outcome;
use canary_tests::certificate::Authority;
use canary_tests::harness::{Harness, alone, ms};
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::{Hostile, Peer, plain};
use serde_json::Value;

use configs::Choice;

/// Configurations of each plugin.
const CONFIGS: usize = 150;

/// Runs what the plugin has nothing against, and gives the number of those. None may be the plugin's fault.
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
        let peer = choice.of(peers);
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
        let mut trial = harness
            .plugin(plugin)
            .target(&target)
            .timeout(ms(400))
            .allow("tcp://127.0.0.0/8:*");
        for (key, value) in config.as_object().unwrap() {
            trial = trial.set(key, value.clone());
        }
        let ran = trial.run().await;
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
        // A good one as often as a hostile one.
        let peers: Vec<&Peer> = hostile.iter().flat_map(|peer| [peer, &*site]).collect();
        let keys = [
            ("http", configs::http(&mut choice, &authority)),
            ("tcp", configs::tcp(&mut choice, &authority)),
            ("tls", configs::tls_plugin(&authority)),
        ];
        for (plugin, keys) in keys {
            let allowed = runs(&harness, plugin, &keys, &peers, &mut choice).await;
            // The others are refused: of neither there are few.
            assert!(
                (CONFIGS / 5..CONFIGS - CONFIGS / 5).contains(&allowed),
                "{plugin}: {allowed}"
            );
        }
    });
}
