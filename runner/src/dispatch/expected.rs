//! Checks whose target is to fail: a port that must be closed, a page that must not be served, a certificate that must be
//! refused.

use crate::outcome::{Outcome, OwnFault, Usage, Verdict, VerdictStatus};

/// What the outcome of an attempt says of a target that is to fail. A verdict of fail is then a pass, and one of pass or
/// warn, both of which say that the target works, is a fail.
///
/// Without a verdict nothing is known, whatever was expected. Nor is it what was expected where the check itself failed: the
/// target had no part in that, so that the failure stands.
pub(super) fn upside_down(outcome: Outcome, usage: &Usage) -> Outcome {
    let Outcome::Completed(verdict) = outcome else {
        return outcome;
    };
    let (status, prefix) = match (verdict.status, usage.own_fault()) {
        (VerdictStatus::Fail, Some(OwnFault::Refused)) => (
            VerdictStatus::Fail,
            "failed for want of a grant or quota, not as expected: ",
        ),
        (VerdictStatus::Fail, Some(OwnFault::Unworkable)) => (
            VerdictStatus::Fail,
            "failed because of the check itself, not as expected: ",
        ),
        (VerdictStatus::Fail, None) => (VerdictStatus::Pass, "failed as expected: "),
        (VerdictStatus::Pass | VerdictStatus::Warn, _) => (VerdictStatus::Fail, "expected to fail: "),
    };
    Outcome::Completed(Verdict {
        status,
        summary: verdict.summary.behind(prefix),
        ..verdict
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Fault, StopCause};
    use crate::quota::QuotaKind;
    use crate::record::Text;

    fn verdict(status: VerdictStatus, summary: &'static str) -> Outcome {
        Outcome::Completed(Verdict {
            status,
            summary: Text::fixed(summary),
            assertions: Vec::new(),
            measurements: Vec::new(),
            attributes: Vec::new(),
        })
    }

    fn refused(kind: QuotaKind) -> Usage {
        Usage {
            denials: [(kind, 1)].into(),
            ..Usage::default()
        }
    }

    #[test]
    fn a_target_that_is_to_fail_passes_when_it_fails_and_fails_when_it_works() {
        use VerdictStatus::{Fail, Pass, Warn};
        for (found, status, summary) in [
            (verdict(Fail, "refused"), Pass, "failed as expected: refused"),
            (verdict(Pass, "200 OK"), Fail, "expected to fail: 200 OK"),
            (verdict(Warn, "slow"), Fail, "expected to fail: slow"),
        ] {
            let outcome = upside_down(found, &Usage::default());
            assert_eq!(
                (outcome.verdict(), outcome.summary().as_str()),
                (Some(status), summary)
            );
        }
    }

    #[test]
    fn a_run_without_a_verdict_is_not_the_failure_that_was_expected() {
        for outcome in [
            Outcome::Stopped(StopCause::Descriptors),
            Outcome::Stopped(StopCause::Shutdown),
            Outcome::Faulted(Fault::GaveUp(Text::fixed("bad config"))),
        ] {
            assert_eq!(upside_down(outcome.clone(), &Usage::default()), outcome);
        }
    }

    #[test]
    fn what_the_check_itself_was_refused_is_not_the_failure_that_was_expected() {
        let ungranted = Usage {
            ungranted: 1,
            ..Usage::default()
        };
        let kinds = QuotaKind::ALL.into_iter();
        let kinds = kinds.filter(|kind| !matches!(kind, QuotaKind::LogLines | QuotaKind::Record));
        let unworkable = Usage {
            own_failures: 1,
            ..Usage::default()
        };
        for usage in kinds.map(refused).chain([ungranted, unworkable]) {
            let outcome = upside_down(verdict(VerdictStatus::Fail, "denied"), &usage);
            assert_eq!(outcome.verdict(), Some(VerdictStatus::Fail), "{usage:?}");
            assert!(outcome.summary().ends_with("not as expected: denied"));
        }
    }

    #[test]
    fn a_log_or_a_record_that_is_full_makes_nothing_fail() {
        for kind in [QuotaKind::LogLines, QuotaKind::Record] {
            let outcome = upside_down(verdict(VerdictStatus::Fail, "refused"), &refused(kind));
            assert_eq!(outcome.verdict(), Some(VerdictStatus::Pass), "{kind}");
        }
    }
}
