//! For a CI system: JUnit XML.

use quick_junit::{NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::plain::{for_xml, plain};
use crate::outcome::{Assertion, Outcome, Run, Verdict, VerdictStatus};

/// One test case a run, in one suite a report. A fail is a `<failure>` with the failing assertions; a stop or a
/// fault is an `<error>`; a warning passes and is written to `<system-out>`.
///
/// # Errors
/// Never for runs as they are today; the serialiser may.
pub fn junit(runs: &[Run]) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new("canary");
    suite.add_test_cases(runs.iter().map(test_case));
    suite.set_time(runs.iter().map(|run| run.duration).sum());
    let mut report = Report::new("canary");
    report.add_test_suite(suite);
    Ok(for_xml(&report.to_string()?).into_owned())
}

fn test_case(run: &Run) -> TestCase {
    let mut case = TestCase::new(plain(run.check.id.as_str()), status(run));
    case.set_classname(plain(&run.check.plugin));
    case.set_time(run.duration);
    case.add_property(Property::new("target", plain(&run.check.target.to_string())));
    if let Outcome::Completed(verdict) = &run.outcome {
        case.set_assertions(verdict.assertions.len());
        if verdict.status == VerdictStatus::Warn {
            case.set_system_out(format!("warn: {}\n{}", plain(&verdict.summary), failing(verdict)));
        }
    }
    case
}

fn status(run: &Run) -> TestCaseStatus {
    let (kind, word, description) = match &run.outcome {
        Outcome::Completed(verdict) if verdict.status == VerdictStatus::Fail => {
            (NonSuccessKind::Failure, "fail", failing(verdict))
        }
        Outcome::Completed(_) => return TestCaseStatus::success(),
        Outcome::Stopped(cause) => (NonSuccessKind::Error, cause.word(), String::new()),
        Outcome::Faulted(fault) => (NonSuccessKind::Error, fault.word(), String::new()),
    };
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_message(plain(&run.outcome.summary()))
        .set_type(word)
        .set_description(description);
    status
}

fn failing(verdict: &Verdict) -> String {
    let line = |assertion: &Assertion| {
        let word = assertion.status.word();
        format!(
            "{word}  {}: {}\n",
            plain(&assertion.name),
            plain(&assertion.message)
        )
    };
    let failing = verdict
        .assertions
        .iter()
        .filter(|assertion| assertion.status != VerdictStatus::Pass);
    failing.map(line).collect()
}
