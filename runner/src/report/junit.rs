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
    junit_parts(runs).collect()
}

/// The lines of [`junit`], run by run, so that never more than one run is held as text.
pub fn junit_parts(runs: &[Run]) -> impl Iterator<Item = Result<String, SerializeError>> {
    let mut suite = TestSuite::new("canary");
    for run in runs {
        suite.add_test_case(test_case(run));
        // Only counted.
        suite.test_cases.clear();
    }
    suite.set_time(runs.iter().map(|run| run.duration).sum());
    let frame = frame(suite, runs.is_empty());
    let (begin, end) = match frame {
        Ok((begin, end)) => (Ok(begin), Ok(end)),
        Err(error) => (Err(error), Ok(String::new())),
    };
    let cases = runs.iter().map(|run| Ok(parts(alone(test_case(run)))?.1));
    std::iter::once(begin).chain(cases).chain([end])
}

/// What comes before the test cases of a suite, and what comes behind them.
fn frame(mut suite: TestSuite, is_empty: bool) -> Result<(String, String), SerializeError> {
    if is_empty {
        return Ok((document(suite)?, String::new()));
    }
    suite
        .test_cases
        .push(TestCase::new("", TestCaseStatus::success()));
    let (begin, _, end) = parts(suite)?;
    Ok((begin, end))
}

fn alone(case: TestCase) -> TestSuite {
    let mut suite = TestSuite::new("canary");
    suite.test_cases.push(case);
    suite
}

/// The document of a suite: what comes before its test cases, these, and what comes behind them. In no text of it is
/// there a `<`.
fn parts(suite: TestSuite) -> Result<(String, String, String), SerializeError> {
    let document = document(suite)?;
    let line_of = |place: Option<usize>| {
        let before = place.and_then(|place| document.get(..place));
        before
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |end| end + 1)
    };
    let (first, last) = (
        line_of(document.find("<testcase")),
        line_of(document.rfind("</testsuite>")),
    );
    let part = |range: std::ops::Range<usize>| document.get(range).unwrap_or_default().to_owned();
    Ok((part(0..first), part(first..last), part(last..document.len())))
}

fn document(suite: TestSuite) -> Result<String, SerializeError> {
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
