//! Scenarios of pure decisions.
