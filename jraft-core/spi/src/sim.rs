//! Where a simulator reaches into the code: named points, bugs planted on purpose, locks that must never be waited for.
//!
//! Only with the feature `sim`, which no package that users depend on turns on. Without it [`sim_point!`] is nothing and
//! [`mutant!`] is `false`.
//!
//! [`sim_point!`]: crate::sim_point
//! [`mutant!`]: crate::mutant

#[cfg(feature = "sim")]
pub use hooks::{is_mutant, is_strict, plant, point, set_points, set_strict};

/// A durable or role step, by name: a simulator may let the node die here. Without the feature `sim` it is nothing.
#[macro_export]
#[cfg(feature = "sim")]
macro_rules! sim_point {
    ($name:expr) => {
        $crate::sim::point($name)
    };
}

/// A durable or role step, by name: a simulator may let the node die here. Without the feature `sim` it is nothing.
#[macro_export]
#[cfg(not(feature = "sim"))]
macro_rules! sim_point {
    ($name:expr) => {};
}

/// Whether the bug of this name is planted. Without the feature `sim` it is `false`, and what depends on it is gone.
#[macro_export]
#[cfg(feature = "sim")]
macro_rules! mutant {
    ($name:literal) => {
        $crate::sim::is_mutant($name)
    };
}

/// Whether the bug of this name is planted. Without the feature `sim` it is `false`, and what depends on it is gone.
#[macro_export]
#[cfg(not(feature = "sim"))]
macro_rules! mutant {
    ($name:literal) => {
        false
    };
}

#[cfg(feature = "sim")]
mod hooks {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    /// Called at every point, with its name.
    type Points = Rc<dyn Fn(&'static str)>;

    thread_local! {
        // A simulator runs its nodes on one thread: what it plants must not reach another test of the process.
        static PLANTED: Cell<Option<&'static str>> = const { Cell::new(None) };
        static POINTS: RefCell<Option<Points>> = const { RefCell::new(None) };
        static STRICT: Cell<bool> = const { Cell::new(false) };
    }

    /// Plants a bug in everything that this thread runs, or takes it out again.
    pub fn plant(mutant: Option<&'static str>) {
        PLANTED.set(mutant);
    }

    /// See [`mutant!`](crate::mutant).
    pub fn is_mutant(name: &str) -> bool {
        PLANTED.get().is_some_and(|planted| planted == name)
    }

    /// Calls `points` at every point that this thread passes.
    pub fn set_points(points: Option<Points>) {
        POINTS.set(points);
    }

    /// See [`sim_point!`](crate::sim_point).
    pub fn point(name: &'static str) {
        let points = POINTS.with_borrow(Clone::clone);
        if let Some(points) = points {
            points(name);
        }
    }

    /// Says that this thread is in a simulation, and so must never have to wait for a lock.
    pub fn set_strict(strict: bool) {
        STRICT.set(strict);
    }

    /// Whether this thread is in a simulation.
    pub fn is_strict() -> bool {
        STRICT.get()
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn points_are_heard_and_bugs_are_planted_on_this_thread_only() {
        let heard = Rc::new(RefCell::new(Vec::new()));
        let mine = Rc::clone(&heard);
        super::set_points(Some(Rc::new(move |name| mine.borrow_mut().push(name))));
        super::plant(Some("M1"));
        crate::sim_point!("here");
        assert!(crate::mutant!("M1") && !crate::mutant!("M10"));
        super::set_strict(true);
        assert!(super::is_strict());
        assert!(!std::thread::scope(|scope| {
            scope.spawn(|| crate::mutant!("M1") || super::is_strict()).join().unwrap()
        }));
        super::set_strict(false);
        super::set_points(None);
        super::plant(None);
        crate::sim_point!("there");
        assert!(!crate::mutant!("M1"));
        assert_eq!(*heard.borrow(), ["here"]);
    }
}
