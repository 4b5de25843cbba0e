//! What checks share is validated once: the work for a suite is linear in the size of its files and the number of its
//! checks.

use super::*;

/// Bytes that a plugin receives to validate a suite in which `targets` targets share a configuration of `bytes` bytes.
fn validated_bytes(targets: usize, bytes: usize, layer: &str) -> usize {
    let targets: Vec<String> = (0..targets).map(|number| format!("\"a:{number}\"")).collect();
    let text = format!(
        "plugins: {{ own: {{ path: own.wasm }} }}\n{layer}:{}{{ plugin: own, config: {{ family: ipv6, body: {} }} }}\n\
         checks: [{{ name: a, {} targets: [{}] }}]\n",
        if layer == "profiles" { " { p: " } else { " " },
        "x".repeat(bytes),
        if layer == "profiles" { "profile: p," } else { "" },
        targets.join(", "),
    );
    let text = match layer {
        "profiles" => text.replacen(" }\nchecks", " } }\nchecks", 1),
        _ => text,
    };
    let config = only_config(text, "own");
    let of_targets = (0..config.targets.len()).map(|index| config.for_target(index).len());
    of_targets.sum()
}

#[test]
fn a_plugin_gets_a_long_configuration_again_and_again_only_within_a_bound() {
    for layer in ["defaults", "profiles"] {
        // A short configuration, or one with few targets, is sent in full with each of them.
        assert!(validated_bytes(10, 100_000, layer) > 10 * 100_000);
        assert!(validated_bytes(1_000, 100, layer) > 1_000 * 100);
        let (few, many) = (
            validated_bytes(1_000, 1_000_000, layer),
            validated_bytes(4_000, 1_000_000, layer),
        );
        assert!(few < 1_100_000 && many - few <= 3_000 * 100, "{few} {many}");
        let long = validated_bytes(1_000, 3_000_000, layer);
        assert!(long - few <= 2_100_000, "{few} {long}");
    }
}

#[test]
fn what_is_short_of_a_configuration_is_sent_with_each_target() {
    let text = format!(
        "defaults: {{ plugin: leak, config: {{ id: 12345678901234567890123, body: {}, list: [{}] }} }}\nchecks: [{{ name: a, targets: [{}] }}]\n",
        "x".repeat(1_000_000),
        "1, ".repeat(1_000),
        (0..100)
            .map(|number| format!("\"a:{number}\", "))
            .collect::<String>(),
    );
    let config = only_config(text, "leak");
    assert!(config.for_target(0).len() > 1_000_000 && !config.is_shortened(0));
    assert_eq!(
        (config.for_target(1), config.is_shortened(1)),
        ("{\"id\":12345678901234567890123}", true)
    );
}

#[test]
fn checks_share_what_their_secrets_are_found_by() {
    let values: Vec<String> = (0..200)
        .map(|number| format!("\"${{env:TOKEN}}{number}\""))
        .collect();
    let text = format!(
        "defaults: {{ plugin: leak, config: {{ list: [{}] }} }}\nchecks: [{{ name: a, targets: [\"a:1\", \"a:2\", \"${{env:DB_HOST}}:5\"] }}]\n",
        values.join(", ")
    );
    let suite = load_text(text).unwrap();
    let shown: Vec<String> = suite
        .checks
        .iter()
        .map(|check| format!("{:?}", check.secrets))
        .collect();
    assert_eq!(
        shown,
        [
            "Secrets(1, redacted)",
            "Secrets(1, redacted)",
            "Secrets(2, redacted)"
        ]
    );
    let redacted = suite.checks[2]
        .secrets
        .redact(&format!("{TOKEN}, db.secret.internal"));
    assert!(
        !redacted.contains("hunter2") && !redacted.contains("internal"),
        "{redacted}"
    );
}
