//! The lane of a state machine under many schedules of threads.

mod threads;
