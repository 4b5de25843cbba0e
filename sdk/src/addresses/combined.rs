//! What was found at several addresses, as one verdict.

use std::net::IpAddr;
use std::time::Duration;

use crate::error::ErrorCode;
use crate::verdict::{Assertion, Status, Verdict};

/// Addresses that a summary names with what was found there.
const SHOWN: usize = 3;

/// Verdicts on the addresses of one name.
#[derive(Debug, Default)]
pub(super) struct Combined {
    judged: Vec<Judged>,
    /// Why the verdict is not on all addresses.
    left_out: Vec<String>,
}

#[derive(Debug)]
struct Judged {
    address: IpAddr,
    verdict: Verdict,
    message: String,
}

impl Combined {
    /// Adds the verdict on one address, which had this share of the time.
    pub(super) fn add(&mut self, address: IpAddr, verdict: Verdict, share: Option<Duration>) {
        let mut message = findings(&verdict);
        let is_timeout = verdict.attribute("error.reason") == Some(ErrorCode::Timeout.as_str());
        if let Some(share) = share.filter(|_| is_timeout) {
            message.push_str(&format!(", its share of the time being {share:.1?}"));
        }
        self.judged.push(Judged {
            address,
            verdict,
            message,
        });
    }

    /// Notes that there are, or may be, addresses that were not judged.
    pub(super) fn leave_out(&mut self, reason: String) {
        self.left_out.push(reason);
    }

    /// That of the worst address, or of the best where the target is expected to fail: then each has to fail, and one that
    /// could not be judged leaves open whether it does. Addresses that were left out are a warning: nobody knows of them.
    pub(super) fn verdict(self, expect_failure: bool) -> Verdict {
        let statuses = self.judged.iter().map(|judged| judged.verdict.status());
        let decides = match expect_failure {
            false => statuses.max(),
            true => statuses.min(),
        };
        let decides = decides.unwrap_or(Status::Fail);
        let mut whole = Verdict::decided(self.status(decides, expect_failure), self.summary(decides));
        // One that could not be judged may work, so that the others do not show what was expected.
        if expect_failure && self.judged.iter().any(|judged| judged.verdict.is_unknown()) {
            whole = whole.unsure();
        }
        // Of one address all, and not something of each.
        if let Some(named) = self
            .judged
            .iter()
            .find(|judged| judged.verdict.status() == decides)
        {
            for (key, value) in named.verdict.attributes() {
                whole.set_attribute(key, value);
            }
        }
        whole.set_attribute("addresses", self.names(|_| true));
        for status in [Status::Warn, Status::Fail] {
            let names = self.names(|other| other == status);
            if !names.is_empty() {
                whole.set_attribute(format!("addresses.{status}"), names);
            }
        }
        for judged in self.judged {
            judged.report(&mut whole);
        }
        for reason in self.left_out {
            whole.assert("addresses", Status::Warn, reason);
        }
        whole
    }

    /// An address that nobody looked at may be as bad as can be, or work where all are expected to fail.
    fn status(&self, decides: Status, expect_failure: bool) -> Status {
        match (self.left_out.is_empty(), expect_failure) {
            (true, _) => decides,
            (false, false) => decides.max(Status::Warn),
            (false, true) => decides.min(Status::Warn),
        }
    }

    fn names(&self, is_meant: impl Fn(Status) -> bool) -> String {
        let meant = self
            .judged
            .iter()
            .filter(|judged| is_meant(judged.verdict.status()));
        let names: Vec<_> = meant.map(|judged| judged.address.to_string()).collect();
        names.join(", ")
    }

    fn summary(&self, decides: Status) -> String {
        let meant = || {
            self.judged
                .iter()
                .filter(|judged| judged.verdict.status() == decides)
        };
        let (count, of) = (meant().count(), self.judged.len());
        let word = match decides {
            Status::Pass => "as expected",
            Status::Warn => "with a warning",
            Status::Fail => "failed",
        };
        let noun = if of == 1 { "address" } else { "addresses" };
        let shown: Vec<_> = meant()
            .take(SHOWN)
            .map(|judged| format!("{}: {}", judged.address, judged.message))
            .collect();
        let mut summary = format!("{count} of {of} {noun} {word}: {}", shown.join("; "));
        if count > SHOWN {
            summary.push_str(&format!("; and {} more", count - SHOWN));
        }
        for reason in &self.left_out {
            summary.push_str("; ");
            summary.push_str(reason);
        }
        summary
    }
}

impl Judged {
    fn report(self, whole: &mut Verdict) {
        let name = format!("address {}", self.address);
        whole.extend([match self.verdict.is_unknown() {
            true => Assertion::unknown(name, self.message),
            false => Assertion::new(name, self.verdict.status(), self.message),
        }]);
        for mut measurement in self.verdict.into_measurements() {
            measurement
                .attributes
                .push(("address".into(), self.address.to_string()));
            whole.push_measurement(measurement);
        }
    }
}

/// All that is not as it should be, or the summary.
fn findings(verdict: &Verdict) -> String {
    let status = verdict.status();
    let wrong = verdict
        .assertions()
        .iter()
        .filter(|one| one.status > Status::Pass);
    let wrong: Vec<_> = wrong
        .map(|assertion| match assertion.name.as_str() {
            // It says the phase itself.
            "network" => assertion.message.clone(),
            name => format!("{name}: {}", assertion.message),
        })
        .collect();
    match status {
        Status::Pass => verdict.summary(),
        Status::Warn | Status::Fail if wrong.is_empty() => verdict.summary(),
        Status::Warn | Status::Fail => wrong.join("; "),
    }
}
