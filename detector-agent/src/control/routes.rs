//! What the control socket answers.

use super::actions;
use super::beside::Beside;
use super::event_feed::{self, FOLLOWERS_MAX, Follower, Reader};
use super::event_filter::EventFilter;
use super::host::host;
use super::listing::{Listings, Table};
use super::slots::Slots;
use super::status::status;
use super::{AGENT_STARTED, AGENT_VERSION, VERSION};
use crate::http::{Content, Handler, Request, Response, Verb};
use crate::state::AgentState;
use detector_api::page::PeerPage;
use detector_api::snapshot::Event;
use detector_core::engine::Engine;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use std::sync::Arc;

/// Events shown with a peer.
const EVENTS_OF_A_PEER: usize = 100;
/// Looks at the host, or at what is blocked, at the same time.
const LOOKS: usize = 2;

/// Answers what comes in by the control socket.
pub(crate) struct Control {
    state: Arc<AgentState>,
    listings: Listings,
    followers: Slots,
    /// What reads files or waits for the kernel.
    looks: Beside,
}

impl Control {
    /// Answers from `state`.
    pub(crate) fn new(state: Arc<AgentState>) -> Self {
        let meter = &state.counters.served;
        Self {
            listings: Listings::new(meter),
            followers: Slots::new(FOLLOWERS_MAX),
            looks: Beside::new(LOOKS, meter),
            state,
        }
    }

    async fn host(&self) -> Response {
        let state = Arc::clone(&self.state);
        match self.looks.run(move || host(&state)).await {
            Some(host) => Response::json(&host),
            None => Response::json_error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "sampling the host failed",
            ),
        }
    }

    async fn blocked(&self) -> Response {
        let state = Arc::clone(&self.state);
        match self.looks.run(move || state.actions.blocked()).await {
            Some(blocked) => Response::json(&blocked),
            None => Response::json_error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "listing the blocks failed",
            ),
        }
    }

    fn incident(&self, id: &str) -> Response {
        match self.state.with_engine(|engine| engine.incident(id)) {
            Some(incident) => Response::json(&incident),
            None => Response::json_error(StatusCode::NOT_FOUND, "no such incident is kept"),
        }
    }

    fn events(&self, request: &Request) -> Response {
        let started = self.state.started_text();
        let goes_on_from =
            |agent: &str| agent == started || self.state.recording.goes_on_from(agent);
        let filter = match EventFilter::parse(&request.parameters, goes_on_from) {
            Ok(filter) => filter,
            Err(message) => return Response::json_error(StatusCode::BAD_REQUEST, &message),
        };
        let content = if filter.follows {
            let follower = Follower::new(&self.state, &self.followers, request.client);
            let Some(follower) = follower else {
                return Response::json_refusal(
                    StatusCode::SERVICE_UNAVAILABLE,
                    &format!(
                        "too many readers follow events: {FOLLOWERS_MAX} may, {} of one user",
                        self.followers.of_one()
                    ),
                    "stop one of them, or ask without following",
                );
            };
            let state = Arc::clone(&self.state);
            let reader = Reader::that_follows(follower);
            Content::EndlessPieces(event_feed::start(state, filter, reader))
        } else {
            let place = match self.listings.place(request.client) {
                Ok(place) => place,
                Err(refusal) => return refusal,
            };
            let state = Arc::clone(&self.state);
            Content::Pieces(event_feed::start(state, filter, Reader::once(place)))
        };
        Response::ok("application/x-ndjson", content)
    }
}

/// Everything about one peer. It may have all connections that there are.
fn peer(state: &AgentState, name: &str) -> Response {
    let found = state.with_engine(|engine| engine.peer(name));
    let Some(detail) = found else {
        return Response::json_error(StatusCode::NOT_FOUND, "no such peer is tracked");
    };
    let filter = EventFilter::of_peer(&detail.peer.peer);
    let mut events: Vec<Event> = {
        let engine = state.engine();
        let wanted = engine.events_after(0).filter(|event| filter.wants(event));
        wanted.cloned().collect()
    };
    events.drain(..events.len().saturating_sub(EVENTS_OF_A_PEER));
    Response::json(&PeerPage { detail, events })
}

impl Handler for Control {
    async fn handle(self: Arc<Self>, request: Request) -> Response {
        let started = self.state.started_text();
        let response = self.answer(request).await;
        let response = response.with_header(AGENT_VERSION, HeaderValue::from_static(VERSION));
        match HeaderValue::try_from(started) {
            Ok(started) => response.with_header(AGENT_STARTED, started),
            Err(_) => response,
        }
    }
}

impl Control {
    async fn answer(self: Arc<Self>, request: Request) -> Response {
        match request.verb {
            Verb::Get => self.show(request).await,
            Verb::Post => actions::answer(&self.state, &request).await,
        }
    }

    async fn show(self: Arc<Self>, request: Request) -> Response {
        let is_plain = request.parameters.is_empty();
        match request.path.as_str() {
            "/v1/events" => self.events(&request),
            "/v1/peers" => {
                let table = Table {
                    count: Engine::peers_tracked,
                    rank: Engine::rank_peers,
                    view: Engine::view_peers,
                };
                self.listings.answer(&self.state, &request, table).await
            }
            "/v1/connections" => {
                let table = Table {
                    count: Engine::connections_tracked,
                    rank: Engine::rank_connections,
                    view: Engine::view_connections,
                };
                self.listings.answer(&self.state, &request, table).await
            }
            "/v1/incidents" => {
                let table = Table {
                    count: Engine::incidents_kept,
                    rank: Engine::last_incidents,
                    view: Engine::view_incidents,
                };
                self.listings.answer(&self.state, &request, table).await
            }
            _ if !is_plain => {
                Response::json_error(StatusCode::BAD_REQUEST, "this path takes no parameters")
            }
            path if actions::is_action(path) => actions::post_only(),
            "/v1/blocked" => self.blocked().await,
            "/v1/status" => Response::json(&status(&self.state)),
            "/v1/host" => self.host().await,
            path => match path
                .strip_prefix("/v1/")
                .and_then(|path| path.split_once('/'))
            {
                Some(("peers", name)) => {
                    let (state, name) = (Arc::clone(&self.state), name.to_owned());
                    let page = move || peer(&state, &name);
                    self.listings.make(request.client, page).await
                }
                Some(("incidents", id)) => self.incident(id),
                _ => Response::json_error(StatusCode::NOT_FOUND, "no such path"),
            },
        }
    }
}

#[cfg(test)]
mod tests;
