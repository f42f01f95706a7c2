//! What people look at: asks the agent over its control socket, and makes columns, tables, cards
//! and the live view of what it says.
//!
//! No aya, no privilege; nothing here knows how the agent comes to its numbers.

pub mod client;
pub mod clock;
pub mod columns;
pub mod explain;
pub mod filter;
pub mod session;
pub mod sysctl;
pub mod table;
pub mod top;
