//! `detector peers`, `connections` and `incidents`: ask, choose, sort, print.

use super::{print, talk};
use crate::clock;
use crate::columns::{Choice, Context, Grouping, Row, Sort, group};
use crate::filter::Filter;
use crate::socket::{self, ClientError, Text};
use crate::table::{Chosen, Table};
use crate::terminal::Capabilities;
use detector_api::failure::Failure;
use detector_api::host::Host;
use detector_api::row::PeerRow;
use detector_api::snapshot::{Connection, Incident, Peer};
use detector_api::time;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::{self, Write};
use std::path::Path;

/// The column that needs to know what the kernel allows for TCP.
const SHARE: &str = "share";

/// What is to be printed.
pub struct ListQuery<'a, R: Row> {
    /// Only rows that it wants.
    pub filter: &'a Filter<R>,
    /// In this order.
    pub sort: Sort<R>,
    /// These columns; those shown by default unless they are given.
    pub columns: Option<&'a Choice<R>>,
    /// At most this many rows; 0 for all.
    pub limit: usize,
    /// Only rows seen since this time.
    pub since: Option<&'a str>,
    /// As JSON.
    pub json: bool,
    /// Control socket of the agent.
    pub socket: &'a Path,
}

/// Prints peers, or what they are put together to.
pub fn peers(query: &ListQuery<'_, PeerRow>, by: Grouping) -> Result<(), Failure> {
    match by {
        Grouping::Peer => print_rows(query),
        by => print_groups(query, by),
    }
}

/// Prints connections.
pub fn connections(query: &ListQuery<'_, Connection>) -> Result<(), Failure> {
    print_rows(query)
}

/// Prints incidents. The agent keeps them in memory: those from before its start are not among
/// them.
pub fn incidents(query: &ListQuery<'_, Incident>) -> Result<(), Failure> {
    print_rows(query)
}

/// A row that the agent sends.
trait Shaped: Row {
    /// Where the agent lists it.
    const PATH: &'static str;

    /// Its JSON shape.
    type Shape: for<'de> Deserialize<'de> + Into<Self>;
}

impl Shaped for PeerRow {
    const PATH: &'static str = "/v1/peers";

    type Shape = Peer;
}

impl Shaped for Connection {
    const PATH: &'static str = "/v1/connections";

    type Shape = Self;
}

impl Shaped for Incident {
    const PATH: &'static str = "/v1/incidents";

    type Shape = Self;
}

/// Asks the agent and prints its rows. What `--json` prints is what the agent sent, so that
/// fields this program does not know are kept.
fn print_rows<R: Shaped>(query: &ListQuery<'_, R>) -> Result<(), Failure> {
    let since_unix_ns = query.since()?;
    let answer = query.ask(R::PATH, !query.is_plain(since_unix_ns))?;
    let context = answer.context;
    let sent = query.understood(answer.rows())?;
    let total = answer.total.unwrap_or(sent.len());
    if query.json && query.is_plain(since_unix_ns) {
        print(&answer.sent.text)?;
        query.tell_rest(sent.len(), total);
        return Ok(());
    }
    let mut rows = Vec::with_capacity(sent.len());
    for text in &sent {
        rows.push(query.understood(answer.read(text))?);
    }
    rows.retain(|row| query.is_wanted(&row.row, since_unix_ns, &context));
    let total = if query.is_plain(since_unix_ns) {
        total
    } else {
        rows.len()
    };
    let order = query.sort.order(rows.iter().map(|row| &row.row), &context);
    let limit = if query.limit == 0 {
        usize::MAX
    } else {
        query.limit
    };
    let order = &order[..order.len().min(limit)];
    if query.json {
        let texts: Vec<_> = order.iter().map(|place| rows[*place].text).collect();
        print(&json_lines(&texts)?)?;
    } else {
        let mut kept: Vec<Option<R>> = rows.into_iter().map(|row| Some(row.row)).collect();
        let rows: Vec<R> = order
            .iter()
            .filter_map(|place| kept[*place].take())
            .collect();
        query.print_table(&rows, &context, Grouping::Peer)?;
    }
    query.tell_rest(order.len(), total);
    Ok(())
}

impl<R: Row> ListQuery<'_, R> {
    fn print_table(&self, rows: &[R], context: &Context, by: Grouping) -> Result<(), Failure> {
        let chosen = match self.columns {
            Some(Choice(columns)) => {
                let columns = columns.iter().copied();
                let chosen = columns.map(|column| Chosen {
                    stays: true,
                    ..Chosen::new(column, by)
                });
                chosen.collect()
            }
            None => Chosen::of(by, |_| false),
        };
        print(&Table::of_rows(&chosen, rows, context).text(Capabilities::of_stdout()))
    }

    /// Whether the agent's own order and choice is what was asked for.
    fn is_plain(&self, since_unix_ns: Option<i128>) -> bool {
        self.filter.is_empty() && self.sort == Sort::default() && since_unix_ns.is_none()
    }

    fn since(&self) -> Result<Option<i128>, Failure> {
        self.since
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
    fn ask(&self, path: &str, is_all: bool) -> Result<Answer, Failure> {
        let socket = self.socket;
        let limit = if is_all { 0 } else { self.limit };
        let target = format!("{path}?limit={limit}");
        talk(socket, async {
            let answer = socket::open(socket, &target).await?;
            let total = answer.total();
            let sent = answer.text().await?;
            let mut context = Context {
                now_unix_ns: clock::unix_ns(),
                tcp_memory_limit_bytes: None,
            };
            if self.needs_share() {
                let host = socket::object::<Host>(socket, "/v1/host").await;
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
        read.map_err(|error| error.into_failure(self.socket))
    }

    fn needs_share(&self) -> bool {
        let is_shown = match self.columns {
            Some(Choice(columns)) => columns.iter().any(|column| column.key == SHARE),
            None => !self.json && R::column(SHARE).is_some(),
        };
        is_shown || self.filter.uses(SHARE) || self.sort.key() == SHARE
    }

    /// Says on stderr when there are more rows than were printed, or none at all.
    fn tell_rest(&self, shown: usize, total: usize) {
        let note = if self.limit != 0 && shown < total {
            format!("showing {shown} of {total}; --limit 0 shows all\n")
        } else if shown == 0 && !self.json {
            "nothing to show\n".to_owned()
        } else {
            return;
        };
        // What was asked for has been printed; a lost note is no failure.
        drop(io::stderr().lock().write_all(note.as_bytes()));
    }
}

/// The same for groups of peers.
fn print_groups(query: &ListQuery<'_, PeerRow>, by: Grouping) -> Result<(), Failure> {
    let since_unix_ns = query.since()?;
    let answer = query.ask(PeerRow::PATH, true)?;
    let context = answer.context;
    let mut peers = Vec::new();
    for text in query.understood(answer.rows())? {
        let sent: Sent<'_, PeerRow> = query.understood(answer.read(text))?;
        if query.is_wanted(&sent.row, since_unix_ns, &context) {
            peers.push(sent.row);
        }
    }
    let mut groups = group(peers, by);
    query.sort.apply(&mut groups, &context);
    let total = groups.len();
    if query.limit != 0 {
        groups.truncate(query.limit);
    }
    if query.json {
        print(&json_lines(&groups)?)?;
    } else {
        query.print_table(&groups, &context, by)?;
    }
    query.tell_rest(groups.len(), total);
    Ok(())
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
