//! Recipients that notifications of one notifier do not reach, so that each is logged once.

use std::collections::BTreeMap;

use crate::delivery_result::UnreachedRecipient;
use crate::notifier::Recipients;

/// By address, and whether the failure was logged as temporary. Bounded by the number of configured recipients.
#[derive(Debug, Default)]
pub(super) struct UnreachedRecipients(BTreeMap<String, bool>);

impl UnreachedRecipients {
    /// Records that a notification reached all of these.
    pub(super) fn clear(&mut self, recipients: Recipients<'_>) {
        drop(self.record(recipients, &[]));
    }

    /// Records the recipients that a notification did not reach. Returns those that were not logged since they were
    /// last reached, or were logged as temporary only.
    pub(super) fn record<'a>(
        &mut self,
        recipients: Recipients<'_>,
        unreached: &'a [UnreachedRecipient],
    ) -> Vec<&'a UnreachedRecipient> {
        let was_tried = |recipient: &String| recipients.include(recipient);
        let is_unreached = |recipient: &String| unreached.iter().any(|one| one.recipient == *recipient);
        self.0
            .retain(|recipient, _| is_unreached(recipient) || !was_tried(recipient));
        let is_new = |one: &&UnreachedRecipient| {
            let logged = self.0.insert(one.recipient.clone(), one.is_temporary);
            logged.is_none_or(|was_temporary| was_temporary && !one.is_temporary)
        };
        unreached.iter().filter(is_new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery_result::Failure;

    fn unreached(recipient: &str, is_temporary: bool) -> UnreachedRecipient {
        UnreachedRecipient {
            recipient: recipient.to_owned(),
            failure: Failure {
                code: "smtp".into(),
                message: String::new(),
            },
            is_temporary,
        }
    }

    #[test]
    fn each_receiver_is_new_once_until_something_reaches_it_or_it_gets_worse() {
        let (gone, late) = (|| unreached("gone", false), || unreached("late", true));
        let everybody: &[String] = &[];
        let (to_late, to_other) = (["late".to_owned()], ["other".to_owned()]);
        let mut known = UnreachedRecipients::default();
        let mut new = |only: &[String], unreached: &[UnreachedRecipient]| {
            let recipients = Recipients { only, except: &[] };
            let new = known.record(recipients, unreached).into_iter();
            new.map(|one| one.recipient.clone()).collect::<Vec<_>>()
        };
        assert_eq!(new(everybody, &[gone()]), ["gone"]);
        assert_eq!(new(everybody, &[gone(), late()]), ["late"]);
        assert!(new(&to_late, &[late()]).is_empty());
        assert!(new(&to_other, &[]).is_empty());
        assert!(new(everybody, &[late(), gone()]).is_empty());
        assert_eq!(new(&to_late, &[unreached("late", false)]), ["late"], "for good");
        assert!(new(&to_late, &[]).is_empty(), "it is reached");
        assert_eq!(new(everybody, &[gone(), late()]), ["late"]);
        assert!(new(everybody, &[]).is_empty());
        assert_eq!(new(everybody, &[gone()]), ["gone"]);
    }
}
