//! Bytes of the kernel become checked observations: where fields lie (`btf`, `layout`), what a record says
//! (`decode`, `observation`), and the state kept of it (`state`).

pub mod btf;
pub mod census;
pub mod decode;
pub mod layout;
pub mod observation;
pub mod peer_address;
pub(crate) mod state;
