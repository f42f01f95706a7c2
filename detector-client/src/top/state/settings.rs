//! What is remembered from one run to the next.

use crate::columns::{Grouping, Sort};
use detector_api::row::PeerRow;
use detector_api::snapshot::Connection;
use serde::{Deserialize, Serialize};

/// How peers and connections are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    /// Group the peers by this.
    pub(crate) grouping: Grouping,
    /// Order of the peers.
    pub(crate) sort: Sort<PeerRow>,
    /// Order of a peer's connections.
    pub(crate) connection_sort: Sort<Connection>,
}

/// The same as it is written to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    group: String,
    sort: String,
    connection_sort: String,
}

impl Settings {
    /// As it is written to a file.
    pub(crate) fn written(&self) -> Written {
        Written {
            group: self.grouping.label().to_owned(),
            sort: self.sort.to_string(),
            connection_sort: self.connection_sort.to_string(),
        }
    }

    /// From a file; `None` if it names what there is not.
    pub(crate) fn read(written: &Written) -> Option<Self> {
        let mut groupings = Grouping::ALL.into_iter();
        Some(Self {
            grouping: groupings.find(|each| each.label() == written.group)?,
            sort: Sort::parse(&written.sort).ok()?,
            connection_sort: Sort::parse(&written.connection_sort).ok()?,
        })
    }
}
