//! The bell and the queue of a lane, under many schedules.

use std::sync::Arc;

use shuttle::future::block_on;

use super::kit::{Call, at_once, explore};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Bell, LaneQueue, thread};

/// Whoever looks after each ring misses nothing: three threads leave something and ring, and all of it is found.
#[test]
fn a_ring_is_never_lost() {
    explore(3_000, || {
        let (bell, left) = (Arc::new(Bell::default()), Arc::new(AtomicUsize::new(0)));
        let (heard, found) = (Arc::clone(&bell), Arc::clone(&left));
        let listener = thread::spawn(move || {
            let mut seen = 0;
            while seen < 6 {
                block_on(heard.heard());
                seen += found.swap(0, Ordering::SeqCst);
            }
        });
        for _ in 0..3 {
            let (bell, left) = (Arc::clone(&bell), Arc::clone(&left));
            thread::spawn(move || {
                for _ in 0..2 {
                    left.fetch_add(1, Ordering::SeqCst);
                    bell.ring();
                }
            });
        }
        listener.join().unwrap();
    });
}

/// What is pushed comes out once and in order, or comes back; and the lane ends.
#[test]
fn a_lane_takes_all_that_it_accepted_and_ends() {
    explore(3_000, || {
        let queue = Arc::new(LaneQueue::default());
        let lane = Arc::clone(&queue);
        let lane = thread::spawn(move || {
            let (mut all, mut some) = (Vec::new(), Vec::new());
            while block_on(lane.take(&mut some)) {
                all.append(&mut some);
            }
            all
        });
        let push = |from: u32| -> Call<Vec<u32>> {
            let queue = Arc::clone(&queue);
            Box::new(move || (from..from + 3).filter(|work| queue.push(*work).is_ok()).collect())
        };
        let close = {
            let queue = Arc::clone(&queue);
            Box::new(move || {
                queue.close();
                Vec::new()
            })
        };
        let accepted = at_once([push(0), push(10), close]);
        let taken = lane.join().unwrap();
        for accepted in &accepted[..2] {
            let mine: Vec<u32> =
                taken.iter().copied().filter(|work| accepted.contains(work)).collect();
            assert_eq!(mine, *accepted);
        }
        assert_eq!(taken.len(), accepted.iter().map(Vec::len).sum::<usize>());
    });
}

/// Without a push after it, too, an end is noticed: by a lane that waits, and by one that comes late.
#[test]
fn an_idle_lane_ends() {
    explore(1_000, || {
        let queue = Arc::new(LaneQueue::<()>::default());
        let lane = Arc::clone(&queue);
        let lane = thread::spawn(move || block_on(lane.take(&mut Vec::new())));
        queue.close();
        assert!(!lane.join().unwrap());
        assert_eq!(queue.push(()), Err(()));
    });
}
