//! What people look at: asks the agent over its control socket, and makes columns, tables, cards
//! and the live view of what it says.
//!
//! No aya, no privilege; nothing here knows how the agent comes to its numbers.

mod cards;
mod clock;
pub mod columns;
pub mod commands;
pub mod filter;
pub mod layout;
pub mod output;
pub mod peer_address;
pub mod prometheus;
pub mod report;
mod session;
pub mod socket;
mod sysctl;
pub mod table;
pub mod terminal;
pub mod top;
