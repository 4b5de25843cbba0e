//! Credentials of the http plugin: digest authentication and access tokens.

mod digest;
mod oauth2;

use canary_tests::harness::AttemptResult;

/// The summary of a failure that left nothing behind.
#[track_caller]
fn failure(ran: &AttemptResult) -> String {
    assert_eq!(ran.leaves_nothing().ended(), "fail", "{:?}", ran.outcome);
    ran.outcome.summary().to_string()
}

#[track_caller]
fn passes(ran: &AttemptResult) {
    assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
}

/// Everything that is shown of a run.
fn all_texts(ran: &AttemptResult) -> String {
    assert!(ran.trail.conversation.is_some(), "it is recorded");
    format!("{:?} {:?} {:?}", ran.outcome, ran.log, ran.trail)
}
