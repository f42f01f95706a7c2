//! What is remembered, each table bounded: connections, peers, what left.

pub(crate) mod bounded_map;
pub(crate) mod connections;
pub(crate) mod deadlines;
pub(crate) mod intrusive_list;
pub(crate) mod networks;
pub(crate) mod owner;
pub(crate) mod peers;
pub(crate) mod recently_closed;
