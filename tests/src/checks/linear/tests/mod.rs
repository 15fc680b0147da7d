//! The checker checked: against all orders of short histories, and by long ones that are known to be right or wrong.

mod agree;
mod dial;
mod kit;
mod long;
mod told;
