//! The hub by itself: who runs, who stands still, who never runs again, who is caught.

use super::*;

fn hub() -> Arc<Hub> {
    Hub::new(1, 1, Policy::Fair)
}

#[test]
#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "that is what must be caught")]
fn i_34_a_task_that_asks_the_operating_system_breaks_the_run() {
    let asks: [(&str, fn()); 3] = [
        ("clock", || _ = std::time::Instant::now()),
        ("environment", || drop(std::env::var("HOME"))),
        ("nothing", || drop(vec![1, 2, 3])),
    ];
    for (what, ask) in asks {
        let hub = hub();
        hub.spawn(None, "curious", Box::pin(async move { ask() }));
        while hub.step(1_000) != Step::Idle {}
        let broken = hub.broken().unwrap_or_else(|| "nothing".to_owned());
        assert!(broken.contains(what), "{what}: {broken}");
    }
}

#[test]
fn i_31_a_task_that_panics_breaks_the_run() {
    let hub = hub();
    hub.spawn(None, "clumsy", Box::pin(async { panic!("on purpose") }));
    while hub.step(1_000) != Step::Idle {}
    assert!(hub.broken().is_some_and(|broken| broken.contains("clumsy")));
}

#[test]
fn a_paused_node_stands_still_and_a_dead_one_never_runs_again() {
    let (hub, ran) = (hub(), Arc::new(AtomicU64::new(0)));
    let life = hub.start(0);
    let count = |hub: &Arc<Hub>| {
        let ran = Arc::clone(&ran);
        let task = Box::pin(async move { _ = ran.fetch_add(1, Ordering::Relaxed) });
        hub.spawn(Some(life), "counts", task)
    };
    hub.pause(0);
    count(&hub);
    while hub.step(1_000) != Step::Idle {}
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    hub.resume(0);
    while hub.step(1_000) != Step::Idle {}
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    count(&hub);
    hub.stop(0);
    assert_eq!(hub.take_dead().len(), 1, "the caller drops what is left of it");
    assert!(count(&hub).is_none(), "nothing is taken for the dead");
    while hub.step(1_000) != Step::Idle {}
    assert_eq!(ran.load(Ordering::Relaxed), 1);
}
