//! Whom to ask next: the leader as far as it is known, the members in turn otherwise (`RouteTable`). Pure.

use std::time::Duration;

use jraft_core::{Configuration, Endpoint, PeerId};

/// Where requests of one client go.
#[derive(Clone, Debug)]
pub struct Route {
    members: Vec<Endpoint>,
    next: usize,
    leader: Option<Endpoint>,
    pinned: bool,
    /// Steps since the last answer that settled anything.
    lost: u32,
}

impl Route {
    /// Any of these members, voters first. `None` if there are none.
    pub fn among(peers: &Configuration) -> Option<Self> {
        let members: Vec<Endpoint> = (peers.peers().iter().chain(peers.learners()))
            .map(|peer| peer.endpoint().clone())
            .collect();
        (!members.is_empty()).then_some(Self {
            members,
            next: 0,
            leader: None,
            pinned: false,
            lost: 0,
        })
    }

    /// This node alone, whatever it says about others.
    pub fn pinned(to: &PeerId) -> Self {
        let members = vec![to.endpoint().clone()];
        Self { members, next: 0, leader: None, pinned: true, lost: 0 }
    }

    /// Whether only one node may be asked.
    pub const fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// All members.
    pub fn members(&self) -> &[Endpoint] {
        &self.members
    }

    /// Whom to ask now.
    pub fn target(&self) -> &Endpoint {
        self.leader.as_ref().unwrap_or(&self.members[self.next])
    }

    /// The node that was asked leads.
    pub fn answered(&mut self) {
        if self.leader.is_none() {
            self.leader = Some(self.members[self.next].clone());
        }
        self.lost = 0;
    }

    /// The node that was asked does not lead; perhaps it knows who does. Answers how long to wait before the next step.
    pub fn redirected(&mut self, leader: Option<&PeerId>) -> Duration {
        let leader = leader.map(PeerId::endpoint).filter(|leader| *leader != self.target());
        let Some(leader) = leader else {
            return self.failed();
        };
        self.leader = Some(leader.clone());
        let first = self.lost == 0;
        let wait = self.step();
        // The first redirect is the way to the leader. The next one is two nodes that believe in each other.
        if first { Duration::ZERO } else { wait }
    }

    /// The node that was asked did not answer, or did not know. Answers how long to wait before the next step.
    pub fn failed(&mut self) -> Duration {
        if self.leader.take().is_none() {
            self.next = (self.next + 1) % self.members.len();
        }
        self.step()
    }

    /// The node that was asked is busy: it is asked again. Answers how long to wait before.
    pub fn busy(&mut self) -> Duration {
        self.step()
    }

    fn step(&mut self) -> Duration {
        let wait = FIRST_WAIT.saturating_mul(1 << self.lost.min(5)).min(LONGEST_WAIT);
        self.lost += 1;
        wait
    }
}

const FIRST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> Route {
        Route::among(&"a:1,b:1,c:1".parse().unwrap()).unwrap()
    }

    fn peer(text: &str) -> PeerId {
        text.parse().unwrap()
    }

    #[test]
    fn follows_a_redirect_at_once_and_a_second_one_slowly() {
        let mut route = route();
        assert_eq!(route.target().to_string(), "a:1");
        assert_eq!(route.redirected(Some(&peer("b:1"))), Duration::ZERO);
        assert_eq!(route.target().to_string(), "b:1");
        assert!(route.redirected(Some(&peer("a:1"))) > Duration::ZERO);
        assert_eq!(route.target().to_string(), "a:1");
        route.answered();
        assert_eq!(route.redirected(Some(&peer("c:1"))), Duration::ZERO);
    }

    #[test]
    fn a_dead_leader_is_forgotten_and_everybody_is_asked_in_turn() {
        let mut route = route();
        route.redirected(Some(&peer("c:1")));
        let mut asked = Vec::new();
        for _ in 0..4 {
            asked.push(route.target().to_string());
            assert!(route.failed() > Duration::ZERO);
        }
        assert_eq!(asked, ["c:1", "a:1", "b:1", "c:1"]);
    }

    #[test]
    fn a_node_that_names_itself_or_nobody_has_not_helped() {
        let mut route = route();
        assert!(route.redirected(Some(&peer("a:1"))) > Duration::ZERO);
        assert_eq!(route.target().to_string(), "b:1");
        route.redirected(None);
        assert_eq!(route.target().to_string(), "c:1");
    }

    #[test]
    fn waits_grow_up_to_a_limit() {
        let mut route = route();
        let waits: Vec<Duration> = (0..40).map(|_| route.busy()).collect();
        assert!(waits.is_sorted());
        assert_eq!(waits[0], FIRST_WAIT);
        assert_eq!(waits[39], LONGEST_WAIT);
    }

    #[test]
    fn a_leader_outside_the_list_is_asked_as_well() {
        let mut route = route();
        route.redirected(Some(&peer("d:1")));
        assert_eq!(route.target().to_string(), "d:1");
        assert!(Route::among(&Configuration::default()).is_none());
    }
}
