//! Metrics about notifications.

use std::borrow::Cow;

use opentelemetry_semantic_conventions::attribute as semconv;

use super::series::{PointAttributes, Value, static_attribute, string_attribute};
use super::{Metrics, instrument};
use crate::name;
use canary_outbound::alert_report::{AlertReport, DropReason};

impl Metrics {
    /// Records the state of the notifiers.
    pub(crate) fn record_alerts(&mut self, report: &AlertReport) {
        for (notifier, stats) in &report.notifiers {
            let alone = || -> PointAttributes {
                vec![
                    string_attribute(name::NOTIFIER, notifier.as_ref()),
                    static_attribute(name::NOTIFIER_TYPE, stats.kind),
                ]
            };
            let with = |error: Cow<'static, str>| {
                let mut attributes = alone();
                attributes.push((Cow::Borrowed(semconv::ERROR_TYPE), Value::Text(error)));
                attributes
            };
            // Counters exist from the start, so that the first increase is visible to `increase()`.
            self.runner
                .set_count(instrument::NOTIFICATIONS, alone(), stats.delivered);
            self.runner.add(instrument::ALERT_DROPPED, alone(), 0);
            for (error, count) in &stats.failed {
                self.runner
                    .set_count(instrument::NOTIFICATIONS, with(error.clone()), *count);
            }
            for (reason, count) in &stats.dropped {
                let attributes = with(Cow::Borrowed(reason.as_str()));
                self.runner
                    .set_count(instrument::ALERT_DROPPED, attributes, *count);
            }
            let age = stats.oldest_age.unwrap_or_default().as_secs_f64();
            self.runner
                .set_count(instrument::ALERT_QUEUE, alone(), stats.waiting);
            self.runner.set(instrument::ALERT_AGE, alone(), age);
            self.runner.set_count(instrument::FIRING, alone(), stats.firing);
        }
        for (notifier, count) in &report.discarded.removed {
            let attributes = vec![
                string_attribute(name::NOTIFIER, notifier.as_ref()),
                static_attribute(semconv::ERROR_TYPE, DropReason::Removed.as_str()),
            ];
            self.runner
                .set_count(instrument::ALERT_DROPPED, attributes, *count);
        }
        if report.discarded.unreadable > 0 {
            let attributes = vec![static_attribute(
                semconv::ERROR_TYPE,
                DropReason::Unreadable.as_str(),
            )];
            self.runner
                .set_count(instrument::ALERT_DROPPED, attributes, report.discarded.unreadable);
        }
    }
}
