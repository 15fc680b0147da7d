//! Whether a group has kept its promises: nothing acknowledged is missing, nothing was applied twice.

use serde::Serialize;

use crate::client::{CounterClient, NotAcked};
use crate::counter::Audit;
use crate::load::Promise;

/// What became of the promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The sum of what was acknowledged.
    pub acked: i64,
    /// The sum of what was not acknowledged and was applied all the same, as it may.
    pub applied_unknown: i64,
    /// The sum of what was acknowledged and is missing.
    pub lost: i64,
    /// The sum of what was applied and should not be.
    pub surplus: i64,
    /// By how much the counter has grown.
    pub growth: i64,
}

impl Verdict {
    /// Whether every promise was kept.
    pub const fn is_kept(&self) -> bool {
        self.lost == 0 && self.surplus == 0
    }

    /// Takes in one promise, and what the group has under its name.
    fn add(&mut self, promise: &Promise, total: i64) {
        self.acked += promise.acked;
        let beyond = total - promise.acked;
        if Some(beyond) == promise.unknown {
            self.applied_unknown += beyond;
        } else if beyond < 0 {
            self.lost -= beyond;
        } else {
            self.surplus += beyond;
        }
    }

    /// Takes in the growth of the counter, of which the names account for all.
    fn close(&mut self, growth: i64) {
        self.growth = growth;
        let named = self.acked + self.applied_unknown - self.lost + self.surplus;
        self.lost += (named - growth).max(0);
        self.surplus += (growth - named).max(0);
    }
}

/// Asks the group about every name that was promised anything. `before` is the counter from before the workload, which
/// must have been the only one.
pub async fn verify(
    client: &mut CounterClient,
    before: i64,
    promises: &[Promise],
) -> Result<Verdict, NotAcked> {
    let mut verdict = Verdict::default();
    for promise in promises {
        let Audit { client: share, .. } = client.audit(promise.client).await.acked()?.value;
        if share.is_none() && promises.len() > crate::counter::MAX_CLIENTS {
            let why = "the group no longer knows all the names that were used".to_owned();
            return Err(NotAcked::Unknown(why));
        }
        verdict.add(promise, share.map_or(0, |share| share.total));
    }
    verdict.close(client.get().await.acked()?.value - before);
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counter::ClientId;

    fn check(promises: &[(i64, Option<i64>, i64)], growth: i64) -> Verdict {
        let mut verdict = Verdict::default();
        for &(acked, unknown, total) in promises {
            verdict.add(&Promise { client: ClientId(1), acked, unknown }, total);
        }
        verdict.close(growth);
        verdict
    }

    #[test]
    fn acknowledged_and_a_part_of_the_unknown_is_kept() {
        let verdict = check(&[(10, None, 10), (5, Some(3), 5), (7, Some(2), 9)], 24);
        assert!(verdict.is_kept(), "{verdict:?}");
        assert_eq!((verdict.acked, verdict.applied_unknown, verdict.growth), (22, 2, 24));
    }

    #[test]
    fn a_missing_addition_is_lost_even_if_another_was_applied_twice() {
        let verdict = check(&[(10, None, 9), (5, None, 6)], 15);
        assert_eq!((verdict.lost, verdict.surplus), (1, 1));
    }

    #[test]
    fn an_unknown_addition_counts_once_and_whole() {
        assert_eq!(check(&[(5, Some(4), 7)], 7).surplus, 2);
        assert_eq!(check(&[(5, Some(4), 13)], 13).surplus, 8);
        assert_eq!(check(&[(5, Some(4), 4)], 4).lost, 1);
    }

    #[test]
    fn the_counter_must_agree_with_the_names() {
        assert_eq!(check(&[(5, None, 5)], 4).lost, 1);
        assert_eq!(check(&[(5, None, 5)], 6).surplus, 1);
    }
}
