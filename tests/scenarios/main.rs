//! The end-to-end stories. Each module's first lines say what it verifies.
//!
//! `cargo xtask e2e`, or `cargo build -p detector && cargo test -p detector-tests` as root. Stories
//! wait more than they work, so many may be played at a time.

mod actions_block;
mod actions_reset;
mod agent_http;
mod agent_start;
mod before_agent;
mod below_flight;
mod budget;
mod command_line;
mod configuration;
mod default_threshold;
mod differential;
mod direction;
mod dmesg;
mod download;
mod explain;
mod forged;
mod granularity;
mod half_closed;
mod json_log;
mod kernel_log;
mod kernel_shrink;
mod lab;
mod long_download;
mod loss;
mod metrics;
mod mptcp;
mod namespaces;
mod neighbours;
mod never_read;
mod orphan;
mod outside_established;
mod own_user;
mod owner;
mod past;
mod privilege;
mod repaired;
mod report;
mod restart;
mod salami;
mod segments;
mod slow_link;
mod stage;
mod state_folder;
mod surroundings;
mod tcp_memory;
mod teasing;
mod top;
mod top_failures;
mod treason;
mod unfit_host;
mod unprivileged;
mod web_access;
mod zero_window;
