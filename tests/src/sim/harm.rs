//! What plans do to a world, and how all of it is taken back.

use std::sync::Arc;

use super::dice::Key;
use super::plan::Action;
use super::policy::Policy;
use super::store::{DiskPace, log_dir};
use super::world::World;
use crate::checks::Seen;

impl World {
    /// Does what a plan says.
    pub fn act(self: &Arc<Self>, action: &Action) {
        self.note(None, || action.to_string());
        match action {
            Action::Crash(node, death) => self.crash(*node, *death),
            Action::CrashAt(node, death, nth, point) => {
                let armed = (point.clone(), (*nth).max(1), *death);
                self.nodes[*node].armed.lock().points.push(armed);
            }
            Action::CrashAtOp(node, death, nth) => {
                self.nodes[*node].armed.lock().at_op = Some(((*nth).max(1), *death));
            }
            Action::Boot(node) => self.boot(*node),
            Action::Stop(node) => self.stop(*node),
            Action::Pause(node, micros) => self.pause(*node, *micros),
            Action::Blackout(death) => {
                (0..self.nodes.len()).for_each(|node| self.crash(node, *death));
            }
            Action::Drift(node, drift) => {
                self.hub.clock(Some(*node), |clock, now| clock.set_drift(now, *drift));
                self.faults.lock().count("drift");
            }
            Action::Jump(node, micros) => {
                self.hub.clock(Some(*node), |clock, now| clock.jump(now, micros * 1000));
                self.watch.see(&Seen::Jumps { node: *node });
                self.faults.lock().count("clock jump");
            }
            Action::FailSync(..)
            | Action::FailWrite(_)
            | Action::Room(..)
            | Action::SlowDisk(..)
            | Action::Flip(..) => self.hurt_disk(action),
            _ => self.hurt_net(action),
        }
    }

    fn pause(self: &Arc<Self>, node: usize, micros: u64) {
        let Some(life) = self.hub.life(node).filter(|_| !self.hub.is_paused(node)) else { return };
        self.faults.lock().count("pause");
        self.hub.pause(node);
        let hub = Arc::clone(&self.hub);
        self.hub.after(micros * 1000, move || {
            if hub.is_alive(life) {
                hub.resume(node);
            }
        });
    }

    fn hurt_net(&self, action: &Action) {
        let mut links = self.net.links.lock();
        let nodes = self.nodes.len();
        let all = (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to)));
        let cut: Box<dyn Fn(usize, usize) -> bool> = match action {
            Action::Heal => return links.heal(),
            Action::Join(from, to) => return links.set_cut(*from, *to, false),
            Action::Cut(from, to) => {
                links.set_cut(*from, *to, true);
                return self.faults.lock().count("link cut");
            }
            Action::Isolate(node) => Box::new(move |from, to| from == *node || to == *node),
            Action::Split(side) => Box::new(move |from, to| (side >> from ^ side >> to) & 1 == 1),
            Action::Bridge(node) => {
                let side = move |one: usize| (one < nodes / 2, one == *node);
                Box::new(move |from, to| {
                    let ((from, bridge), (to, also)) = (side(from), side(to));
                    from != to && !bridge && !also
                })
            }
            _ => return,
        };
        for (from, to) in all.filter(|&(from, to)| from != to && cut(from, to)) {
            links.set_cut(from, to, true);
        }
        drop(links);
        self.faults.lock().count("partition");
    }

    fn hurt_disk(&self, action: &Action) {
        let kind = match *action {
            Action::FailSync(node, lose) => {
                self.nodes[node].armed.lock().fail_sync = Some(lose);
                return;
            }
            Action::FailWrite(node) => {
                self.nodes[node].armed.lock().fail_write = true;
                return;
            }
            Action::Room(node, bytes) => {
                let disk = &self.nodes[node].disk;
                let used: u64 = disk.files().iter().map(|(_, length)| length).sum();
                disk.set_capacity(Some(used + bytes));
                self.nodes[node].armed.lock().may_fail();
                "little room"
            }
            Action::SlowDisk(node, micros) => {
                let pace = (micros / 2, micros);
                *self.nodes[node].pace.lock() = DiskPace { log: pace, meta: pace };
                "slow disk"
            }
            Action::Flip(node, number) => return self.flip(node, number),
            _ => return,
        };
        self.faults.lock().count(kind);
    }

    /// Flips a bit of the log of a node that is down, chosen by a number.
    fn flip(&self, node: usize, number: u64) {
        // After a crash, damage to what was written last is taken for what the crash left: nobody can tell the two apart.
        let crashed =
            self.hub.last_life(node).is_some_and(|life| self.crashed.lock().contains(&life));
        if self.hub.life(node).is_some() || crashed {
            return;
        }
        let disk = &self.nodes[node].disk;
        let files = disk.files().into_iter().filter(|(path, _)| path.starts_with(log_dir()));
        let files: Vec<_> = files.filter(|(_, length)| *length > 0).collect();
        if files.is_empty() {
            return;
        }
        let (path, length) = &files[number as usize % files.len()];
        let key = Key::new(number, 0xf11b);
        disk.flip_bit(path, key.number() % length, (key.with(1).number() % 8) as u8);
        *self.nodes[node].damaged.lock() = true;
        // The account of what is durable does not follow a file whose bytes changed by themselves.
        self.watch.judge.lock().facts.nodes[node].forgetful = true;
        self.faults.lock().count("bit flip");
    }

    /// Everything is well from now on, and everybody up.
    pub fn heal(self: &Arc<Self>) {
        self.note(None, || "all is healed".to_owned());
        self.ease();
        (0..self.nodes.len()).for_each(|node| self.mend(node));
        self.watch.see(&Seen::Healed);
    }

    /// All links are whole and quiet, and no task waits for its turn longer than others.
    pub(super) fn ease(&self) {
        self.hub.set_policy(Policy::Fair);
        let mut links = self.net.links.lock();
        links.heal();
        links.pace = Default::default();
    }

    /// A node is well from now on, and up unless its disk is damaged.
    pub(super) fn mend(self: &Arc<Self>, node: usize) {
        let machinery = &self.nodes[node];
        machinery.armed.lock().disarm();
        *machinery.pace.lock() = DiskPace { log: (100, 400), meta: (100, 400) };
        machinery.disk.set_capacity(None);
        self.hub.clock(Some(node), |clock, now| clock.set_drift(now, 0));
        if self.hub.is_paused(node) {
            self.hub.resume(node);
        }
        if machinery.refused.lock().is_none() {
            self.boot(node);
        }
    }
}
