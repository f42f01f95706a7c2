//! The agent under test: started, asked, stopped.

mod follow;
mod http;
mod line;
mod metrics;
mod process;
mod trust;
mod view;

pub use follow::{event_of, follow_lines};
pub use http::{Response, request, write_and_read};
pub use line::is_note;
pub use metrics::Metrics;
pub use process::{
    Agent, AgentOptions, binary, command, command_under, in_a_container, on_a_kernel_without,
    with_mounts,
};
pub use trust::everybody_but;
pub use view::{
    AgentView, ConnectionView, EventView, GuardView, HeldWorkersView, PeerReport, PeerView,
    ProcessView, RetransmitsView, ShrinksView,
};
