//! The conformance list of the timers (T-TIM).
