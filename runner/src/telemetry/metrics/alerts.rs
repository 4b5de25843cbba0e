//! How notifications fare.

use std::borrow::Cow;

use opentelemetry_semantic_conventions::attribute as semconv;

use super::series::{Extra, Value, text, word};
use super::{Metrics, told};
use crate::alert::report::{AlertReport, DropReason};
use crate::telemetry::name;

impl Metrics {
    /// Takes how notifications fare.
    pub fn alerts(&mut self, report: &AlertReport) {
        for (notifier, fares) in &report.notifiers {
            let alone = || -> Extra {
                vec![
                    text(name::NOTIFIER, notifier.as_ref()),
                    word(name::NOTIFIER_TYPE, fares.kind),
                ]
            };
            let with = |error: Cow<'static, str>| {
                let mut extra = alone();
                extra.push((Cow::Borrowed(semconv::ERROR_TYPE), Value::Text(error)));
                extra
            };
            // Counters are there from the first moment, so that the first increase is one.
            self.runner
                .set_count(told::NOTIFICATIONS, alone(), fares.delivered);
            self.runner.add(told::ALERT_DROPPED, alone(), 0);
            for (error, count) in &fares.failed {
                self.runner
                    .set_count(told::NOTIFICATIONS, with(error.clone()), *count);
            }
            for (reason, count) in &fares.dropped {
                let extra = with(Cow::Borrowed(reason.word()));
                self.runner.set_count(told::ALERT_DROPPED, extra, *count);
            }
            let age = fares.oldest_age.unwrap_or_default().as_secs_f64();
            self.runner.set_count(told::ALERT_QUEUE, alone(), fares.waiting);
            self.runner.set(told::ALERT_AGE, alone(), age);
            self.runner.set_count(told::FIRING, alone(), fares.firing);
        }
        for (notifier, count) in &report.forgotten.removed {
            let extra = vec![
                text(name::NOTIFIER, notifier.as_ref()),
                word(semconv::ERROR_TYPE, DropReason::Removed.word()),
            ];
            self.runner.set_count(told::ALERT_DROPPED, extra, *count);
        }
        if report.forgotten.unreadable > 0 {
            let extra = vec![word(semconv::ERROR_TYPE, DropReason::Unreadable.word())];
            self.runner
                .set_count(told::ALERT_DROPPED, extra, report.forgotten.unreadable);
        }
    }
}
