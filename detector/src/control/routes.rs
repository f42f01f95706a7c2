//! What the control socket answers.

use super::event_feed;
use super::event_filter::EventFilter;
use super::status::Status;
use crate::http::{Content, Handler, Request, Response};
use crate::live::Live;
use bytes::Bytes;
use detector_core::snapshot::{Connection, Event, Peer};
use hyper::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

/// Events shown with a peer.
const EVENTS_OF_A_PEER: usize = 100;
/// Bytes of a piece of a long array.
const PIECE_BYTES: usize = 64 << 10;
/// Long arrays on the way at the same time: each is a copy of a table.
const COPIES: usize = 4;

/// Answers what comes in by the control socket.
pub(crate) struct Control {
    live: Arc<Live>,
    copies: Arc<Semaphore>,
}

/// The object of `/v1/peers/{peer}`.
#[derive(Debug, Serialize)]
struct PeerPage {
    peer: Peer,
    connections: Vec<Connection>,
    events: Vec<Event>,
}

impl Control {
    /// Answers from `live`.
    pub(crate) fn new(live: Arc<Live>) -> Self {
        Self {
            live,
            copies: Arc::new(Semaphore::new(COPIES)),
        }
    }

    fn peer(&self, name: &str) -> Response {
        let found = self.live.with_engine(|engine| engine.peer(name));
        let Some((peer, connections)) = found else {
            return Response::json_error(StatusCode::NOT_FOUND, "no such peer is tracked");
        };
        let filter = EventFilter::of_peer(&peer.peer);
        let mut events: Vec<Event> = {
            let engine = self.live.engine();
            let wanted = engine.events_after(0).filter(|event| filter.wants(event));
            wanted.cloned().collect()
        };
        events.drain(..events.len().saturating_sub(EVENTS_OF_A_PEER));
        object(&PeerPage {
            peer,
            connections,
            events,
        })
    }

    fn events(&self, request: &Request) -> Response {
        let filter = match EventFilter::parse(&request.parameters) {
            Ok(filter) => filter,
            Err(message) => return Response::json_error(StatusCode::BAD_REQUEST, &message),
        };
        let follows = filter.follows;
        let pieces = event_feed::start(Arc::clone(&self.live), filter);
        Response {
            status: StatusCode::OK,
            content_type: "application/x-ndjson",
            content: if follows {
                Content::EndlessPieces(pieces)
            } else {
                Content::Pieces(pieces)
            },
        }
    }

    /// An array sent in pieces, so that its text is never in memory as a whole.
    async fn array<T, F>(&self, copy: F) -> Response
    where
        T: Serialize + Send + Sync + 'static,
        F: FnOnce(&Live) -> Vec<T>,
    {
        let Ok(permit) = Arc::clone(&self.copies).acquire_owned().await else {
            return Response::json_error(StatusCode::SERVICE_UNAVAILABLE, "stopping");
        };
        let items = copy(&self.live);
        let (sender, pieces) = mpsc::channel(1);
        tokio::spawn(async move {
            send_array(items, sender).await;
            drop(permit);
        });
        Response {
            status: StatusCode::OK,
            content_type: "application/json",
            content: Content::Pieces(pieces),
        }
    }
}

async fn send_array<T: Serialize>(items: Vec<T>, reader: mpsc::Sender<Bytes>) {
    let mut piece = vec![b'['];
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            piece.push(b',');
        }
        piece.push(b'\n');
        // Strings and numbers into memory: this cannot fail.
        drop(serde_json::to_writer(&mut piece, &item));
        if piece.len() >= PIECE_BYTES {
            let full = std::mem::take(&mut piece);
            if reader.send(full.into()).await.is_err() {
                return;
            }
        }
    }
    piece.extend_from_slice(b"\n]\n");
    // A reader that has gone needs no end.
    drop(reader.send(piece.into()).await);
}

fn object(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut text) => {
            text.push(b'\n');
            Response {
                status: StatusCode::OK,
                content_type: "application/json",
                content: Content::Whole(text.into()),
            }
        }
        Err(error) => Response::json_error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

impl Handler for Control {
    async fn handle(self: Arc<Self>, request: Request) -> Response {
        let is_plain = request.parameters.is_empty();
        match request.path.as_str() {
            "/v1/events" => self.events(&request),
            _ if !is_plain => {
                Response::json_error(StatusCode::BAD_REQUEST, "this path takes no parameters")
            }
            "/v1/peers" => {
                self.array(|live| live.with_engine(|engine| engine.peers()))
                    .await
            }
            "/v1/connections" => {
                self.array(|live| live.with_engine(|engine| engine.connections()))
                    .await
            }
            "/v1/status" => object(&Status::of(&self.live)),
            path => match path.strip_prefix("/v1/peers/") {
                Some(name) => self.peer(name),
                None => Response::json_error(StatusCode::NOT_FOUND, "no such path"),
            },
        }
    }
}

#[cfg(test)]
mod tests;
