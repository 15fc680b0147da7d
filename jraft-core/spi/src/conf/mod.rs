//! Who belongs to a group: configurations, the entries of the log that hold them, and the history of both.

mod configuration;
mod entry;
mod manager;

pub use configuration::Configuration;
pub use entry::ConfigurationEntry;
pub use manager::ConfigurationManager;
