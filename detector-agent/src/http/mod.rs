//! A small HTTP/1.1 server that no client can hold up, for TCP and Unix sockets.
//!
//! In: accepted connections. Out: [`Request`]s to a [`Handler`], its [`Response`]s to the client.
//! It does not know what is served.

mod access;
mod deadline;
mod limiter;
mod limits;
mod listen;
mod message;
mod meter;
mod serve;

pub(crate) use access::Access;
pub(crate) use limiter::Client;
pub(crate) use limits::{Limits, Refusals};
pub(crate) use listen::BoundTcp;
pub(crate) use message::{Content, Request, Response, Verb};
pub(crate) use meter::Meter;
pub(crate) use serve::{Handler, Service, serve};

#[cfg(test)]
mod tests;
