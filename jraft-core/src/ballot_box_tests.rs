//! The T-BAL family of behaviour.md 20.3 that concerns the ballot box.

use super::*;

const TERM: Term = Term(3);

fn conf(text: &str) -> Arc<ConfigurationEntry> {
    let conf = text.parse().unwrap();
    let old_conf = Configuration::default();
    Arc::new(ConfigurationEntry { id: Default::default(), conf, old_conf })
}

fn joint(new: &str, old: &str) -> Arc<ConfigurationEntry> {
    let (conf, old_conf) = (new.parse().unwrap(), old.parse().unwrap());
    Arc::new(ConfigurationEntry { id: Default::default(), conf, old_conf })
}

fn peer(text: &str) -> PeerId {
    text.parse().unwrap()
}

/// A leader's box with `last` pending entries of one configuration.
fn leading(text: &str, last: u64) -> BallotBox {
    let mut ballots = BallotBox::new(LogIndex::ZERO);
    assert!(ballots.reset_pending_index(TERM, LogIndex(1)));
    assert!(ballots.append_pending(LogIndex(last), &conf(text)));
    ballots
}

#[track_caller]
fn acknowledge(ballots: &mut BallotBox, who: &str, last: u64, committed: Option<u64>) {
    let result = ballots.commit_at(TERM, LogIndex(last), &peer(who));
    assert_eq!(result, Ok(committed.map(LogIndex)));
}

#[test]
fn t_bal_2_starts_with_the_given_commit_index() {
    assert_eq!(BallotBox::new(LogIndex(9)).committed(), LogIndex(9));
}

#[test]
fn t_bal_3_to_5_pending_entries_exist_only_while_leading() {
    let mut ballots = BallotBox::new(LogIndex::ZERO);
    assert!(!ballots.append_pending(LogIndex(1), &conf("a:1")));
    assert!(ballots.reset_pending_index(TERM, LogIndex(1)));
    assert!(!ballots.reset_pending_index(TERM, LogIndex(1)), "already counting");
    assert!(ballots.append_pending(LogIndex(1), &conf("a:1")));
    ballots.clear_pending();
    assert!(!ballots.append_pending(LogIndex(2), &conf("a:1")));
    assert!(!BallotBox::new(LogIndex(5)).reset_pending_index(TERM, LogIndex(5)));
}

#[test]
fn t_bal_6_a_majority_commits() {
    let mut idle = BallotBox::new(LogIndex::ZERO);
    assert_eq!(idle.commit_at(TERM, LogIndex(1), &peer("a:1")), Ok(None));
    let mut ballots = leading("a:1,b:1,c:1", 1);
    let beyond = ballots.commit_at(TERM, LogIndex(3), &peer("a:1"));
    assert_eq!(beyond, Err(BallotError::OutOfBounds(LogIndex(3), LogIndex(1))));
    acknowledge(&mut ballots, "a:1", 1, None);
    acknowledge(&mut ballots, "a:1", 1, None);
    acknowledge(&mut ballots, "x:1", 1, None);
    acknowledge(&mut ballots, "c:1", 1, Some(1));
    acknowledge(&mut ballots, "b:1", 1, None);
}

#[test]
fn t_bal_7_a_leader_is_not_told_what_to_commit() {
    let mut ballots = leading("a:1,b:1,c:1", 1);
    let told = ballots.set_last_committed(LogIndex(1));
    assert_eq!(told, Err(BallotError::HasPending(LogIndex(1), LogIndex(1))));
    assert_eq!(ballots.set_last_committed(LogIndex(0)), Ok(None));
}

#[test]
fn t_bal_8_to_10_a_follower_commits_forward_only() {
    let mut ballots = BallotBox::new(LogIndex::ZERO);
    assert_eq!(ballots.set_last_committed(LogIndex(1)), Ok(Some(LogIndex(1))));
    assert_eq!(ballots.set_last_committed(LogIndex(1)), Ok(None));
    assert_eq!(ballots.set_last_committed(LogIndex(0)), Ok(None));
    assert_eq!(ballots.committed(), LogIndex(1));
}

#[test]
fn t_bal_11_a_smaller_group_commits_what_came_before() {
    let mut ballots = leading("a:1,b:1,c:1,d:1", 2);
    acknowledge(&mut ballots, "a:1", 2, None);
    assert!(ballots.append_pending(LogIndex(3), &conf("a:1,b:1,c:1")));
    acknowledge(&mut ballots, "a:1", 3, None);
    acknowledge(&mut ballots, "b:1", 3, Some(3));
}

#[test]
fn a_late_acknowledgement_takes_nothing_back() {
    let mut ballots = leading("a:1,b:1,c:1", 3);
    acknowledge(&mut ballots, "a:1", 3, None);
    acknowledge(&mut ballots, "a:1", 1, None);
    acknowledge(&mut ballots, "b:1", 3, Some(3));
}

#[test]
fn entries_of_one_configuration_share_a_range() {
    let mut ballots = leading("a:1", 1);
    let conf = conf("a:1,b:1");
    for last in 2..=9 {
        assert!(ballots.append_pending(LogIndex(last), &conf));
    }
    assert_eq!(ballots.ranges.len(), 2, "or a busy leader walks over each of its batches");
}

#[test]
fn a_joint_range_needs_both_majorities() {
    let mut ballots = BallotBox::new(LogIndex::ZERO);
    assert!(ballots.reset_pending_index(TERM, LogIndex(1)));
    assert!(ballots.append_pending(LogIndex(1), &joint("a:1,b:1,c:1", "d:1,e:1,f:1")));
    for who in ["a:1", "b:1", "c:1", "d:1"] {
        acknowledge(&mut ballots, who, 1, None);
    }
    acknowledge(&mut ballots, "e:1", 1, Some(1));
}

#[test]
fn entries_of_earlier_terms_are_never_committed_by_counting() {
    let mut ballots = BallotBox::new(LogIndex(2));
    assert!(ballots.reset_pending_index(TERM, LogIndex(6)));
    assert!(ballots.append_pending(LogIndex(6), &conf("a:1,b:1,c:1")));
    acknowledge(&mut ballots, "a:1", 5, None);
    acknowledge(&mut ballots, "b:1", 5, None);
    acknowledge(&mut ballots, "a:1", 6, None);
    acknowledge(&mut ballots, "b:1", 6, Some(6));
}

#[test]
fn l_04_an_acknowledgement_of_another_term_is_ignored() {
    let mut ballots = leading("a:1,b:1,c:1", 2);
    acknowledge(&mut ballots, "a:1", 2, None);
    assert_eq!(ballots.commit_at(Term(2), LogIndex(2), &peer("b:1")), Ok(None));
    assert_eq!(ballots.commit_at(Term(4), LogIndex(2), &peer("b:1")), Ok(None));
    ballots.clear_pending();
    assert!(ballots.reset_pending_index(Term(5), LogIndex(1)));
    assert!(ballots.append_pending(LogIndex(2), &conf("a:1,b:1,c:1")));
    let late = ballots.commit_at(TERM, LogIndex(2), &peer("b:1"));
    assert_eq!((late, ballots.committed()), (Ok(None), LogIndex::ZERO));
}

#[test]
fn groups_of_every_size_need_a_majority() {
    for size in 1..=21usize {
        let peers: Vec<String> = (0..size).map(|i| format!("n{i}:1")).collect();
        let mut ballots = leading(&peers.join(","), 1);
        for (done, who) in peers.iter().enumerate() {
            let expected = (done + 1 == size / 2 + 1).then_some(1);
            acknowledge(&mut ballots, who, 1, expected);
        }
    }
}
