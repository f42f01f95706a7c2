//! What is done to a peer: rehearsed first, shown, confirmed, done, reported.

use super::{Effects, Location, Overlay, State};
use crate::columns::Grouping;
use crate::top::keys::{Action, Edit};
use detector_api::actions::{
    BlockAnswer, BlockRequest, ResetAnswer, ResetOutcome, ResetRequest, STALLED_FOR_SECONDS,
    SocketName,
};
use detector_api::address::network_of;
use detector_api::text::{block_summary, reset_summary};
use std::net::IpAddr;

/// For how long a peer is blocked from here; `detector block` takes any time.
const BLOCK_SECONDS: u64 = 600;
/// What confirms.
const YES: &str = "yes";
/// More than anybody types by mistake before looking up.
const MAX_CHARACTERS: usize = 16;

/// What the agent is to be asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ActionRequest {
    /// Close stalled sockets.
    Reset(ResetRequest),
    /// Drop what a network sends.
    Block(BlockRequest),
}

/// What the agent says of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ActionResult {
    /// Of sockets.
    Reset(ResetAnswer),
    /// Of a network.
    Block(BlockAnswer),
}

/// An action that was rehearsed and waits to be confirmed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Confirmation {
    /// What is asked for on a yes: exactly what was shown.
    request: ActionRequest,
    /// What the agent says that it would do.
    pub(crate) rehearsal: ActionResult,
    /// What was typed so far.
    pub(crate) typed: String,
    /// Whether something else than yes was given.
    pub(crate) is_misread: bool,
}

impl ActionRequest {
    const fn is_rehearsal(&self) -> bool {
        match self {
            Self::Reset(request) => request.dry_run,
            Self::Block(request) => request.dry_run,
        }
    }
}

impl ActionResult {
    /// In one line.
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Reset(answer) => reset_summary(answer),
            Self::Block(answer) => block_summary(answer),
        }
    }

    /// What is asked for once this has been confirmed; `None` if it comes to nothing.
    fn confirmed(&self) -> Option<ActionRequest> {
        match self {
            Self::Reset(answer) => {
                let sockets = answer.sockets.iter();
                let only: Vec<SocketName> = sockets
                    .filter(|socket| socket.outcome == ResetOutcome::WouldReset)
                    .map(|socket| SocketName {
                        local: Some(socket.local.clone()),
                        remote: socket.remote.clone(),
                        netns: Some(socket.netns),
                    })
                    .collect();
                (!only.is_empty()).then(|| {
                    ActionRequest::Reset(ResetRequest {
                        peer: answer.peer.clone(),
                        stalled_for_seconds: answer.stalled_for_seconds,
                        only: Some(only),
                        dry_run: false,
                    })
                })
            }
            Self::Block(answer) => Some(ActionRequest::Block(BlockRequest {
                network: answer.network.clone(),
                for_seconds: answer.for_seconds,
                dry_run: false,
            })),
        }
    }
}

/// Whether the peer called `peer` is, or has, this address.
fn is_within(peer: &str, address: &IpAddr) -> bool {
    network_of(peer).is_some_and(|network| network.contains(address))
}

impl State {
    /// Begins with a rehearsal.
    pub(super) fn rehearse(&mut self, action: Action) -> Effects {
        if !self.actions.are_allowed {
            let note = "actions are off; start `detector top --allow-actions` to reset or block";
            self.note = Some(note.to_owned());
            return Effects::default();
        }
        if self.past.shown.is_some() {
            self.note = Some("nothing can be done in the past; p leads back".to_owned());
            return Effects::default();
        }
        let Some(peer) = self.peer_here() else {
            self.note = Some("actions are for a single peer: select or open one".to_owned());
            return Effects::default();
        };
        if action == Action::Block
            && let Some(own) = self
                .actions
                .session
                .iter()
                .find(|own| is_within(&peer, own))
        {
            self.note = Some(format!("cannot block {peer}: you are logged in from {own}"));
            return Effects::default();
        }
        self.actions.request = Some(match action {
            Action::Reset => ActionRequest::Reset(ResetRequest {
                peer,
                stalled_for_seconds: STALLED_FOR_SECONDS,
                only: self.connection_here().map(|name| vec![name]),
                dry_run: true,
            }),
            Action::Block => ActionRequest::Block(BlockRequest {
                network: peer,
                for_seconds: BLOCK_SECONDS,
                dry_run: true,
            }),
        });
        Effects {
            acts: true,
            ..Effects::default()
        }
    }

    /// The peer that is open, or under the cursor.
    fn peer_here(&self) -> Option<String> {
        if let Some(open) = self.location.peer() {
            return Some(open.to_owned());
        }
        let row = self.table.rows.get(self.table.cursor.index)?;
        (self.grouping() == Grouping::Peer).then(|| row.peer.peer.clone())
    }

    /// The connection that is open.
    fn connection_here(&self) -> Option<SocketName> {
        // By its name, whether it is still there or not: one that has gone stands for no other.
        match &self.location {
            Location::Connection(_, key) => Some(key.name()),
            Location::Table | Location::Peer(_) => None,
        }
    }

    /// Takes what came of a request, or why it came to nothing.
    pub(crate) fn take_result(
        &mut self,
        request: &ActionRequest,
        result: Result<ActionResult, String>,
    ) {
        let result = match result {
            Ok(result) => result,
            Err(why) => {
                self.note = Some(why);
                return;
            }
        };
        match result.confirmed().filter(|_| request.is_rehearsal()) {
            // Whoever has gone on to something else meanwhile does not want to be asked.
            Some(request) if matches!(self.overlay, Overlay::None) => {
                self.overlay = Overlay::Confirmation(Box::new(Confirmation {
                    request,
                    rehearsal: result,
                    typed: String::new(),
                    is_misread: false,
                }));
            }
            Some(_) => {}
            None => self.note = Some(result.summary()),
        }
    }

    /// Does what is confirmed, if it is.
    pub(super) fn confirm(&mut self) -> Effects {
        let Overlay::Confirmation(confirmation) = &mut self.overlay else {
            return Effects::default();
        };
        if confirmation.typed != YES {
            confirmation.is_misread = true;
            confirmation.typed.clear();
            return Effects::default();
        }
        self.actions.request = Some(confirmation.request.clone());
        self.overlay = Overlay::None;
        Effects {
            acts: true,
            ..Effects::default()
        }
    }
}

impl Confirmation {
    pub(super) fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Insert(character) if self.typed.chars().count() < MAX_CHARACTERS => {
                self.typed.push(character);
            }
            Edit::Backspace => {
                self.typed.pop();
            }
            Edit::Clear | Edit::DeleteWord => self.typed.clear(),
            _ => {}
        }
    }
}
