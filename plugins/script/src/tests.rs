//! Scripts on a fake host.

use canary_sdk::fake::{FakeHost, Script as Peer, certificate, reply, response, session};
use canary_sdk::http::{self, Request};
use canary_sdk::{ErrorCode, NetError, Status, Verdict};
use serde_json::json;

use super::*;

mod http_requests;
mod mistakes;
mod peers;
mod results;
mod sessions;

fn run_on(host: &FakeHost, script: &str) -> Result<Verdict, String> {
    let result = host.run::<Script>("http://shop.test", json!({ "script": script }));
    assert_eq!(host.open_connections(), 0, "{script}");
    result
}

#[track_caller]
fn verdict_on(host: &FakeHost, script: &str) -> Verdict {
    run_on(host, script).unwrap_or_else(|error| panic!("{error}\n{script}"))
}

#[track_caller]
fn verdict(script: &str) -> Verdict {
    verdict_on(&FakeHost::new(), script)
}

#[track_caller]
fn summary(script: &str) -> String {
    verdict(script).summary()
}

#[track_caller]
fn mistake(script: &str) -> String {
    run_on(&FakeHost::new(), script).unwrap_err()
}

#[track_caller]
fn message_of<'v>(verdict: &'v Verdict, assertion: &str) -> &'v str {
    &verdict
        .assertion(assertion)
        .unwrap_or_else(|| panic!("no `{assertion}`: {verdict:?}"))
        .message
}
