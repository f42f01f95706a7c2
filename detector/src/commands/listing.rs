//! What `detector peers` and `detector connections` have in common: ask, choose, sort, print.

use crate::cli::ListArgs;
use detector_api::failure::Failure;
use detector_api::host::Host;
use detector_api::row::PeerRow;
use detector_api::snapshot::{Connection, Incident, Peer};
use detector_api::time;
use detector_client::client::{self, ClientError, Text};
use detector_client::clock;
use detector_client::columns::{Choice, Column, Context, Grouping, Row, Sort, group};
use detector_client::filter::Filter;
use detector_client::table::{Look, render};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::{self, Write};

/// The column that needs to know what the kernel allows for TCP.
const SHARE: &str = "share";

/// What is to be printed.
pub(super) struct Query<'a, R: Row> {
    pub(super) path: &'static str,
    pub(super) filter: &'a Filter<R>,
    pub(super) sort: Sort<R>,
    pub(super) columns: Option<&'a Choice<R>>,
    pub(super) list: &'a ListArgs,
}

/// A row that the agent sends.
pub(super) trait Shaped: Row {
    /// Its JSON shape.
    type Shape: for<'de> Deserialize<'de> + Into<Self>;
}

impl Shaped for PeerRow {
    type Shape = Peer;
}

impl Shaped for Connection {
    type Shape = Self;
}

impl Shaped for Incident {
    type Shape = Self;
}

impl<R: Shaped> Query<'_, R> {
    /// Asks the agent and prints its rows. What `--json` prints is what the agent sent, so that
    /// fields this program does not know are kept.
    pub(super) fn print(&self) -> Result<(), Failure> {
        let since_unix_ns = self.since()?;
        let answer = self.ask(!self.is_plain(since_unix_ns))?;
        let context = answer.context;
        let sent = self.understood(answer.rows())?;
        let total = answer.total.unwrap_or(sent.len());
        if self.list.json && self.is_plain(since_unix_ns) {
            super::print(&answer.sent.text)?;
            self.tell_rest(sent.len(), total);
            return Ok(());
        }
        let mut rows = Vec::with_capacity(sent.len());
        for text in &sent {
            rows.push(self.understood(answer.read(text))?);
        }
        rows.retain(|row| self.is_wanted(&row.row, since_unix_ns, &context));
        let total = if self.is_plain(since_unix_ns) {
            total
        } else {
            rows.len()
        };
        let order = self.sort.order(rows.iter().map(|row| &row.row), &context);
        let limit = if self.list.limit == 0 {
            usize::MAX
        } else {
            self.list.limit
        };
        let order = &order[..order.len().min(limit)];
        if self.list.json {
            let texts: Vec<_> = order.iter().map(|place| rows[*place].text).collect();
            super::print(&json_lines(&texts)?)?;
        } else {
            let mut kept: Vec<Option<R>> = rows.into_iter().map(|row| Some(row.row)).collect();
            let rows: Vec<R> = order
                .iter()
                .filter_map(|place| kept[*place].take())
                .collect();
            self.print_table(&rows, &context, Grouping::Peer)?;
        }
        self.tell_rest(order.len(), total);
        Ok(())
    }

    fn print_table(&self, rows: &[R], context: &Context, by: Grouping) -> Result<(), Failure> {
        let is_grouped = by != Grouping::Peer;
        let columns: Vec<&Column<R>> = match self.columns {
            Some(Choice(columns)) => columns.clone(),
            None => R::COLUMNS
                .iter()
                .filter(|column| column.is_default || (is_grouped && column.key == "members"))
                .collect(),
        };
        let headed: Vec<_> = columns
            .into_iter()
            .map(|column| match column.key {
                "peer" if is_grouped => (by.heading(), column),
                _ => (column.heading, column),
            })
            .collect();
        let is_whole = self.columns.is_some();
        super::print(&render(&headed, rows, context, Look::of_stdout(), is_whole))
    }

    /// Whether the agent's own order and choice is what was asked for.
    fn is_plain(&self, since_unix_ns: Option<i128>) -> bool {
        self.filter.is_empty() && self.sort == Sort::default() && since_unix_ns.is_none()
    }

    fn since(&self) -> Result<Option<i128>, Failure> {
        let since = self.list.since.as_deref();
        since
            .map(|text| time::parse(text, clock::unix_ns()))
            .transpose()
            .map_err(|error| Failure::usage(format!("cannot read --since: {error}")))
    }

    fn is_wanted(&self, row: &R, since_unix_ns: Option<i128>, context: &Context) -> bool {
        let is_recent = since_unix_ns.is_none_or(|since| {
            time::rfc3339_unix_ns(row.last_seen()).is_none_or(|seen| seen >= since)
        });
        is_recent && self.filter.wants(row, context)
    }

    /// The agent's list, all of it if we choose from it; and what its rows do not know.
    fn ask(&self, is_all: bool) -> Result<Answer, Failure> {
        let socket = &self.list.control_socket;
        let limit = if is_all { 0 } else { self.list.limit };
        let target = format!("{}?limit={limit}", self.path);
        super::talk(socket, async {
            let answer = client::open(socket, &target).await?;
            let total = answer.total();
            let sent = answer.text().await?;
            let mut context = Context {
                now_unix_ns: clock::unix_ns(),
                tcp_memory_limit_bytes: None,
            };
            if self.needs_share() {
                let host = client::object::<Host>(socket, "/v1/host").await;
                // An agent that does not know it leaves the column empty.
                let memory = host.ok().and_then(|host| host.tcp_memory);
                context.tcp_memory_limit_bytes = memory.map(|memory| memory.limit_bytes);
            }
            Ok::<_, ClientError>(Answer {
                total,
                sent,
                context,
            })
        })
    }

    /// What was read, or the failure with its hint.
    fn understood<T>(&self, read: Result<T, ClientError>) -> Result<T, Failure> {
        read.map_err(|error| super::client_failure(&self.list.control_socket, error))
    }

    fn needs_share(&self) -> bool {
        let is_shown = match self.columns {
            Some(Choice(columns)) => columns.iter().any(|column| column.key == SHARE),
            None => !self.list.json && R::column(SHARE).is_some(),
        };
        is_shown || self.filter.uses(SHARE) || self.sort.key() == SHARE
    }

    /// Says on stderr when there are more rows than were printed, or none at all.
    fn tell_rest(&self, shown: usize, total: usize) {
        let note = if self.list.limit != 0 && shown < total {
            format!("showing {shown} of {total}; --limit 0 shows all\n")
        } else if shown == 0 && !self.list.json {
            "nothing to show\n".to_owned()
        } else {
            return;
        };
        // What was asked for has been printed; a lost note is no failure.
        drop(io::stderr().lock().write_all(note.as_bytes()));
    }
}

impl Query<'_, PeerRow> {
    /// The same for groups of peers.
    pub(super) fn print_groups(&self, by: Grouping) -> Result<(), Failure> {
        let since_unix_ns = self.since()?;
        let answer = self.ask(true)?;
        let context = answer.context;
        let mut peers = Vec::new();
        for text in self.understood(answer.rows())? {
            let sent: Sent<'_, PeerRow> = self.understood(answer.read(text))?;
            if self.is_wanted(&sent.row, since_unix_ns, &context) {
                peers.push(sent.row);
            }
        }
        let mut groups = group(peers, by);
        self.sort.apply(&mut groups, &context);
        let total = groups.len();
        if self.list.limit != 0 {
            groups.truncate(self.list.limit);
        }
        if self.list.json {
            super::print(&json_lines(&groups)?)?;
        } else {
            self.print_table(&groups, &context, by)?;
        }
        self.tell_rest(groups.len(), total);
        Ok(())
    }
}

/// A list of the agent.
struct Answer {
    total: Option<usize>,
    sent: Text,
    context: Context,
}

impl Answer {
    fn rows(&self) -> Result<Vec<&RawValue>, ClientError> {
        serde_json::from_str(&self.sent.text).map_err(|error| self.sent.misread(error))
    }

    fn read<'a, R: Shaped>(&self, text: &'a RawValue) -> Result<Sent<'a, R>, ClientError> {
        let row: R::Shape =
            serde_json::from_str(text.get()).map_err(|error| self.sent.misread(error))?;
        Ok(Sent {
            row: row.into(),
            text,
        })
    }
}

/// A row, and how the agent wrote it.
struct Sent<'a, R> {
    row: R,
    text: &'a RawValue,
}

/// One array, an item a line.
fn json_lines<T: Serialize>(items: &[T]) -> Result<String, Failure> {
    let mut text = String::from("[");
    for (index, item) in items.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        let item = serde_json::to_string(item)
            .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
        text.push_str(&item);
    }
    text.push_str("\n]\n");
    Ok(text)
}
