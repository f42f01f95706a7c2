//! Long arrays: the most costly first, at most as many as asked for, sent in pieces.
//!
//! A full table has tens of thousands of rows. The engine is held only for the ranking and for a
//! few rows at a time, and all of it happens on threads beside the event loop, never while a reader
//! is waited for. So rows may be some time apart, and one that goes away meanwhile is left out.

use super::TOTAL_COUNT;
use super::beside::Beside;
use super::slots::{Slot, Slots};
use crate::http::{Client, Content, Meter, Request, Response};
use crate::state::AgentState;
use bytes::Bytes;
use detector_api::defaults::LIST_LIMIT;
use detector_core::engine::Engine;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Rows viewed before the engine is given back.
const ROWS_AT_A_TIME: usize = 128;
/// Bytes of a piece.
const PIECE_BYTES: usize = 64 << 10;
/// Listings at the same time, pages of peers and events that nobody follows among them. Further ones are refused
/// with 503.
const LISTINGS: usize = 16;
/// Of these, as many may have more rows than [`LIST_LIMIT`]: each keeps the keys of its rows until its reader
/// has them all, 48 bytes a connection, beside tables that may be full (`docs/scaling.md`).
const LONG_LISTINGS: usize = 6;
/// Listings that rank or view rows at the same time. None keeps this slot while a reader is
/// waited for, so a slow one holds up nobody.
const WORKERS: usize = 2;
/// Seconds after which one that was turned away may come again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// A table that can be listed.
pub(super) struct Table<K, T> {
    /// Rows in it.
    pub(super) count: fn(&Engine) -> usize,
    /// Keys of the most costly rows, at most this many.
    pub(super) rank: fn(&Engine, usize) -> Vec<K>,
    /// The rows of these keys that are still there.
    pub(super) view: fn(&Engine, &[K]) -> Vec<T>,
}

/// Makes listings, a few at a time.
#[derive(Debug)]
pub(super) struct Listings {
    slots: Slots,
    long: Slots,
    workers: Beside,
}

impl Listings {
    /// What they take is added to `meter`.
    pub(super) fn new(meter: &Arc<Meter>) -> Self {
        Self {
            slots: Slots::new(LISTINGS),
            long: Slots::new(LONG_LISTINGS),
            workers: Beside::new(WORKERS, meter),
        }
    }

    /// A place among them for something else that is as long; or what is answered where there is none.
    pub(super) fn place(&self, client: Option<Client>) -> Result<Slot, Response> {
        self.slots.take(client).ok_or_else(|| too_many("lists"))
    }

    /// Makes something else that is as long, in turn with them, and keeps its place until its reader has it.
    pub(super) async fn make(
        &self,
        client: Option<Client>,
        page: impl FnOnce() -> Response + Send + 'static,
    ) -> Response {
        let slot = match self.place(client) {
            Ok(slot) => slot,
            Err(refusal) => return refusal,
        };
        let Some(mut made) = self.workers.run(page).await else {
            return Response::json_error(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
        };
        if let Content::Whole(text) = &made.content {
            let (sender, pieces) = mpsc::channel(1);
            tokio::spawn(send_whole(text.clone(), slot, sender));
            made.content = Content::Pieces(pieces);
        }
        made
    }

    /// The listing a request asks for; `limit` is its only parameter, 0 means all.
    pub(super) async fn answer<K, T>(
        &self,
        state: &Arc<AgentState>,
        request: &Request,
        table: Table<K, T>,
    ) -> Response
    where
        K: Send + Sync + 'static,
        T: Serialize + Send + 'static,
    {
        let Some(limit) = parse_limit(request) else {
            let message = "the only parameter of this path is limit, a number; 0 for all";
            return Response::json_error(StatusCode::BAD_REQUEST, message);
        };
        let client = request.client;
        let slot = match self.place(client) {
            Ok(slot) => slot,
            Err(refusal) => return refusal,
        };
        let (ranking, long) = (Arc::clone(state), self.long.clone());
        let rank = move || {
            ranking.with_engine(|engine| {
                let count = (table.count)(engine);
                let is_long = limit.min(count) > LIST_LIMIT;
                let long_slot = if is_long {
                    Some(long.take(client)?)
                } else {
                    None
                };
                Some((count, (table.rank)(engine, limit), long_slot))
            })
        };
        let Some(ranked) = self.workers.run(rank).await else {
            return Response::json_error(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
        };
        let Some((count, mut keys, long_slot)) = ranked else {
            return too_many("long lists");
        };
        // Of a ranking of all.
        keys.shrink_to_fit();
        let (sender, pieces) = mpsc::channel(1);
        let listing = Listing {
            state: Arc::clone(state),
            keys: Arc::new(keys),
            view: table.view,
            workers: self.workers.clone(),
            _slots: (slot, long_slot),
        };
        let meter = Arc::clone(&state.counters.served);
        tokio::spawn(async move { meter.watch(listing.send(sender)).await });
        Response::ok("application/json", Content::Pieces(pieces))
            .with_header(TOTAL_COUNT, HeaderValue::from(count))
    }
}

/// Whoever had enough of them leaves room soon.
fn too_many(what: &str) -> Response {
    let message = format!("too many {what} are being read; try again");
    Response::json_error(StatusCode::SERVICE_UNAVAILABLE, &message)
        .with_header(header::RETRY_AFTER, RETRY_AFTER)
}

fn parse_limit(request: &Request) -> Option<usize> {
    match request.parameters.as_slice() {
        [] => Some(LIST_LIMIT),
        [(name, value)] if name == "limit" => match value.parse().ok()? {
            0 => Some(usize::MAX),
            limit => Some(limit),
        },
        _ => None,
    }
}

/// Sends a text in pieces, each when the reader has taken the one before.
async fn send_whole(text: Bytes, slot: Slot, reader: mpsc::Sender<Bytes>) {
    for piece in text.chunks(PIECE_BYTES) {
        // A copy: a part would keep the whole for as long as it is on its way.
        if reader.send(Bytes::copy_from_slice(piece)).await.is_err() {
            break;
        }
    }
    wait_until_taken(&reader).await;
    drop((text, slot));
}

/// Until the reader has taken all that was sent to it, or is gone.
pub(super) async fn wait_until_taken(reader: &mpsc::Sender<Bytes>) {
    drop(reader.reserve_many(reader.max_capacity()).await);
}

/// A listing on its way to a reader.
struct Listing<K, T> {
    state: Arc<AgentState>,
    keys: Arc<Vec<K>>,
    view: fn(&Engine, &[K]) -> Vec<T>,
    workers: Beside,
    _slots: (Slot, Option<Slot>),
}

impl<K, T> Listing<K, T>
where
    K: Send + Sync + 'static,
    T: Serialize + Send + 'static,
{
    /// Makes and sends pieces, each when the reader has taken the one before, until the end or
    /// until the reader is gone.
    async fn send(self, reader: mpsc::Sender<Bytes>) {
        let mut next = 0;
        let mut is_first = true;
        let mut is_end = false;
        while !is_end {
            let Ok(room) = reader.reserve().await else {
                return;
            };
            let (state, keys, view) = (Arc::clone(&self.state), Arc::clone(&self.keys), self.view);
            let make = move || piece(&state, &keys, view, next, is_first);
            let Some(made) = self.workers.run(make).await else {
                return;
            };
            (next, is_first, is_end) = (made.next, made.is_first, made.is_end);
            room.send(made.text.into());
        }
    }
}

/// A piece of the array.
struct Piece {
    text: Vec<u8>,
    /// Key at which the next piece begins.
    next: usize,
    /// Whether no row has been written yet.
    is_first: bool,
    is_end: bool,
}

fn piece<K, T: Serialize>(
    state: &AgentState,
    keys: &[K],
    view: fn(&Engine, &[K]) -> Vec<T>,
    mut next: usize,
    mut is_first: bool,
) -> Piece {
    let mut text = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 4);
    if next == 0 {
        text.push(b'[');
    }
    while next < keys.len() && text.len() < PIECE_BYTES {
        let end = keys.len().min(next + ROWS_AT_A_TIME);
        let rows = view(&state.engine(), &keys[next..end]);
        next = end;
        for row in rows {
            text.extend_from_slice(if is_first { b"\n" } else { b",\n" });
            is_first = false;
            // Strings and numbers into memory: this cannot fail.
            drop(serde_json::to_writer(&mut text, &row));
        }
    }
    let is_end = next >= keys.len();
    if is_end {
        text.extend_from_slice(b"\n]\n");
    }
    Piece {
        text,
        next,
        is_first,
        is_end,
    }
}

#[cfg(test)]
mod tests;
