//! The results of several addresses, combined into one verdict.

use std::net::IpAddr;
use std::time::Duration;

use crate::error::ErrorCode;
use crate::verdict::{Assertion, Status, Verdict};

/// Maximum number of addresses whose findings a summary contains.
const MAX_NAMED: usize = 3;

/// The verdicts on the addresses of one name.
#[derive(Debug, Default)]
pub(super) struct Combined {
    verdicts: Vec<AddressVerdict>,
    /// Why the verdict does not cover all addresses.
    left_out: Vec<String>,
}

#[derive(Debug)]
struct AddressVerdict {
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
            message.push_str(&format!(", its share of the time {share:.1?}"));
        }
        self.verdicts.push(AddressVerdict {
            address,
            verdict,
            message,
        });
    }

    /// Records that there are, or may be, addresses that were not judged.
    pub(super) fn leave_out(&mut self, reason: String) {
        self.left_out.push(reason);
    }

    /// The verdict of the worst address, or of the best if the target is expected to fail: then each has to fail, and
    /// one that could not be judged leaves open whether it does. Addresses that were left out are a warning: their
    /// state is unknown.
    pub(super) fn verdict(self, expect_failure: bool) -> Verdict {
        let statuses = self.verdicts.iter().map(|entry| entry.verdict.status());
        let decides = if expect_failure {
            statuses.min()
        } else {
            statuses.max()
        };
        let decides = decides.unwrap_or(Status::Fail);
        let mut whole = Verdict::decided(self.status(decides, expect_failure), self.summary(decides));
        // An address that could not be judged may work, so the others do not show the expected failure.
        if expect_failure && self.verdicts.iter().any(|entry| entry.verdict.is_unknown()) {
            whole = whole.unsure();
        }
        // If there is only one address, its verdict is adopted as a whole.
        if let Some(named) = self
            .verdicts
            .iter()
            .find(|entry| entry.verdict.status() == decides)
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
        for entry in self.verdicts {
            entry.report(&mut whole);
        }
        for reason in self.left_out {
            whole.assert("addresses", Status::Warn, reason);
        }
        whole
    }

    /// An address that was not checked may be as bad as possible, or work where all are expected to fail.
    fn status(&self, decides: Status, expect_failure: bool) -> Status {
        match (self.left_out.is_empty(), expect_failure) {
            (true, _) => decides,
            (false, false) => decides.max(Status::Warn),
            (false, true) => decides.min(Status::Warn),
        }
    }

    fn names(&self, is_meant: impl Fn(Status) -> bool) -> String {
        let meant = self
            .verdicts
            .iter()
            .filter(|entry| is_meant(entry.verdict.status()));
        let names: Vec<_> = meant.map(|entry| entry.address.to_string()).collect();
        names.join(", ")
    }

    fn summary(&self, decides: Status) -> String {
        let meant = || {
            self.verdicts
                .iter()
                .filter(|entry| entry.verdict.status() == decides)
        };
        let (count, of) = (meant().count(), self.verdicts.len());
        let word = match decides {
            Status::Pass => "as expected",
            Status::Warn => "with a warning",
            Status::Fail => "failed",
        };
        let noun = if of == 1 { "address" } else { "addresses" };
        let shown: Vec<_> = meant()
            .take(MAX_NAMED)
            .map(|entry| format!("{}: {}", entry.address, entry.message))
            .collect();
        let mut summary = format!("{count} of {of} {noun} {word}: {}", shown.join("; "));
        if count > MAX_NAMED {
            summary.push_str(&format!("; and {} more", count - MAX_NAMED));
        }
        for reason in &self.left_out {
            summary.push_str("; ");
            summary.push_str(reason);
        }
        summary
    }
}

impl AddressVerdict {
    fn report(self, whole: &mut Verdict) {
        let name = format!("address {}", self.address);
        whole.extend([if self.verdict.is_unknown() {
            Assertion::unknown(name, self.message)
        } else {
            Assertion::new(name, self.verdict.status(), self.message)
        }]);
        for mut measurement in self.verdict.into_measurements() {
            measurement
                .attributes
                .push(("address".into(), self.address.to_string()));
            whole.push_measurement(measurement);
        }
    }
}

/// Every assertion that is not met, or the summary.
fn findings(verdict: &Verdict) -> String {
    let status = verdict.status();
    let wrong = verdict
        .assertions()
        .iter()
        .filter(|one| one.status > Status::Pass);
    let wrong: Vec<_> = wrong
        .map(|assertion| match assertion.name.as_str() {
            // The message contains the phase.
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
