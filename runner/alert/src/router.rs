//! Routing rules: decides from status transitions who is notified, of what and when. It has no clock and does no I/O.

mod late_restore;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::check_alerts::{CheckAlerts, Inhibition};
use super::notification::{CheckFacts, Event, Notification};
use super::outbox::Outbox;
use super::settings::Settings;
use super::suite_index::{SuiteIndex, notifies, reminder_interval};
use canary_run::outcome::Run;
use canary_run::schedule::time_to_due;
use canary_run::status::{CheckStatus, Status};
use canary_state::{Change, PendingCommit, Table};
use canary_suite::{Check, CheckId};
use canary_system::age::Now;
use timers::RECHECK_INTERVAL;

/// Decides which notifier gets which notification. It never blocks.
///
/// The changes that one call returns must be persisted in one transaction; [`AlertRouter::dispatch`] then releases the
/// notifications.
#[derive(Debug)]
pub struct AlertRouter {
    rules: Vec<Rule>,
    reminder_interval: Option<Duration>,
    index: SuiteIndex,
    /// Checks that are not up, with their alerts.
    unhealthy: HashMap<CheckId, CheckAlerts>,
    /// When to re-evaluate a check without a run, in time since boot.
    timers: BTreeSet<(Duration, CheckId)>,
    timer_of: HashMap<CheckId, Duration>,
    outbox: Arc<Outbox>,
    /// Changes left over from restoring, returned by the next call.
    pending: Vec<Change>,
    /// Whether rows of an earlier process may still arrive; nothing is sent until then.
    awaits_rows: bool,
}

/// What one notifier subscribes to.
#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    statuses: BTreeSet<Status>,
    /// Whether its receiver expects firing alerts to be resent.
    resends_firing: bool,
    /// Firing alerts that the notifier was notified of.
    firing: u64,
}

/// Why a notification is suppressed.
enum SuppressedBy {
    Maintenance,
    Dependency,
}

impl AlertRouter {
    /// Restores the alerts from the rows of [`Table::Alert`]. Nothing is sent before [`AlertRouter::apply_suite`].
    pub(super) fn restore(
        settings: &Settings,
        rows: &[(Arc<str>, String)],
        outbox: Arc<Outbox>,
        pending: Vec<Change>,
    ) -> Self {
        let rule = |notifier: &super::Notifier| Rule {
            name: Arc::clone(&notifier.name),
            statuses: notifier.statuses.clone(),
            resends_firing: notifier.resend_interval().is_some(),
            firing: 0,
        };
        let mut router = Self {
            rules: settings.notifiers.iter().map(rule).collect(),
            reminder_interval: settings.repeat_interval,
            index: SuiteIndex::default(),
            unhealthy: HashMap::new(),
            timers: BTreeSet::new(),
            timer_of: HashMap::new(),
            outbox,
            pending,
            awaits_rows: false,
        };
        for (key, text) in rows {
            let Some(check_alerts) = router.parse_row(text) else {
                router.outbox.queue().count_unreadable_alert();
                router.pending.push(Change::delete(Table::Alert, key));
                continue;
            };
            router.insert(CheckId::new(key), check_alerts);
        }
        router
    }

    /// Parses a row and drops the alerts of notifiers that no longer exist.
    fn parse_row(&self, text: &str) -> Option<CheckAlerts> {
        let mut check_alerts = serde_json::from_str::<CheckAlerts>(text).ok()?;
        let is_known = |name: &String| self.rules.iter().any(|rule| *rule.name == **name);
        check_alerts.alerts.retain(|name, _| is_known(name));
        // The next run of the check decides whether a dependency still inhibits it.
        check_alerts.inhibition = Inhibition::Active;
        Some(check_alerts)
    }

    /// Applies a new suite. Alerts of a check that was removed, or that no longer notifies a notifier, are resolved.
    /// `index` holds the previous index afterwards.
    pub fn apply_suite(&mut self, index: &mut SuiteIndex, now: &Now) -> Vec<Change> {
        std::mem::swap(&mut self.index, index);
        for (id, check_alerts) in &self.unhealthy {
            self.index.set_bad(id, is_bad(check_alerts.status));
        }
        if self.awaits_rows {
            return Vec::new();
        }
        let mut changes = std::mem::take(&mut self.pending);
        self.schedule_all(now);
        changes.extend(self.reconcile_due(now));
        changes
    }

    /// Observes a recorded run and the resulting status of its check.
    pub fn observe(&mut self, run: &Run, check_status: &CheckStatus, now: &Now) -> Vec<Change> {
        let id = &run.check.id;
        let is_known = self.unhealthy.contains_key(id);
        if self.awaits_rows || self.rules.is_empty() || (!is_known && check_status.status == Status::Up) {
            return Vec::new();
        }
        let begins = check_status.transition.is_some() || lacks_verdicts(run, check_status);
        let Some(check) = self.index.check(id) else {
            return Vec::new();
        };
        let changed = match self.unhealthy.get_mut(id) {
            // Unchanged since the alert was restored, or no status is known yet.
            Some(_) if check_status.status == Status::Unknown && !begins => false,
            Some(check_alerts) => check_alerts.observe(run, check_status, now),
            None if begins => {
                let facts = CheckFacts::from(check.as_ref());
                let check_alerts = CheckAlerts::new(facts, run, check_status, now);
                self.unhealthy.insert(id.clone(), check_alerts);
                true
            }
            None => return Vec::new(),
        };
        let ran_at = now.since_boot().saturating_sub(run.duration);
        self.reconcile(id, Some(ran_at), changed, now)
    }

    /// Sends reminders and alerts whose suppression has ended. Call it about once a second.
    pub fn tick(&mut self, now: &Now) -> Vec<Change> {
        if self.awaits_rows {
            return Vec::new();
        }
        let mut changes = std::mem::take(&mut self.pending);
        changes.extend(self.reconcile_due(now));
        changes
    }

    /// Releases the staged notifications once `commit` is durable: what is sent earlier and lost in a kill would be
    /// decided anew after the restart, or its end would never be sent.
    pub fn dispatch(&self, commit: &PendingCommit) {
        let mut queue = self.outbox.queue();
        for rule in &self.rules {
            queue.update_report(&rule.name, |report| report.firing = rule.firing);
        }
        drop(queue);
        self.outbox.release(commit);
    }

    /// The outbox that this router stages to.
    #[cfg(test)]
    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The firing alerts that a notifier was notified of, for receivers that expect them to be resent.
    pub(super) fn firing_alerts(&self, notifier: &str) -> Vec<Notification> {
        let unhealthy = self.unhealthy.values();
        let firing = unhealthy.filter_map(|check_alerts| {
            let alert = check_alerts
                .alerts
                .get(notifier)
                .filter(|alert| alert.last_sent.is_some())?;
            Some(check_alerts.build_notification(alert, Event::Firing))
        });
        firing.collect()
    }

    /// Reconciles the alerts of one check with its status. `ran_at` is when the run began that was just observed, in
    /// time since boot.
    fn reconcile(&mut self, id: &CheckId, ran_at: Option<Duration>, changed: bool, now: &Now) -> Vec<Change> {
        self.disarm(id);
        let Some(mut check_alerts) = self.remove(id) else {
            return Vec::new();
        };
        self.index.set_bad(id, is_bad(check_alerts.status));
        let check = self.index.check(id).cloned();
        let mut notifications = Vec::new();
        let is_changed = self.update_alerts(&mut check_alerts, check.as_deref(), now, &mut notifications);
        if let Some(check) = check.filter(|_| check_alerts.status != Status::Up) {
            let before = notifications.len();
            let recheck_at = self.send_due(&mut check_alerts, &check, ran_at, now, &mut notifications);
            let is_any_sent = notifications.len() > before;
            if let Some(at) = recheck_at {
                self.arm(id, at);
            }
            let row = (changed || is_changed || is_any_sent).then(|| serde_json::to_string(&check_alerts));
            self.insert(id.clone(), check_alerts);
            let row = row.and_then(Result::ok);
            let row = row.map(|text| Change::put(Table::Alert, id.as_str(), text));
            return self.stage(notifications, row);
        }
        self.stage(notifications, Some(Change::delete(Table::Alert, id.as_str())))
    }

    /// Begins the alerts that the status calls for, and resolves the others. A notifier that was notified of an alert
    /// gets its resolution even while notifications are suppressed. Returns whether anything changed.
    fn update_alerts(
        &self,
        check_alerts: &mut CheckAlerts,
        check: Option<&Check>,
        now: &Now,
        notifications: &mut Vec<(String, Notification)>,
    ) -> bool {
        let mut changed = false;
        for rule in &self.rules {
            let is_notified = check.is_some_and(|check| notifies(check, &rule.name));
            // A check without verdicts has not recovered: the alert that preceded it goes on.
            let goes_on =
                check_alerts.status == Status::Unknown && check_alerts.alerts.contains_key(&*rule.name);
            let is_wanted = is_notified && (goes_on || rule.statuses.contains(&check_alerts.status));
            if is_wanted {
                if !check_alerts.alerts.contains_key(&*rule.name) {
                    check_alerts
                        .alerts
                        .insert(rule.name.to_string(), check_alerts.new_alert(now));
                    changed = true;
                }
            } else if let Some(mut alert) = check_alerts.alerts.remove(&*rule.name) {
                changed = true;
                if alert.last_sent.is_some() {
                    if !is_notified {
                        check_alerts.mark_unwatched();
                    }
                    let resolved = check_alerts.prepare_notification(&mut alert, Event::Resolved, now);
                    notifications.push((rule.name.to_string(), resolved));
                }
            }
        }
        changed
    }

    /// Sends what is due unless it is suppressed. Returns when to re-evaluate the check, in time since boot.
    fn send_due(
        &mut self,
        check_alerts: &mut CheckAlerts,
        check: &Check,
        ran_at: Option<Duration>,
        now: &Now,
        notifications: &mut Vec<(String, Notification)>,
    ) -> Option<Duration> {
        let reminder_interval = reminder_interval(check, self.reminder_interval);
        let due = |check_alerts: &CheckAlerts| {
            let due = check_alerts.alerts.iter().filter_map(|(name, alert)| {
                Some((
                    name.clone(),
                    check_alerts.due_event(alert, reminder_interval, now)?,
                ))
            });
            due.collect::<BTreeMap<_, _>>()
        };
        let due = due(check_alerts);
        if !due.is_empty() && self.is_suppressed(check_alerts, check, ran_at, now) {
            return Some(now.since_boot() + RECHECK_INTERVAL);
        }
        let mut alerts = std::mem::take(&mut check_alerts.alerts);
        for (name, event) in due {
            if let Some(alert) = alerts.get_mut(&name) {
                notifications.push((name, check_alerts.prepare_notification(alert, event, now)));
            }
        }
        let last_sent = alerts.values().filter_map(|alert| alert.last_sent);
        let oldest = last_sent.map(|last| last.at.age(now)).max();
        check_alerts.alerts = alerts;
        // An alert whose age depends on an unconfirmed clock is re-evaluated until the clock is known to be right.
        let remaining = reminder_interval?
            .saturating_sub(oldest?)
            .max(RECHECK_INTERVAL.min(reminder_interval?));
        now.since_boot().checked_add(remaining)
    }

    /// Whether notifications of this check are suppressed now.
    fn is_suppressed(
        &mut self,
        check_alerts: &mut CheckAlerts,
        check: &Check,
        ran_at: Option<Duration>,
        now: &Now,
    ) -> bool {
        match self.suppressed_by(check, now) {
            Some(SuppressedBy::Dependency) => check_alerts.inhibition = Inhibition::Active,
            Some(SuppressedBy::Maintenance) => {}
            None => return is_inhibited(check_alerts, check, ran_at, now),
        }
        true
    }

    /// Dependencies come first: a check may need a run to follow its dependency, even if maintenance ended meanwhile.
    fn suppressed_by(&mut self, check: &Check, now: &Now) -> Option<SuppressedBy> {
        if self.index.has_bad_dependency(check) {
            return Some(SuppressedBy::Dependency);
        }
        self.index
            .is_in_maintenance(check, now.wall)
            .then_some(SuppressedBy::Maintenance)
    }

    fn stage(&self, notifications: Vec<(String, Notification)>, row: Option<Change>) -> Vec<Change> {
        let mut changes = Vec::from_iter(row);
        let mut queue = self.outbox.queue();
        for (notifier, notification) in notifications {
            changes.extend(queue.stage(&notifier, notification));
        }
        changes
    }

    fn insert(&mut self, id: CheckId, check_alerts: CheckAlerts) {
        self.count(&check_alerts, 1);
        self.index.set_bad(&id, is_bad(check_alerts.status));
        self.unhealthy.insert(id, check_alerts);
    }

    /// Removes the alerts of a check. Dependents still see its last status until it is set again.
    fn remove(&mut self, id: &CheckId) -> Option<CheckAlerts> {
        let check_alerts = self.unhealthy.remove(id)?;
        self.count(&check_alerts, -1);
        Some(check_alerts)
    }

    /// Adds `by` to the number of firing alerts of each notifier of `alerts`.
    fn count(&mut self, check_alerts: &CheckAlerts, by: i64) {
        for rule in &mut self.rules {
            let alert = check_alerts.alerts.get(&*rule.name);
            if alert.is_some_and(|alert| alert.last_sent.is_some()) {
                rule.firing = rule.firing.saturating_add_signed(by);
            }
        }
    }
}

/// Whether a check of this status inhibits the alerts of its dependents.
fn is_bad(status: Status) -> bool {
    matches!(status, Status::Down | Status::Unknown)
}

/// Whether a new check has had enough runs without a verdict to be reported as unknown: there is no transition from
/// unknown to unknown.
fn lacks_verdicts(run: &Run, check_status: &CheckStatus) -> bool {
    check_status.status == Status::Unknown
        && run.outcome.verdict().is_none()
        && check_status.consecutive_failures >= u64::from(run.check.failure_threshold.max(1))
}

/// Whether the check still waits for a run, or for one interval, to follow a dependency that has recovered.
fn is_inhibited(check_alerts: &mut CheckAlerts, check: &Check, ran_at: Option<Duration>, now: &Now) -> bool {
    let ended_at = match check_alerts.inhibition {
        Inhibition::None => return false,
        Inhibition::Active => now.since_boot(),
        Inhibition::EndedAt(ended_at) => ended_at,
    };
    let has_followed = ran_at.is_some_and(|ran_at| ran_at >= ended_at);
    let waited = now.since_boot().saturating_sub(ended_at);
    let ended_wall = now.wall.checked_sub(waited).unwrap_or(now.wall);
    let patience = time_to_due(check, ended_wall, 1).saturating_add(check.timeout);
    if has_followed || waited >= patience {
        check_alerts.inhibition = Inhibition::None;
        return false;
    }
    check_alerts.inhibition = Inhibition::EndedAt(ended_at);
    true
}
