//! Schedules of threads, chosen by a test: the kit of all such tests, and those of the bell and of the queue of a lane.

pub(crate) mod kit;
mod threads;
