//! `detector peers`, `connections` and `incidents`: ask or read, choose, sort, print.

use super::place::{note_left_out, older};
use super::{AgentOrRecorder, talk};
use crate::clock;
use crate::columns::{Choice, Context, Grouping, Row, Sort, group};
use crate::filter::Filter;
use crate::output::{note, print};
use crate::socket::{self, ClientError, Text};
use crate::table::{Chosen, Table};
use crate::terminal::Capabilities;
use detector_api::failure::Failure;
use detector_api::host::Host;
use detector_api::row::PeerRow;
use detector_api::snapshot::{Connection, Incident, Peer};
use detector_api::time;
use detector_recorder::{Reader, RecorderError, Span};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::{self, Write};

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
    /// Where to look.
    pub place: AgentOrRecorder<'a>,
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

/// Prints incidents.
pub fn incidents(query: &ListQuery<'_, Incident>) -> Result<(), Failure> {
    print_rows(query)
}

/// A row that the agent sends.
trait Shaped: Row {
    /// Where the agent lists it.
    const PATH: &'static str;
    /// Whether it tells of what is over, so that it may come from a recorder unasked.
    const IS_OF_PAST: bool = false;

    /// Its JSON shape.
    type Shape: for<'de> Deserialize<'de> + Serialize + Into<Self>;

    /// Those of a recorder that there was something of in the span.
    fn recorded(reader: &Reader, span: Span) -> Result<Vec<Self::Shape>, RecorderError>;
}

impl Shaped for PeerRow {
    const PATH: &'static str = "/v1/peers";

    type Shape = Peer;

    fn recorded(reader: &Reader, span: Span) -> Result<Vec<Peer>, RecorderError> {
        let cards = reader.cards(span)?.into_iter();
        Ok(cards.map(|card| card.detail.peer).collect())
    }
}

impl Shaped for Connection {
    const PATH: &'static str = "/v1/connections";

    type Shape = Self;

    fn recorded(reader: &Reader, span: Span) -> Result<Vec<Self>, RecorderError> {
        let cards = reader.cards(span)?.into_iter();
        Ok(cards.flat_map(|card| card.detail.connections).collect())
    }
}

impl Shaped for Incident {
    const PATH: &'static str = "/v1/incidents";
    const IS_OF_PAST: bool = true;

    type Shape = Self;

    fn recorded(reader: &Reader, span: Span) -> Result<Vec<Self>, RecorderError> {
        reader.incidents(span)
    }
}

/// Asks the agent and prints its rows. What `--json` prints is what the agent sent, so that
/// fields this program does not know are kept.
fn print_rows<R: Shaped>(query: &ListQuery<'_, R>) -> Result<(), Failure> {
    let since_unix_ns = query.since()?;
    let answer = query.answer(since_unix_ns, !query.is_plain(since_unix_ns))?;
    // What a recorder gives is put in order and cut here.
    let is_recorded = answer.is_recorded;
    let is_plain = query.is_plain(since_unix_ns) && !is_recorded;
    let context = answer.context;
    let sent = query.understood(answer.rows())?;
    let total = answer.total.unwrap_or(sent.len());
    if query.json && is_plain {
        print(&answer.sent.text)?;
        query.note_rest(sent.len(), total);
        return Ok(());
    }
    let mut rows = Vec::with_capacity(sent.len());
    for text in &sent {
        rows.push(query.understood(answer.read(text))?);
    }
    rows.retain(|row| query.is_wanted(&row.row, since_unix_ns, &context));
    let total = if is_plain { total } else { rows.len() };
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
    query.note_rest(order.len(), total);
    query.note_older(order.len(), is_recorded);
    Ok(())
}

impl<R: Row> ListQuery<'_, R> {
    pub(super) fn print_table(
        &self,
        rows: &[R],
        context: &Context,
        by: Grouping,
    ) -> Result<(), Failure> {
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

    /// What was last known, if there is no agent to ask.
    fn answer(&self, since_unix_ns: Option<i128>, is_all: bool) -> Result<Answer, Failure>
    where
        R: Shaped,
    {
        // Rows of the present are not taken from the past unless somebody asks for the past.
        let is_of_past = R::IS_OF_PAST || since_unix_ns.is_some();
        if (is_of_past || self.place.state_dir.is_some())
            && let Some(reader) = self.place.recorder()?
        {
            return self.recorded(&reader, since_unix_ns);
        }
        self.ask(R::PATH, is_all)
    }

    fn recorded(&self, reader: &Reader, since_unix_ns: Option<i128>) -> Result<Answer, Failure>
    where
        R: Shaped,
    {
        let since_ms = since_unix_ns.and_then(|since| i64::try_from(since / 1_000_000).ok());
        let span = Span {
            from_ms: since_ms.unwrap_or(i64::MIN),
            ..Span::ALL
        };
        let text = json_lines(&R::recorded(reader, span)?)?;
        note_left_out(reader);
        Ok(Answer {
            total: None,
            sent: Text::own(text),
            context: Context {
                now_unix_ns: clock::unix_ns(),
                tcp_memory_limit_bytes: None,
            },
            is_recorded: true,
        })
    }

    /// The agent's list, all of it if we choose from it; and what its rows do not know.
    fn ask(&self, path: &str, is_all: bool) -> Result<Answer, Failure> {
        let socket = self.place.socket;
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
                is_recorded: false,
            })
        })
    }

    /// What was read, or the failure with its hint.
    fn understood<T>(&self, read: Result<T, ClientError>) -> Result<T, Failure> {
        read.map_err(|error| error.into_failure(self.place.socket))
    }

    fn needs_share(&self) -> bool {
        let is_shown = match self.columns {
            Some(Choice(columns)) => columns.iter().any(|column| column.key == SHARE),
            None => !self.json && R::column(SHARE).is_some(),
        };
        is_shown || self.filter.uses(SHARE) || self.sort.key() == SHARE
    }

    /// Says on stderr where there may be something from before the agent started, if it has nothing.
    fn note_older(&self, shown: usize, is_recorded: bool)
    where
        R: Shaped,
    {
        if shown == 0
            && !is_recorded
            && let Some(older) = self.older()
        {
            note(&older);
        }
    }

    fn older(&self) -> Option<String>
    where
        R: Shaped,
    {
        let since = self.since.filter(|_| !self.json)?;
        let command = R::PATH.trim_start_matches("/v1/");
        older(self.place.socket, command, since)
    }

    /// Says on stderr when there are more rows than were printed, or none at all.
    pub(super) fn note_rest(&self, shown: usize, total: usize) {
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
    let answer = query.answer(since_unix_ns, true)?;
    let (context, is_recorded) = (answer.context, answer.is_recorded);
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
    query.note_rest(groups.len(), total);
    query.note_older(groups.len(), is_recorded);
    Ok(())
}

/// A list of the agent.
struct Answer {
    total: Option<usize>,
    sent: Text,
    context: Context,
    /// Whether it comes from a recorder.
    is_recorded: bool,
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
pub(super) fn json_lines<T: Serialize>(items: &[T]) -> Result<String, Failure> {
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

#[cfg(test)]
mod tests;
