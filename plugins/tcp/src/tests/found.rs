//! What was found is retained and evaluated, however it was received.

use super::*;

#[test]
fn captures_become_attributes() {
    let script = Script::new()
        .send("SSH-2.0-OpenSSH_6.9p1 Debian-2\r\nid \x01")
        .send("\u{ff}\n");
    let verdict = verdict_of_dialogue(
        script,
        json!([
            { "expect": { "matches": "^SSH-2.0-(?<version>[^ -]+)(?: (?<comments>.*))?$" } },
            { "expect": { "matches": "^id (?<id>.*)(?<_private>)$" } },
        ]),
    );
    assert_eq!(verdict.attribute("capture.version"), Some("OpenSSH_6.9p1"));
    assert_eq!(verdict.attribute("capture.comments"), Some("Debian-2"));
    assert_eq!(verdict.attribute("capture.id"), Some("\\x01\\xc3\\xbf"));
    assert_eq!(verdict.attribute("capture._private"), None);
}

#[test]
fn what_is_captured_is_bounded() {
    let line = format!("{}\n", "x".repeat(4_000));
    let verdict = verdict_of_dialogue(
        Script::new().send(line),
        json!([{ "expect": { "matches": "^(?<all>.*)$" } }]),
    );
    let expected = format!("{}… (4000 bytes)", "x".repeat(256));
    assert_eq!(verdict.attribute("capture.all"), Some(expected.as_str()));
}

#[test]
fn what_a_step_finds_does_not_depend_on_how_it_is_cut() {
    let text = b"a\r\nab\nOK 1\r\nprompt> rest";
    let dialogue = json!([
        { "expect": { "equals": "a\r\n" } },
        { "expect": { "matches": "^OK (?<number>[0-9])$" } },
        { "expect": { "contains": "prompt> " } },
        { "expect": { "matches": "^rest$" } },
    ]);
    for size in 1..=text.len() {
        let script = text
            .chunks(size)
            .fold(Script::new(), |script, chunk| script.send(chunk));
        let verdict = verdict_of_dialogue(script, dialogue.clone());
        assert_eq!(verdict.status(), Status::Pass, "{size}: {}", verdict.summary());
        assert_eq!(verdict.attribute("capture.number"), Some("1"));
    }
}

#[test]
fn the_address_that_answered_may_be_expected() {
    let evaluate = |networks: Value| run(Script::new(), json!({ "peer_address": networks }));
    assert_eq!(evaluate(json!(["192.0.2.0/24", "::1"])).status(), Status::Pass);
    assert_eq!(
        evaluate(json!("10.0.0.0/8")).summary(),
        "peer_address: 192.0.2.1 is not in 10.0.0.0/8"
    );
}
