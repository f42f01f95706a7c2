//! The columns of peers, connections, events and incidents, defined once for tables, `detector top`,
//! filters, sorting and the reference.
//!
//! In: rows as the agent sends them. Out: values, cells, orders, groups. Never: I/O, a clock, a
//! terminal; what a row cannot know by itself comes in as [`Context`].

mod connections;
mod events;
mod group;
mod incidents;
mod names;
mod peers;
mod sort;
mod value;

pub use group::{Grouping, group};
pub(crate) use names::whole;
pub use sort::{Choice, Sort};
pub use value::Value;

use crate::layout::{Align, Measure};
use crate::terminal::Tone;
use detector_api::row::PeerRow;
use detector_api::snapshot::{Connection, Event, Incident};

/// What the values of a column are: says how a filter reads its right-hand side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text; `=` also takes the name of a unit without its suffix.
    Text,
    /// An address or network, with or without a port.
    Address,
    /// One of these names, or `none`.
    Name(&'static [&'static str]),
    /// One of these names, from least to most.
    Level(&'static [&'static str]),
    /// A whole number.
    Count,
    /// Bytes.
    Size,
    /// Seconds.
    Duration,
    /// Bytes per second.
    Rate,
    /// A part of a whole, shown as percent.
    Share,
    /// `yes` or `no`.
    YesNo,
}

/// What comes first when a table is sorted by a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Names and addresses.
    Ascending,
    /// Numbers: the largest matters most.
    Descending,
}

/// What a row cannot know by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Context {
    /// The present, for ages.
    pub now_unix_ns: i128,
    /// From the kernel's TCP accounting; `None` if it is not known.
    pub tcp_memory_limit_bytes: Option<u64>,
}

/// One column over rows of type `R`.
pub struct Column<R> {
    /// Name for `--columns`, `--sort`, filters and saved settings; a contract like the JSON fields.
    pub key: &'static str,
    /// Other names that filters and `--sort` take.
    pub aliases: &'static [&'static str],
    /// Heading.
    pub heading: &'static str,
    /// Alignment.
    pub align: Align,
    /// Cells are never cut below this; numbers never at all.
    pub min_width: u16,
    /// Wider cells are cut to this first where the terminal is narrow.
    pub ideal_width: u16,
    /// 0 stays always; of the others the highest goes first where the terminal is narrow.
    pub dispensable: u8,
    /// Whether its cells stand out as the row does.
    pub is_telling: bool,
    /// Whether it is shown unless other columns are asked for.
    pub is_default: bool,
    /// What the values are.
    pub kind: Kind,
    /// Natural order.
    pub order: Order,
    /// Where the value is in the JSON object, or what it is made from.
    pub json_path: &'static str,
    /// One line for the reference and the help of `detector top`.
    pub help: &'static str,
    /// The value of a row.
    pub value: ValueOf<R>,
}

type ValueOf<R> = for<'a> fn(&'a R, &Context) -> Value<'a>;

impl<R> Column<R> {
    /// A column of text that is always shown; the methods below change what differs.
    const fn text(
        key: &'static str,
        heading: &'static str,
        json_path: &'static str,
        help: &'static str,
        value: ValueOf<R>,
    ) -> Self {
        Self {
            key,
            aliases: &[],
            heading,
            align: Align::Left,
            min_width: 8,
            ideal_width: 24,
            dispensable: 0,
            is_telling: false,
            is_default: true,
            kind: Kind::Text,
            order: Order::Ascending,
            json_path,
            help,
            value,
        }
    }

    /// A column of whole numbers.
    const fn count(
        key: &'static str,
        heading: &'static str,
        json_path: &'static str,
        help: &'static str,
        value: ValueOf<R>,
    ) -> Self {
        Self::text(key, heading, json_path, help, value).numeric(Kind::Count)
    }

    /// A column of bytes.
    const fn size(
        key: &'static str,
        heading: &'static str,
        json_path: &'static str,
        help: &'static str,
        value: ValueOf<R>,
    ) -> Self {
        Self::text(key, heading, json_path, help, value).numeric(Kind::Size)
    }

    /// A column of seconds.
    const fn duration(
        key: &'static str,
        heading: &'static str,
        json_path: &'static str,
        help: &'static str,
        value: ValueOf<R>,
    ) -> Self {
        Self::text(key, heading, json_path, help, value).numeric(Kind::Duration)
    }

    /// Numbers are never cut, and line up right.
    const fn numeric(self, kind: Kind) -> Self {
        Self {
            align: Align::Right,
            min_width: u16::MAX,
            ideal_width: u16::MAX,
            kind,
            order: Order::Descending,
            ..self
        }
    }

    const fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    const fn also_called(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn cut_to(mut self, ideal_width: u16, min_width: u16) -> Self {
        self.ideal_width = ideal_width;
        self.min_width = min_width;
        self
    }

    const fn in_order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    const fn dispensable(mut self, rank: u8) -> Self {
        self.dispensable = rank;
        self
    }

    const fn telling(mut self) -> Self {
        self.is_telling = true;
        self
    }

    /// Shown only when it is asked for.
    const fn on_request(mut self) -> Self {
        self.is_default = false;
        self.dispensable = u8::MAX;
        self
    }

    /// What it asks for with a heading and a widest cell of these widths.
    pub(crate) fn measure(&self, heading: usize, widest_cell: usize) -> Measure {
        let content = heading.max(widest_cell);
        let at_least = |width: u16| usize::from(width).max(heading).min(content);
        Measure {
            content,
            ideal: at_least(self.ideal_width),
            min: at_least(self.min_width.min(self.ideal_width)),
            dispensable: self.dispensable,
        }
    }

    /// Text of the cell.
    pub fn cell(&self, row: &R, context: &Context) -> String {
        (self.value)(row, context).to_string()
    }

    /// Whether it goes by this name: its key, an alias or its JSON path, `_` for `-` or not.
    pub fn is_called(&self, name: &str) -> bool {
        let is = |own: &str| {
            own.len() == name.len()
                && own.bytes().zip(name.bytes()).all(|(own, given)| {
                    let given = given.to_ascii_lowercase();
                    own == given || (own == b'-' && given == b'_')
                })
        };
        is(self.key) || is(self.json_path) || self.aliases.iter().any(|alias| is(alias))
    }
}

/// A row that has columns.
pub trait Row: Sized + 'static {
    /// All columns, in the order in which they are shown.
    const COLUMNS: &'static [Column<Self>];

    /// What the agent ranks by, the weightiest number first.
    fn cost(&self) -> [f64; 3];

    /// When there was something of it last, RFC 3339.
    fn last_seen(&self) -> &str;

    /// How the row stands out.
    fn tone(&self) -> Tone;

    /// The column that goes by this name.
    fn column(name: &str) -> Option<&'static Column<Self>> {
        Self::COLUMNS.iter().find(|column| column.is_called(name))
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "compared for order only, and far below 2^53"
)]
impl Row for PeerRow {
    const COLUMNS: &'static [Column<Self>] = peers::COLUMNS;

    fn cost(&self) -> [f64; 3] {
        let peer = &self.peer;
        [
            peer.pinned_bytes as f64,
            peer.stalled_connections as f64,
            peer.zero_window_seconds,
        ]
    }

    fn last_seen(&self) -> &str {
        &self.peer.last_seen
    }

    fn tone(&self) -> Tone {
        Tone::of(self.peer.severity)
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "compared for order only, and far below 2^53"
)]
impl Row for Connection {
    const COLUMNS: &'static [Column<Self>] = connections::COLUMNS;

    fn cost(&self) -> [f64; 3] {
        let is_stalled = f64::from(u8::from(self.stall.is_some()));
        [is_stalled, self.pinned_bytes as f64, self.stalled_seconds]
    }

    fn last_seen(&self) -> &str {
        &self.last_seen
    }

    fn tone(&self) -> Tone {
        match self.stall {
            Some(_) => Tone::Caution,
            None => Tone::Plain,
        }
    }
}

impl Row for Incident {
    const COLUMNS: &'static [Column<Self>] = incidents::COLUMNS;

    /// Incidents keep their own order.
    fn cost(&self) -> [f64; 3] {
        [0.0; 3]
    }

    /// One that goes on was seen now: it is never too old.
    fn last_seen(&self) -> &str {
        if self.open {
            return "";
        }
        self.ended.as_deref().unwrap_or(&self.began)
    }

    fn tone(&self) -> Tone {
        Tone::of(self.severity)
    }
}

impl Row for Event {
    const COLUMNS: &'static [Column<Self>] = events::COLUMNS;

    /// Events keep their own order.
    fn cost(&self) -> [f64; 3] {
        [0.0; 3]
    }

    fn last_seen(&self) -> &str {
        &self.time
    }

    fn tone(&self) -> Tone {
        Tone::of(self.severity)
    }
}

#[cfg(test)]
pub(crate) mod tests;
