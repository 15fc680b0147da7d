//! The leader's side: replication, commit, the lease, and what becomes of answers that come late.

use jraft_spi::message::{AppendKind, RaftRequest};
use jraft_spi::rpc::RpcError;
use jraft_spi::status::Role;
use jraft_spi::{EntryPeers, LogEntry, LogIndex, NodeOptions};

use super::asks::append_answer;
use super::disk::{Image, voted};
use super::kit::{Group, at, data, log, peer};
use super::net::{Load, Packet};
use crate::node::effect::TimerKind;

fn image(term: u64, terms: &[u64]) -> Image {
    Image { meta: voted(term, None), log: log(terms) }
}

fn group_of(images: Vec<Image>) -> Group {
    let size = images.len();
    Group::from(NodeOptions::default(), images, &super::kit::NAMES[..size].join(","))
}

/// Answers a request of the leader in the place of its peer, and delivers the answer.
fn reply(group: &mut Group, to: &Packet, term: u64, success: bool, last: Option<u64>) {
    group.answer(to.clone(), Ok(append_answer(term, success, last)));
    group.deliver_if(|packet| !packet.is_request());
}

fn prev_of(packet: &Packet) -> u64 {
    match &packet.load {
        Load::Request(RaftRequest::AppendEntries(request)) => request.prev.index.0,
        _ => panic!("no AppendEntries"),
    }
}

#[test]
pub(super) fn m16_a_leader_counts_itself_after_its_own_sync() {
    let mut group = Group::new(3);
    group.elect(0);
    group.slow(0);
    group.crash(2, 0, false);
    let task = group.propose(0, 1);
    group.settle();
    assert_eq!(group.ending(task), "open", "one peer has it, the leader's disk does not");
    group.write(0);
    assert_eq!(group.ending(task), "open");
    group.sync(0);
    assert_eq!(group.ending(task), "committed");
}

#[test]
pub(super) fn m5_entries_of_older_terms_are_not_committed_by_counting() {
    // Figure 8: node 0 leads term 4 and brings its entry of term 2 to a majority, its own entry to nobody.
    let mut options = NodeOptions::default();
    options.raft.max_entries_size = 1;
    let images = vec![image(3, &[1, 2]), image(3, &[1]), image(3, &[1])];
    let mut group = Group::from(options, images, "a:1,b:1,c:1");
    group.pass(3000);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    let is_third = |packet: &Packet| packet.append_kind().is_some() && prev_of(packet) >= 2;
    group.deliver_if(|packet| packet.kind() == "Vote");
    group.deliver_if(|packet| packet.kind() == "Vote");
    assert_eq!(group.state(0).role(), Role::Leader);
    // The first probes stand behind entry 2: they fail, and lead to entry 2 itself.
    group.deliver_if(Packet::is_request);
    group.settle_but(is_third);
    let has = |i: usize| group.disk(i).durable.log.len();
    assert!(has(1) == 2 && has(2) == 2, "the old entry is on all disks");
    assert_eq!(group.state(0).committed(), LogIndex::ZERO);
    group.settle();
    assert_eq!(group.state(0).committed(), LogIndex(3), "with its own entry all is committed");
}

#[test]
pub(super) fn m45_probes_and_heartbeats_are_no_acknowledgement() {
    // All have entry 2 of a term before; the leader's first entry is 3, on nobody else's disk.
    let mut group = group_of(vec![image(3, &[1, 2]), image(3, &[1, 2]), image(3, &[1, 2])]);
    group.pass(3000);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    group.deliver_if(|packet| packet.kind() == "Vote");
    group.deliver_if(|packet| packet.kind() == "Vote");
    group.take(|packet| packet.append_kind() == Some(AppendKind::Entries));
    group.fire(0, TimerKind::Heartbeat);
    group.settle_but(|packet| packet.append_kind() == Some(AppendKind::Entries));
    assert_eq!(group.state(0).committed(), LogIndex::ZERO);
    // A heartbeat's or a probe's success names the peer's last index: it means nothing for the entries.
    group.take(|_| true);
    group.fire(0, TimerKind::Heartbeat);
    for packet in group.take(|packet| packet.kind() == "Heartbeat") {
        reply(&mut group, &packet, 4, true, Some(3));
    }
    assert_eq!(group.state(0).committed(), LogIndex::ZERO);
    let state = group.state(0);
    assert!(state.replicators.values().all(|to| to.matched() == LogIndex::ZERO));
}

#[test]
pub(super) fn m17_answers_to_an_older_leadership_count_for_nothing() {
    let mut group = Group::new(3);
    group.elect(0);
    group.propose(0, 1);
    let old = group.take(|packet| packet.append_kind() == Some(AppendKind::Entries));
    assert_eq!(old.len(), 2);
    // Deposed, its entry replaced, elected again: entry 2 is another one now.
    group.heartbeat(1, 0, 2).accepted();
    let replaced = super::asks::append((1, 0), 2, at(1, 1), &[data(2, 2)], 1);
    group.append(replaced).accepted();
    group.pass(3000);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    group.settle_but(|packet| packet.append_kind() == Some(AppendKind::Entries));
    assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Leader, 3));
    // Two probes and then entries are out: the entries carry the number of the old ones.
    group.net.clear();
    for to in group.state(0).replicators.values() {
        assert!(to.awaits(2), "the number of the old request");
    }
    for packet in &old {
        reply(&mut group, packet, 1, true, None);
        reply(&mut group, packet, 3, true, None);
    }
    assert_eq!(group.state(0).committed(), LogIndex(1), "as the leader of term 2 said");
}

#[test]
fn s0_14_a_higher_term_in_any_answer_deposes() {
    for kind in [AppendKind::Heartbeat, AppendKind::Probe, AppendKind::Entries] {
        let mut group = Group::new(3);
        group.pass(3000);
        group.act(0, |state, now, fx| state.elect_self("test", now, fx));
        group.deliver_if(|packet| packet.kind() == "Vote");
        group.deliver_if(|packet| packet.kind() == "Vote");
        if kind == AppendKind::Entries {
            group.deliver_if(Packet::is_request);
            group.deliver_if(|packet| !packet.is_request());
        }
        group.fire(0, TimerKind::Heartbeat);
        let sent = group.take(|packet| packet.append_kind() == Some(kind));
        reply(&mut group, &sent[0], 4, false, None);
        assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Follower, 4));
        assert_eq!(group.disk(0).durable.meta, voted(4, None));
        assert!(group.state(0).replicators.is_empty());
    }
}

#[test]
pub(super) fn m46_a_read_of_what_a_disk_is_about_to_forget_reaches_nobody() {
    // Node 0 restarted with entries 2 and 3 of term 1 on its disk. A leader of term 2 replaces them; the disk is slow,
    // so that it still shows the old ones when node 0 becomes leader and reads entry 1 for a peer that has nothing.
    let images = vec![image(1, &[1, 1, 1]), image(1, &[]), image(1, &[1, 1])];
    let mut group = group_of(images);
    let replace = super::asks::append((2, 0), 2, at(1, 1), &[data(2, 2)], 0);
    group.slow(0);
    group.append(replace);
    group.save(0);
    group.pass(3000);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    group.save(0);
    group.settle();
    assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Leader, 3));
    assert_eq!(group.disk(0).written.log.len(), 3, "the truncation is not written yet");
    while group.read(0) {
        group.settle();
    }
    assert_eq!(group.disk(1).durable.log[..2], [data(1, 1), data(2, 2)]);
    group.quick(0);
    group.settle();
    let logs: Vec<_> = (0..3).map(|i| group.disk(i).durable.log.clone()).collect();
    assert!(logs[0] == logs[1] && logs[0] == logs[2] && logs[0].len() == 3);
}

#[test]
pub(super) fn m65_a_batch_that_was_cut_is_forgotten_with_its_entries() {
    let mut options = NodeOptions::default();
    options.raft.max_entries_size = 2;
    let mut group = Group::with(3, options);
    group.elect(0);
    // Entries 2 and 3 come apart and leave together; nobody hears of them before a leader of term 2 replaces them.
    group.queue(0, 1);
    group.queue(0, 1);
    group.turn(0);
    group.run_disks(0);
    group.net.clear();
    for (prev, next) in [(at(1, 1), data(2, 2)), (at(2, 2), data(3, 2))] {
        group.append(super::asks::append((1, 0), 2, prev, &[next], 0));
    }
    group.elect(0);
    assert_eq!(group.disk(1).durable.log[1..3], [data(2, 2), data(3, 2)]);
    assert_eq!(group.disk(1).durable.log, group.disk(0).durable.log);
}

#[test]
fn a_peer_far_behind_is_fed_from_the_disk() {
    let mut group = group_of(vec![image(1, &[1; 40]), image(1, &[1; 40]), Image::default()]);
    group.elect(0);
    assert_eq!(group.disk(2).durable.log, group.disk(0).durable.log);
    assert!(group.truth.stats.reads > 0);
    assert_eq!(group.members[0].applied, LogIndex(41));
}

/// What a leader holds in memory, with a budget, after so many entries that one of its two peers lacks.
fn held(entries: usize, budget: usize) -> usize {
    let mut options = NodeOptions::default();
    options.raft.max_logs_in_memory_bytes = budget as i64;
    let mut group = Group::with(3, options);
    group.elect(0);
    group.crash(2, 0, false);
    for _ in 0..entries {
        group.propose(0, 1);
        group.settle();
    }
    group.turn(0);
    assert_eq!(group.members[0].applied, LogIndex(1 + entries as u64));
    group.state(0).log.bytes_in_memory()
}

#[test]
fn what_a_peer_lacks_is_kept_up_to_a_quarter_of_the_budget() {
    let each = held(1, 1 << 20);
    assert!(each > 0);
    let budget = 4 * 3 * each;
    assert_eq!((held(0, budget), held(2, budget)), (0, 2 * each));
    // The third is too much: what is applied goes, and the third stays.
    assert_eq!(held(3, budget), each);
    assert_eq!(held(3, budget + 4), 3 * each);
}

#[test]
fn a_read_that_began_before_a_reset_is_not_taken_for_the_next_one() {
    let mut options = NodeOptions::default();
    options.raft.max_entries_size = 8;
    let images = vec![image(1, &[1; 40]), image(1, &[1; 40]), Image::default()];
    let mut group = Group::from(options, images, "a:1,b:1,c:1");
    group.slow(0);
    group.pass(3000);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    group.save(0);
    group.settle();
    assert!(group.read(0), "entries 1 to 8, then 9 to 16 are asked for");
    for packet in group.take(|packet| packet.to == 2) {
        group.lose(packet);
    }
    group.settle();
    group.pass(100);
    group.fire(0, TimerKind::Heartbeat);
    group.settle();
    let reads = &group.members[0].reads;
    assert_eq!(reads.iter().map(|read| read.from.0).collect::<Vec<_>>(), [9, 1]);
    assert!(group.read(0));
    assert_eq!(
        (group.state(0).role(), group.net.len()),
        (Role::Leader, 0),
        "the first is too late"
    );
    group.quick(0);
    group.settle();
    assert_eq!(group.disk(2).durable.log, group.disk(0).durable.log);
}

#[test]
fn a_probe_steps_back_one_by_one_through_a_longer_wrong_log() {
    let theirs = [1, 1, 2, 2, 2, 2];
    let mut group = group_of(vec![image(3, &[1, 1, 3]), image(3, &[1, 1, 3]), image(2, &theirs)]);
    group.elect(0);
    assert_eq!(group.disk(2).durable.log, group.disk(0).durable.log);
    assert_eq!(group.truth.stats.truncations, 1);
}

#[test]
fn a_lost_request_is_repeated_after_a_heartbeat_period() {
    let mut group = Group::new(3);
    group.elect(0);
    let task = group.propose(0, 2);
    for packet in group.take(|_| true) {
        group.lose(packet);
    }
    group.settle();
    assert_eq!(group.ending(task), "open");
    assert!(group.net.is_empty(), "it waits");
    group.pass(100);
    group.fire(0, TimerKind::Heartbeat);
    group.settle();
    assert_eq!((group.ending(task), group.ending(task + 1)), ("committed", "committed"));
}

#[test]
fn a_late_answer_after_a_reset_is_ignored_and_stops_nothing() {
    let mut group = Group::new(3);
    group.elect(0);
    group.crash(2, 0, false);
    group.propose(0, 1);
    let first =
        group.take(|packet| packet.append_kind() == Some(AppendKind::Entries) && packet.to == 1);
    group.propose(0, 1);
    let second =
        group.take(|packet| packet.append_kind() == Some(AppendKind::Entries) && packet.to == 1);
    group.lose(first[0].clone());
    group.settle();
    // The reset forgot both; these answers belong to nothing.
    reply(&mut group, &second[0], 1, true, None);
    reply(&mut group, &first[0], 1, true, None);
    assert_eq!(group.state(0).committed(), LogIndex(1));
    group.pass(100);
    group.fire(0, TimerKind::Heartbeat);
    group.settle();
    assert_eq!(group.state(0).committed(), LogIndex(3));
}

#[test]
fn one_heartbeat_at_a_time_and_never_none() {
    let mut group = Group::new(3);
    group.elect(0);
    for _ in 0..3 {
        group.fire(0, TimerKind::Heartbeat);
    }
    let out = group.take(|packet| packet.kind() == "Heartbeat");
    assert_eq!(out.len(), 2);
    for packet in out {
        group.answer(packet, Err(RpcError::Remote(super::endings::status())));
    }
    group.settle();
    group.fire(0, TimerKind::Heartbeat);
    assert_eq!(group.take(|packet| packet.kind() == "Heartbeat").len(), 2);
}

#[test]
fn a_peer_that_lost_its_disk_is_found_by_a_heartbeat() {
    let mut group = Group::new(3);
    group.elect(0);
    group.propose(0, 3);
    group.settle();
    group.wipe(2);
    group.fire(0, TimerKind::Heartbeat);
    group.settle();
    assert_eq!(group.disk(2).durable.log, group.disk(0).durable.log);
}

#[test]
fn s0_04_the_lease_counts_from_sending_and_both_configurations() {
    let mut group = Group::new(3);
    group.elect(0);
    group.pass(800);
    group.fire(0, TimerKind::Heartbeat);
    group.deliver_if(Packet::is_request);
    group.pass(800);
    group.deliver_if(|packet| packet.from == 1);
    group.pass(100);
    group.fire(0, TimerKind::StepDown);
    assert_eq!(group.state(0).role(), Role::Leader, "900 ms since a request that was answered");
    group.pass(1);
    group.fire(0, TimerKind::StepDown);
    assert_eq!(group.state(0).role(), Role::Follower);
}

#[test]
fn clock_jumps_backwards_end_no_lease() {
    let mut group = Group::new(3);
    group.elect(0);
    let now = group.now;
    group.now = jraft_spi::env::MonoTime::from_nanos(now.as_nanos() / 2);
    group.fire(0, TimerKind::StepDown);
    group.fire(1, TimerKind::Election);
    assert_eq!(group.state(0).role(), Role::Leader);
    assert!(group.state(1).pre_vote.is_none());
}

/// A leader of a joint configuration, {a, d, e} after {a, b, c}, and who answers.
#[track_caller]
fn check_joint(alive: &[usize], commits: bool) {
    let list = |of: [usize; 3]| of.into_iter().map(peer).collect();
    let peers =
        EntryPeers { peers: list([0, 3, 4]), old_peers: list([0, 1, 2]), ..EntryPeers::default() };
    let joint = LogEntry::configuration(at(1, 1), peers).with_checksum();
    let image = Image { meta: voted(1, None), log: vec![joint] };
    let options = NodeOptions::default();
    let mut group = Group::from(options, vec![image; 5], "a:1,b:1,c:1");
    group.elect(0);
    assert_eq!(group.state(0).committed(), LogIndex(2));
    for i in (1..5).filter(|i| !alive.contains(i)) {
        group.isolate(i);
    }
    let task = group.propose(0, 1);
    group.settle();
    assert_eq!(group.ending(task) == "committed", commits, "{alive:?}");
    group.pass(950);
    group.fire(0, TimerKind::Heartbeat);
    group.settle();
    group.fire(0, TimerKind::StepDown);
    assert_eq!(group.state(0).role() == Role::Leader, commits, "{alive:?}");
}

#[test]
fn a_joint_configuration_needs_both_majorities_to_commit_and_to_lead() {
    check_joint(&[1, 3], true);
    check_joint(&[1, 2], false);
    check_joint(&[3, 4], false);
    check_joint(&[2, 4], true);
}

#[test]
fn learners_are_fed_and_never_counted() {
    let options = NodeOptions::default();
    let mut group = Group::from(options, vec![Image::default(); 3], "a:1,b:1,c:1/learner");
    group.elect(0);
    let task = group.propose(0, 1);
    group.settle();
    assert_eq!(group.ending(task), "committed");
    assert_eq!(group.disk(2).durable.log, group.disk(0).durable.log);
    assert_eq!(group.members[2].timers.len(), 0);
    group.crash(1, 0, false);
    let task = group.propose(0, 1);
    group.settle();
    assert_eq!(group.ending(task), "open", "a learner is no majority");
    group.pass(950);
    group.fire(0, TimerKind::Heartbeat);
    group.settle();
    group.fire(0, TimerKind::StepDown);
    assert_eq!(group.state(0).role(), Role::Follower);
}

#[test]
fn a_group_of_one_commits_what_it_finds_after_a_restart() {
    let options = NodeOptions::default();
    let mut group = Group::from(options, vec![image(3, &[1, 1, 3])], "a:1");
    assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Leader, 4));
    assert_eq!((group.state(0).committed(), group.members[0].applied), (LogIndex(4), LogIndex(4)));
    group.restart(0);
    assert_eq!(group.members[0].applied, LogIndex(5));
}

#[test]
fn the_window_bounds_what_is_outstanding() {
    let mut options = NodeOptions::default();
    options.raft.max_replicator_inflight_msgs = 3;
    options.raft.max_entries_size = 1;
    let mut group = Group::with(2, options);
    group.elect(0);
    let task = group.propose(0, 10);
    let out = |group: &Group| {
        group.net.iter().filter(|packet| packet.append_kind() == Some(AppendKind::Entries)).count()
    };
    assert_eq!(out(&group), 3);
    group.propose(0, 5);
    assert_eq!(out(&group), 3);
    group.settle();
    assert!((task..task + 15).all(|task| group.ending(task) == "committed"));
}

/// How many entries at most a request to node 2 carries, which has none of the eleven.
fn most(max_frame_bytes: u32) -> usize {
    let mut options = NodeOptions::default();
    options.rpc.max_frame_bytes = max_frame_bytes;
    let images = vec![image(1, &[1; 6]), image(1, &[1; 6]), Image::default()];
    let mut group = Group::from(options, images, "a:1,b:1,c:1");
    group.cut = vec![(2, 0)];
    group.elect(0);
    group.propose(0, 4);
    group.heal();
    group.pass(1000);
    let mut most = 0;
    group.act(0, |_, _, _| ());
    for _ in 0..100 {
        for packet in group.net.iter().filter(|packet| packet.to == 2) {
            if let Load::Request(RaftRequest::AppendEntries(request)) = &packet.load {
                most = most.max(request.entries.len());
            }
        }
        group.deliver_if(|_| true);
    }
    assert_eq!(group.disk(2).durable.log, group.disk(0).durable.log);
    assert_eq!(group.disk(2).durable.log.len(), 11);
    most
}

#[test]
fn a_request_fits_into_a_frame_whatever_the_other_limits_are() {
    assert_eq!(most(64 << 20), 11);
    // 512 bytes and the names are for the rest of the request, about 200 for each entry.
    assert_eq!((most(512 + 8 + 3 * 204), most(512 + 8 + 3 * 199 - 1)), (3, 2));
    assert_eq!(most(600), 1);
}

#[test]
fn s0_14_a_higher_term_counts_in_an_answer_that_nobody_awaits() {
    let mut group = Group::new(3);
    group.elect(0);
    group.propose(0, 1);
    let sent = group.take(|packet| packet.append_kind() == Some(AppendKind::Entries));
    // Answered once, so that the second answer belongs to no request any more.
    reply(&mut group, &sent[0], 1, false, Some(1));
    reply(&mut group, &sent[0], 4, false, None);
    assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Follower, 4));
}
