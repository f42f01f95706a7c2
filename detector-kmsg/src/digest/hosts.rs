//! Hosts whose messages a log brings together.

use super::MOST_NAMES;
use detector_api::sanitize;

/// Names of hosts, in the order in which they came.
#[derive(Default)]
pub(super) struct Hosts(Vec<String>);

/// A host by its number, or none that is told.
#[derive(Clone, Copy, Default)]
pub(super) struct HostOf<'a>(Option<(usize, &'a str)>);

impl Hosts {
    /// The host of this name; none for one that is not named, or beyond what is kept.
    pub(super) fn of(&mut self, name: Option<&str>) -> HostOf<'_> {
        let Some(name) = name.map(sanitize::text) else {
            return HostOf(None);
        };
        let known = self.0.iter().position(|known| *known == name);
        let at = known.unwrap_or(self.0.len());
        if known.is_none() && at < MOST_NAMES {
            self.0.push(name);
        }
        HostOf(self.0.get(at).map(|name| (at, name.as_str())))
    }

    pub(super) fn finish(self) -> Vec<String> {
        self.0
    }
}

impl<'a> HostOf<'a> {
    /// 0 for none.
    pub(super) fn number(self) -> usize {
        self.0.map_or(0, |(at, _)| at + 1)
    }

    pub(super) fn name(self) -> Option<&'a str> {
        self.0.map(|(_, name)| name)
    }
}
