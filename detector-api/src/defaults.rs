//! Where things are and how much is shown unless somebody says otherwise.

/// Path of the control socket.
pub const CONTROL_SOCKET: &str = "/run/detector/control.sock";
/// Folder for what the agent keeps.
pub const STATE_DIR: &str = "/var/lib/detector";
/// Rows of a list where the request does not say how many.
pub const LIST_LIMIT: usize = 1_000;
/// Header: length of a list of which the body may show only the beginning.
pub const TOTAL_COUNT_HEADER: &str = "x-total-count";
/// Header: when the agent started; a new agent numbers its events anew.
pub const AGENT_STARTED_HEADER: &str = "x-agent-started";
/// Header: version of the agent.
pub const AGENT_VERSION_HEADER: &str = "x-agent-version";
