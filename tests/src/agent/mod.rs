//! The agent under test: started, asked, stopped.

mod http;
mod metrics;
mod process;
mod view;

pub use http::{Response, request, write_and_read};
pub use metrics::Metrics;
pub use process::{Agent, AgentOptions, binary, command};
pub use view::{
    AgentView, ConnectionView, EventView, HeldWorkersView, PeerReport, PeerView, ProcessView,
    RetransmitsView, ShrinksView,
};
