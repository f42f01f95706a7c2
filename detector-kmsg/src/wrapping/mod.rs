//! What log writers, stores, containers, web pages and mail programs put around kernel messages.

pub(crate) mod container;
pub(crate) mod json;
pub(crate) mod markup;
pub(crate) mod prefix;
pub(crate) mod stamp;
pub(crate) mod verbose;
