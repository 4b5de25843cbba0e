//! Dialogues of the plugin `tcp`: steps from a suite, and arbitrary data from a peer.
//!
//! An input: the steps as JSON, a NUL, and what the peer sends.

use canary_plugin_tcp::Tcp;
use canary_sdk::fake::{FakeHost, Script};
use canary_sdk::{Status, Verdict};
use serde_json::{Value, json};

const TARGET: &str = "peer:1";
/// Maximum number of bytes that a peer sends, possibly one at a time.
const MAX_SENT: usize = 512;
/// Bytes of the message of an assertion: an excerpt of 256 bytes, each escaped, and words.
const MAX_MESSAGE: usize = 4 * 256 + 200;

pub(crate) fn run(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let steps = parts.next().unwrap_or_default();
    let sent = parts.next().unwrap_or_default();
    let sent = sent.get(..MAX_SENT).unwrap_or(sent);
    let Ok(steps) = serde_json::from_slice::<Value>(steps) else {
        return;
    };
    let at_once = run_dialogue(&steps, [sent]);
    // The data that arrives before a handshake depends on it.
    if !steps.to_string().contains("start_tls") {
        let bit_by_bit = run_dialogue(&steps, sent.chunks(1));
        assert_eq!(
            at_once, bit_by_bit,
            "it depends on how the network cuts what is sent"
        );
    }
}

/// The steps of a verdict with their findings, or an error. How much data had arrived by then depends on the network.
type DialogueResult = Result<Vec<(String, Option<String>)>, String>;

fn run_dialogue<'s>(steps: &Value, sent: impl IntoIterator<Item = &'s [u8]>) -> DialogueResult {
    let script = sent.into_iter().fold(Script::new(), Script::send);
    let host = FakeHost::new().tcp(TARGET, script);
    let ended = host.run::<Tcp>(TARGET, json!({ "dialogue": steps }));
    assert_eq!(host.open_connections(), 0);
    match &ended {
        Ok(verdict) => is_bounded(verdict),
        Err(mistake) if mistake.contains("of `dialogue`") => {
            assert!(host.connects().is_empty(), "found after connecting: {mistake}");
        }
        Err(_) => {}
    }
    ended.map(|verdict| findings(&verdict))
}

fn is_bounded(verdict: &Verdict) {
    for assertion in verdict.assertions() {
        assert!(assertion.message.len() <= MAX_MESSAGE, "{}", assertion.message);
    }
}

fn findings(verdict: &Verdict) -> Vec<(String, Option<String>)> {
    let assertions = verdict.assertions().iter();
    let found = assertions.map(|assertion| {
        let message = (assertion.status == Status::Pass).then(|| assertion.message.clone());
        (assertion.name.clone(), message)
    });
    found.collect()
}
