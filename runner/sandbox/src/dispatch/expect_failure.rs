//! Checks with `expect_failure`, whose target must fail: a port that must be closed, a page that must not be served, a
//! certificate that must be rejected.

use canary_run::outcome::{Outcome, OwnFault, Usage, Verdict, VerdictStatus};

/// Inverts the outcome of an attempt whose target must fail. A verdict of fail becomes a pass; a verdict of pass or
/// warn becomes a fail, since both mean that the target works.
///
/// An outcome without a verdict is unchanged, since nothing is known about the target. A failure that was caused by the
/// check itself also remains a failure, since it is not the expected one.
pub(super) fn invert(outcome: Outcome, usage: &Usage) -> Outcome {
    let Outcome::Completed(verdict) = outcome else {
        return outcome;
    };
    let (status, prefix) = match (verdict.status, usage.own_fault()) {
        (VerdictStatus::Fail, Some(OwnFault::Refused)) => (
            VerdictStatus::Fail,
            "failed for lack of a grant or quota, not as expected: ",
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
        summary: verdict.summary.with_prefix(prefix),
        ..verdict
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use canary_record::Text;
    use canary_record::quota::{Denies, QuotaKind};
    use canary_run::outcome::{Fault, StopCause};

    fn verdict(status: VerdictStatus, summary: &'static str) -> Outcome {
        Outcome::Completed(Verdict {
            status,
            summary: Text::from_static(summary),
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
    fn a_target_that_must_fail_passes_when_it_fails_and_fails_when_it_works() {
        use VerdictStatus::{Fail, Pass, Warn};
        for (found, status, summary) in [
            (verdict(Fail, "refused"), Pass, "failed as expected: refused"),
            (verdict(Pass, "200 OK"), Fail, "expected to fail: 200 OK"),
            (verdict(Warn, "slow"), Fail, "expected to fail: slow"),
        ] {
            let outcome = invert(found, &Usage::default());
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
            Outcome::Faulted(Fault::GaveUp(Text::from_static("bad config"))),
        ] {
            assert_eq!(invert(outcome.clone(), &Usage::default()), outcome);
        }
    }

    #[test]
    fn a_denied_grant_or_quota_is_not_the_failure_that_was_expected() {
        let ungranted = Usage {
            ungranted: 1,
            ..Usage::default()
        };
        let kinds = QuotaKind::ALL.into_iter();
        let kinds = kinds.filter(|kind| kind.denies() != Denies::Recording);
        let unworkable = Usage {
            own_failures: 1,
            ..Usage::default()
        };
        for usage in kinds.map(refused).chain([ungranted, unworkable]) {
            let outcome = invert(verdict(VerdictStatus::Fail, "denied"), &usage);
            assert_eq!(outcome.verdict(), Some(VerdictStatus::Fail), "{usage:?}");
            assert!(outcome.summary().ends_with("not as expected: denied"));
        }
    }

    #[test]
    fn a_full_log_or_record_does_not_count_as_a_failure_of_the_check() {
        let kinds = QuotaKind::ALL.into_iter();
        for kind in kinds.filter(|kind| kind.denies() == Denies::Recording) {
            let outcome = invert(verdict(VerdictStatus::Fail, "refused"), &refused(kind));
            assert_eq!(outcome.verdict(), Some(VerdictStatus::Pass), "{kind}");
        }
    }
}
