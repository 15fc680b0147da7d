//! Locks of a simulation: `parking_lot`'s, which panic where a thread in a simulation would have to wait.
//!
//! A simulation runs on one thread. Whoever finds a lock held there finds a guard that was kept across a suspension
//! point, or a lock taken twice; either would wait for ever, here or one day in production. Threads that are in no
//! simulation wait as always: with the features of a whole workspace on, other tests of the same build are among them.

use std::any::type_name;
use std::panic::Location;

use jraft_spi::sim::is_strict;
use parking_lot::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

/// `parking_lot::Mutex`, never waited for in a simulation.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        expect_free::<T>(self.0.is_locked());
        self.0.lock()
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

/// `parking_lot::RwLock`, never waited for in a simulation.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(parking_lot::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(parking_lot::RwLock::new(value))
    }

    /// Not beside another reader of the same thread either: between the two, a writer would come to wait for ever.
    #[track_caller]
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        expect_free::<T>(self.0.is_locked());
        self.0.read()
    }

    #[track_caller]
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        expect_free::<T>(self.0.is_locked());
        self.0.write()
    }
}

/// `parking_lot::Condvar`, never waited for in a simulation: nobody would be left to notify it.
#[derive(Debug, Default)]
pub(crate) struct Condvar(parking_lot::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(parking_lot::Condvar::new())
    }

    #[track_caller]
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        assert!(
            !is_strict(),
            "a simulation sleeps at {}: nobody would wake it",
            Location::caller()
        );
        self.0.wait(guard);
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

#[track_caller]
fn expect_free<T>(locked: bool) {
    // The place stands in the text, too: whoever catches the panic has nothing else.
    assert!(
        !(locked && is_strict()),
        "the lock of {} is wanted at {} and held already: a guard was kept across a suspension point",
        type_name::<T>(),
        Location::caller()
    );
}

/// Threads, of which a simulation has one: whoever yields there asks the operating system for nothing.
pub(crate) mod thread {
    pub(crate) use std::thread::{ThreadId, current};

    pub(crate) fn yield_now() {
        if !jraft_spi::sim::is_strict() {
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use jraft_spi::sim::set_strict;

    use super::*;
    use crate::sync::panic_text;

    /// What `code` says when it panics in a simulation.
    fn refusal(code: impl FnOnce()) -> Option<String> {
        set_strict(true);
        let result = catch_unwind(AssertUnwindSafe(code));
        set_strict(false);
        result.err().map(|panic| panic_text(&*panic))
    }

    #[test]
    fn a_held_lock_is_refused_in_a_simulation_and_named() {
        let mutex = Mutex::new(1_u8);
        let held = mutex.lock();
        let text = refusal(|| drop(mutex.lock())).unwrap();
        assert!(text.contains("u8") && text.contains("strict.rs"), "{text}");
        drop(held);
        assert_eq!(refusal(|| drop(mutex.lock())), None);
        let lock = RwLock::new(1_u8);
        let held = lock.read();
        assert!(refusal(|| drop(lock.read())).is_some());
        assert!(refusal(|| drop(lock.write())).is_some());
        drop(held);
        let held = lock.write();
        assert!(refusal(|| drop(lock.read())).is_some());
        drop(held);
        assert_eq!(refusal(|| drop(lock.write())), None);
    }

    #[test]
    fn a_simulation_never_sleeps() {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        assert!(refusal(|| condvar.wait(&mut mutex.lock())).is_some());
    }

    #[test]
    fn threads_in_no_simulation_wait() {
        let (mutex, lock) = (Mutex::new(0), RwLock::new(0));
        let (held, read) = (mutex.lock(), lock.read());
        // Two readers are no contention.
        assert_eq!(*lock.read(), 0);
        std::thread::scope(|scope| {
            scope.spawn(|| *mutex.lock() += 1);
            scope.spawn(|| *lock.write() += 1);
            drop((held, read));
        });
        assert_eq!((*mutex.lock(), *lock.read()), (1, 1));
    }
}
