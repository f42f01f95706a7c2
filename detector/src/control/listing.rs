//! Long arrays: the most costly first, at most as many as asked for, sent in pieces.
//!
//! A full table has tens of thousands of rows. The engine is held only for the ranking and for a
//! few rows at a time, and all of it happens on a thread beside the event loop. So rows may be some
//! milliseconds apart, and one that goes away meanwhile is left out.

use crate::http::{Content, Request, Response};
use crate::live::Live;
use bytes::Bytes;
use detector_core::engine::Engine;
use hyper::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::spawn_blocking;

/// Rows where the request does not say how many.
pub(crate) const DEFAULT_LIMIT: usize = 1_000;
/// Rows viewed before the engine is given back.
const ROWS_AT_A_TIME: usize = 128;
/// Bytes of a piece.
const PIECE_BYTES: usize = 64 << 10;
/// Listings on the way at the same time: each has a thread and the keys of its rows.
const LISTINGS: usize = 4;

/// A table that can be listed.
pub(super) struct Table<K, T> {
    /// Rows in it.
    pub(super) count: fn(&Engine) -> usize,
    /// Keys of the dearest rows, at most so many.
    pub(super) rank: fn(&Engine, usize) -> Vec<K>,
    /// Rows of these keys, as far as they are still there.
    pub(super) view: fn(&Engine, &[K]) -> Vec<T>,
}

/// Makes listings, a few at a time.
#[derive(Debug)]
pub(super) struct Listings {
    permits: Arc<Semaphore>,
}

impl Listings {
    pub(super) fn new() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(LISTINGS)),
        }
    }

    /// The listing a request asks for; `limit` is its only parameter, 0 means all.
    pub(super) async fn answer<K, T>(
        &self,
        live: &Arc<Live>,
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
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return Response::json_error(StatusCode::SERVICE_UNAVAILABLE, "stopping");
        };
        let ranking = Arc::clone(live);
        let ranked = spawn_blocking(move || {
            ranking.with_engine(|engine| ((table.count)(engine), (table.rank)(engine, limit)))
        });
        let Ok((count, keys)) = ranked.await else {
            return Response::json_error(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
        };
        let (sender, pieces) = mpsc::channel(1);
        let sending = Arc::clone(live);
        drop(spawn_blocking(move || {
            send(&sending, &keys, table.view, &sender, permit);
        }));
        Response {
            status: StatusCode::OK,
            content_type: "application/json",
            total_count: Some(count),
            content: Content::Pieces(pieces),
        }
    }
}

fn parse_limit(request: &Request) -> Option<usize> {
    match request.parameters.as_slice() {
        [] => Some(DEFAULT_LIMIT),
        [(name, value)] if name == "limit" => match value.parse().ok()? {
            0 => Some(usize::MAX),
            limit => Some(limit),
        },
        _ => None,
    }
}

/// Views, writes and sends until the end or until the reader is gone.
fn send<K, T: Serialize>(
    live: &Live,
    keys: &[K],
    view: fn(&Engine, &[K]) -> Vec<T>,
    reader: &mpsc::Sender<Bytes>,
    _permit: OwnedSemaphorePermit,
) {
    let mut piece = vec![b'['];
    let mut is_first = true;
    for keys in keys.chunks(ROWS_AT_A_TIME) {
        let rows = view(&live.engine(), keys);
        for row in rows {
            piece.extend_from_slice(if is_first { b"\n" } else { b",\n" });
            is_first = false;
            // Strings and numbers into memory: this cannot fail.
            drop(serde_json::to_writer(&mut piece, &row));
            if piece.len() >= PIECE_BYTES {
                let full = std::mem::take(&mut piece);
                if reader.blocking_send(full.into()).is_err() {
                    return;
                }
            }
        }
    }
    piece.extend_from_slice(b"\n]\n");
    // A reader that has gone needs no end.
    drop(reader.blocking_send(piece.into()));
}

#[cfg(test)]
mod tests;
