//! Those whom the notifications of one notifier do not reach, so that each is spoken of once.

use std::collections::BTreeMap;

use crate::alert::answer::Unreached;
use crate::alert::notifier::Recipients;

/// By address, and whether it was said to be so for now only. As many as the settings name at most.
#[derive(Debug, Default)]
pub(super) struct Unreachable(BTreeMap<String, bool>);

impl Unreachable {
    /// A notification reached all of these.
    pub(super) fn clear(&mut self, recipients: Recipients<'_>) {
        drop(self.note(recipients, &[]));
    }

    /// A notification to these did not reach some of them. Returns those of whom nothing was said since one reached them,
    /// or only that it was so for now.
    pub(super) fn note<'a>(
        &mut self,
        recipients: Recipients<'_>,
        unreached: &'a [Unreached],
    ) -> Vec<&'a Unreached> {
        let was_tried = |receiver: &String| recipients.include(receiver);
        let is_unreached = |receiver: &String| unreached.iter().any(|one| one.receiver == *receiver);
        self.0
            .retain(|receiver, _| is_unreached(receiver) || !was_tried(receiver));
        let is_new = |one: &&Unreached| {
            let said = self.0.insert(one.receiver.clone(), one.is_for_now);
            said.is_none_or(|was_for_now| was_for_now && !one.is_for_now)
        };
        unreached.iter().filter(is_new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::answer::Failure;

    fn unreached(receiver: &str, is_for_now: bool) -> Unreached {
        Unreached {
            receiver: receiver.to_owned(),
            failure: Failure {
                word: "smtp".into(),
                message: String::new(),
            },
            is_for_now,
        }
    }

    #[test]
    fn each_receiver_is_new_once_until_something_reaches_it_or_it_gets_worse() {
        let (gone, late) = (|| unreached("gone", false), || unreached("late", true));
        let everybody: &[String] = &[];
        let (to_late, to_other) = (["late".to_owned()], ["other".to_owned()]);
        let mut known = Unreachable::default();
        let mut new = |only: &[String], unreached: &[Unreached]| {
            let recipients = Recipients { only, except: &[] };
            let new = known.note(recipients, unreached).into_iter();
            new.map(|one| one.receiver.clone()).collect::<Vec<_>>()
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
