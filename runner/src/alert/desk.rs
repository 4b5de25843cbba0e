//! Who is told of what, and when: rules over transitions, without a clock and without a wire.

mod late;
mod looks;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::notification::{CheckFacts, Event, Notification};
use super::outbox::Outbox;
use super::roster::{Roster, remind, tells};
use super::settings::Settings;
use super::trouble::{Shadow, Trouble};
use crate::age::Now;
use crate::outcome::Run;
use crate::schedule::reach;
use crate::state::Change;
use crate::state::Shelf;
use crate::state::Written;
use crate::status::Standing;
use crate::status::Status;
use crate::suite::Check;
use crate::suite::CheckId;
use looks::LOOK_AGAIN;

/// Decides who is told what. It never waits.
///
/// What its methods return belongs on disk, all of one call together; [`Desk::post`] then lets the notifications go.
#[derive(Debug)]
pub struct Desk {
    rules: Vec<Rule>,
    remind: Option<Duration>,
    roster: Roster,
    /// Checks that are not up.
    troubles: HashMap<CheckId, Trouble>,
    /// When to look at which of them without a run, in time since the boot.
    timers: BTreeSet<(Duration, CheckId)>,
    timer_of: HashMap<CheckId, Duration>,
    outbox: Arc<Outbox>,
    /// Of what was restored.
    owed: Vec<Change>,
    /// Whether rows of an earlier process may say who knows of what already.
    is_held: bool,
}

/// What one notifier wants to hear of.
#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    on: BTreeSet<Status>,
    /// Whether it hears of what fires again and again.
    is_refreshed: bool,
    /// Alerts that it was told of and that are not over.
    firing: u64,
}

/// Why nothing is told now.
enum Hold {
    Maintenance,
    Dependency,
}

impl Desk {
    /// Takes up where the rows of [`Shelf::Alert`] end. Says nothing before [`Desk::keep`] has told it of the suite.
    pub(super) fn restore(
        settings: &Settings,
        rows: &[(Arc<str>, String)],
        outbox: Arc<Outbox>,
        owed: Vec<Change>,
    ) -> Self {
        let rule = |notifier: &super::Notifier| Rule {
            name: Arc::clone(&notifier.name),
            on: notifier.on.clone(),
            is_refreshed: notifier.refresh().is_some(),
            firing: 0,
        };
        let mut desk = Self {
            rules: settings.notifiers.iter().map(rule).collect(),
            remind: settings.remind,
            roster: Roster::default(),
            troubles: HashMap::new(),
            timers: BTreeSet::new(),
            timer_of: HashMap::new(),
            outbox,
            owed,
            is_held: false,
        };
        for (key, text) in rows {
            let Some(trouble) = desk.read(text) else {
                desk.outbox.queue().forget_alert();
                desk.owed.push(Change::forget(Shelf::Alert, key));
                continue;
            };
            desk.insert(CheckId::new(key), trouble);
        }
        desk
    }

    /// A row, for the notifiers that there are.
    fn read(&self, text: &str) -> Option<Trouble> {
        let mut trouble = serde_json::from_str::<Trouble>(text).ok()?;
        let is_known = |name: &String| self.rules.iter().any(|rule| *rule.name == **name);
        trouble.alerts.retain(|name, _| is_known(name));
        // How the check stands by now is for its next run to say.
        trouble.shadow = Shadow::Under;
        Some(trouble)
    }

    /// These are the checks from now on. Alerts of a check that is gone, or that tells a notifier no longer, are
    /// over. `roster` is afterwards the one that was in force.
    pub fn keep(&mut self, roster: &mut Roster, now: &Now) -> Vec<Change> {
        std::mem::swap(&mut self.roster, roster);
        for (id, trouble) in &self.troubles {
            self.roster.note(id, is_bad(trouble.status));
        }
        if self.is_held {
            return Vec::new();
        }
        let mut changes = std::mem::take(&mut self.owed);
        self.look_at_all(now);
        changes.extend(self.settle_due(now));
        changes
    }

    /// Takes in a run that was recorded, and how its check stands now.
    pub fn observe(&mut self, run: &Run, standing: &Standing, now: &Now) -> Vec<Change> {
        let id = &run.check.id;
        let is_known = self.troubles.contains_key(id);
        if self.is_held || self.rules.is_empty() || (!is_known && standing.status == Status::Up) {
            return Vec::new();
        }
        let begins = standing.transition.is_some() || is_silent(run, standing);
        let Some(check) = self.roster.check(id) else {
            return Vec::new();
        };
        let changed = match self.troubles.get_mut(id) {
            // It stands where it stood before the alert was restored, or it has not shown yet how it stands.
            Some(_) if standing.status == Status::Unknown && !begins => false,
            Some(trouble) => trouble.observe(run, standing, now),
            None if begins => {
                let facts = CheckFacts::from(check.as_ref());
                let trouble = Trouble::new(facts, run, standing, now);
                self.troubles.insert(id.clone(), trouble);
                true
            }
            None => return Vec::new(),
        };
        let ran = now.since_boot().saturating_sub(run.duration);
        self.settle(id, Some(ran), changed, now)
    }

    /// Does what is due without a run: reminders, and what was held back. To be called about once a second.
    pub fn tick(&mut self, now: &Now) -> Vec<Change> {
        if self.is_held {
            return Vec::new();
        }
        let mut changes = std::mem::take(&mut self.owed);
        changes.extend(self.settle_due(now));
        changes
    }

    /// Lets the courier have what was staged, when the changes are `written`: what is delivered earlier and lost in a
    /// kill is decided anew after the restart, or nobody tells its end.
    pub fn post(&self, written: &Written) {
        let mut queue = self.outbox.queue();
        for rule in &self.rules {
            queue.note(&rule.name, |report| report.firing = rule.firing);
        }
        drop(queue);
        self.outbox.release(written);
    }

    /// Where what it decides goes.
    #[cfg(test)]
    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What notifiers were told that is not over, for those that want to hear it again and again.
    pub(super) fn standing(&self, notifier: &str) -> Vec<Notification> {
        let troubles = self.troubles.values();
        let told = troubles.filter_map(|trouble| {
            let alert = trouble
                .alerts
                .get(notifier)
                .filter(|alert| alert.told.is_some())?;
            Some(trouble.standing(alert, Event::Firing))
        });
        told.collect()
    }

    /// Brings the alerts of one check in line with its status. `ran` is when a run began that has just been taken
    /// in, in time since the boot.
    fn settle(&mut self, id: &CheckId, ran: Option<Duration>, changed: bool, now: &Now) -> Vec<Change> {
        self.disarm(id);
        let Some(mut trouble) = self.remove(id) else {
            return Vec::new();
        };
        self.roster.note(id, is_bad(trouble.status));
        let check = self.roster.check(id).cloned();
        let mut news = Vec::new();
        let begun = self.begin_and_end(&mut trouble, check.as_deref(), now, &mut news);
        if let Some(check) = check.filter(|_| trouble.status != Status::Up) {
            let before = news.len();
            let look = self.tell(&mut trouble, &check, ran, now, &mut news);
            let told = news.len() > before;
            if let Some(at) = look {
                self.arm(id, at);
            }
            let row = (changed || begun || told).then(|| serde_json::to_string(&trouble));
            self.insert(id.clone(), trouble);
            let row = row.and_then(Result::ok);
            let row = row.map(|text| Change::keep(Shelf::Alert, id.as_str(), text));
            return self.stage(news, row);
        }
        self.stage(news, Some(Change::forget(Shelf::Alert, id.as_str())))
    }

    /// Begins the alerts that the status calls for, and ends the others; who was told of one is told of its end,
    /// whatever else is held back. Says whether anything is another than before.
    fn begin_and_end(
        &self,
        trouble: &mut Trouble,
        check: Option<&Check>,
        now: &Now,
        news: &mut Vec<(String, Notification)>,
    ) -> bool {
        let mut changed = false;
        for rule in &self.rules {
            let is_told = check.is_some_and(|check| tells(check, &rule.name));
            // A check that cannot be judged any more is not well again: what it broke down from goes on.
            let goes_on = trouble.status == Status::Unknown && trouble.alerts.contains_key(&*rule.name);
            let is_wanted = is_told && (goes_on || rule.on.contains(&trouble.status));
            if is_wanted {
                if !trouble.alerts.contains_key(&*rule.name) {
                    trouble.alerts.insert(rule.name.to_string(), trouble.alert(now));
                    changed = true;
                }
            } else if let Some(mut alert) = trouble.alerts.remove(&*rule.name) {
                changed = true;
                if alert.told.is_some() {
                    if !is_told {
                        trouble.withdraw();
                    }
                    let over = trouble.tell(&mut alert, Event::Resolved, now);
                    news.push((rule.name.to_string(), over));
                }
            }
        }
        changed
    }

    /// Tells what is due, unless it is held back; says when to look again.
    fn tell(
        &mut self,
        trouble: &mut Trouble,
        check: &Check,
        ran: Option<Duration>,
        now: &Now,
        news: &mut Vec<(String, Notification)>,
    ) -> Option<Duration> {
        let remind = remind(check, self.remind);
        let due = |trouble: &Trouble| {
            let due = trouble
                .alerts
                .iter()
                .filter_map(|(name, alert)| Some((name.clone(), trouble.due(alert, remind, now)?)));
            due.collect::<BTreeMap<_, _>>()
        };
        let due = due(trouble);
        if !due.is_empty() && self.is_held(trouble, check, ran, now) {
            return Some(now.since_boot() + LOOK_AGAIN);
        }
        let mut alerts = std::mem::take(&mut trouble.alerts);
        for (name, event) in due {
            if let Some(alert) = alerts.get_mut(&name) {
                news.push((name, trouble.tell(alert, event, now)));
            }
        }
        let told = alerts.values().filter_map(|alert| alert.told);
        let oldest = told.map(|told| told.at.age(now)).max();
        trouble.alerts = alerts;
        // One that is due by a clock that may be wrong is looked at again until that is known.
        let left = remind?.saturating_sub(oldest?).max(LOOK_AGAIN.min(remind?));
        now.since_boot().checked_add(left)
    }

    /// Whether nothing may be told now.
    fn is_held(&mut self, trouble: &mut Trouble, check: &Check, ran: Option<Duration>, now: &Now) -> bool {
        match self.hold(check, now) {
            Some(Hold::Dependency) => trouble.shadow = Shadow::Under,
            Some(Hold::Maintenance) => {}
            None => return is_in_shadow(trouble, check, ran, now),
        }
        true
    }

    /// A dependency comes first: a check that follows it may need a run for that, also when maintenance has ended meanwhile.
    fn hold(&mut self, check: &Check, now: &Now) -> Option<Hold> {
        if self.roster.depends_on_bad(check) {
            return Some(Hold::Dependency);
        }
        self.roster
            .is_in_maintenance(check, now.wall)
            .then_some(Hold::Maintenance)
    }

    fn stage(&self, news: Vec<(String, Notification)>, row: Option<Change>) -> Vec<Change> {
        let mut changes = Vec::from_iter(row);
        let mut queue = self.outbox.queue();
        for (notifier, notification) in news {
            changes.extend(queue.stage(&notifier, notification));
        }
        changes
    }

    fn insert(&mut self, id: CheckId, trouble: Trouble) {
        self.count(&trouble, 1);
        self.roster.note(&id, is_bad(trouble.status));
        self.troubles.insert(id, trouble);
    }

    /// Takes a trouble out. Its check counts as it did until it is noted anew.
    fn remove(&mut self, id: &CheckId) -> Option<Trouble> {
        let trouble = self.troubles.remove(id)?;
        self.count(&trouble, -1);
        Some(trouble)
    }

    /// Counts the alerts of a trouble in, or out.
    fn count(&mut self, trouble: &Trouble, by: i64) {
        for rule in &mut self.rules {
            let alert = trouble.alerts.get(&*rule.name);
            if alert.is_some_and(|alert| alert.told.is_some()) {
                rule.firing = rule.firing.saturating_add_signed(by);
            }
        }
    }
}

/// Whether a check of this status is to blame for those that depend on it.
fn is_bad(status: Status) -> bool {
    matches!(status, Status::Down | Status::Unknown)
}

/// Whether a new check has had so many runs without a verdict that it is unknown for cause: there is no transition
/// from unknown to unknown.
fn is_silent(run: &Run, standing: &Standing) -> bool {
    standing.status == Status::Unknown
        && run.outcome.verdict().is_none()
        && standing.consecutive_failures >= u64::from(run.check.failure_threshold.max(1))
}

/// Whether a check should be given a run, or an interval, to follow the one it depends on, which is well again.
fn is_in_shadow(trouble: &mut Trouble, check: &Check, ran: Option<Duration>, now: &Now) -> bool {
    let left = match trouble.shadow {
        Shadow::None => return false,
        Shadow::Under => now.since_boot(),
        Shadow::LeftAt(left) => left,
    };
    let has_followed = ran.is_some_and(|ran| ran >= left);
    let waited = now.since_boot().saturating_sub(left);
    let left_at = now.wall.checked_sub(waited).unwrap_or(now.wall);
    let patience = reach(check, left_at, 1).saturating_add(check.timeout);
    if has_followed || waited >= patience {
        trouble.shadow = Shadow::None;
        return false;
    }
    trouble.shadow = Shadow::LeftAt(left);
    true
}
