//! What log writers, stores, containers, web pages and mail programs put around kernel messages.

mod bracket;
pub(crate) mod container;
mod date;
mod events;
mod fields;
mod guests;
pub(crate) mod json;
mod marks;
pub(crate) mod markup;
mod member;
mod otlp;
pub(crate) mod prefix;
pub(crate) mod pretty;
mod prompt;
pub(crate) mod stamp;
pub(crate) mod table;
pub(crate) mod verbose;
