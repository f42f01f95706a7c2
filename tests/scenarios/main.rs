//! The end-to-end stories. Each module's first lines say what it verifies.
//!
//! `cargo build -p detector && cargo test -p detector-tests`, as root. Stories wait more than they
//! work, so `-- --test-threads=8` is fine on two cores.

mod lab;
mod stage;
