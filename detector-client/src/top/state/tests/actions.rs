//! What is done to peers: never without a question, never more than the question said.

use super::{attacked, page, press, started, type_text};
use crate::top::keys::Key;
use crate::top::state::{ActionRequest, ActionResult, Actions, Effects, Overlay, State};
use detector_api::actions::{BlockAnswer, ResetAnswer, ResetOutcome, ResetSocket};
use detector_api::snapshot::StallCause;

/// The agent's answer to what was asked for last.
pub(crate) fn rehearsed(state: &mut State, result: ActionResult) {
    let request = state
        .actions
        .request
        .take()
        .expect("something was asked for");
    state.take_result(&request, Ok(result));
}

pub(crate) fn reset_result(sockets: u16) -> ActionResult {
    let each = (0..sockets).map(|number| ResetSocket {
        local: "192.0.2.1:80".to_owned(),
        remote: format!("198.51.100.7:{}", 40_000 + number),
        netns: 4_026_531_840,
        state: "ESTABLISHED".to_owned(),
        stall: StallCause::ZeroWindow,
        stalled_seconds: 120.0 - f64::from(number),
        pinned_bytes: 4_220_292,
        processes: vec![detector_api::fixtures::process(
            812,
            "httpd",
            Some("httpd.service"),
        )],
        outcome: if number == 1 {
            ResetOutcome::Resumed
        } else {
            ResetOutcome::WouldReset
        },
        reason: None,
    });
    let reset = u64::from(sockets.saturating_sub(1));
    ActionResult::Reset(ResetAnswer {
        peer: "198.51.100.7".to_owned(),
        dry_run: true,
        stalled_for_seconds: 30.0,
        sockets: each.collect(),
        reset,
        freed_bytes: reset * 4_220_292,
        too_young: 2,
        not_looked_at: 0,
    })
}

pub(crate) fn block_result() -> ActionResult {
    ActionResult::Block(BlockAnswer {
        network: "198.51.100.7/32".to_owned(),
        dry_run: true,
        for_seconds: 600,
        until: "2026-12-29T21:15:00.000Z".to_owned(),
        was_blocked_until: None,
    })
}

fn allowed() -> State {
    State {
        actions: Actions {
            are_allowed: true,
            ..Actions::default()
        },
        ..attacked()
    }
}

fn reset_of(request: Option<&ActionRequest>) -> &detector_api::actions::ResetRequest {
    match request {
        Some(ActionRequest::Reset(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_leave_keys_only_say_how_to_get_it() {
    for key in ['x', 'b'] {
        let mut state = attacked();
        assert_eq!(press(&mut state, Key::Char(key)), Effects::default());
        assert_eq!(state.actions.request, None);
        assert!(state.note.unwrap().contains("--allow-actions"));
    }
}

#[test]
fn nothing_is_done_that_was_not_rehearsed_and_confirmed() {
    let mut state = allowed();
    assert!(press(&mut state, Key::Char('x')).acts);
    let asked = reset_of(state.actions.request.as_ref());
    assert!(asked.dry_run && asked.only.is_none());
    assert_eq!(asked.peer, "198.51.100.7");
    rehearsed(&mut state, reset_result(3));
    for typed in ["", "y", "Yes", "yes!"] {
        type_text(&mut state, typed);
        assert!(!press(&mut state, Key::Enter).acts, "{typed}");
        assert_eq!(state.actions.request, None);
        assert!(matches!(state.overlay, Overlay::Confirmation(_)));
    }
    type_text(&mut state, "yess");
    press(&mut state, Key::Backspace);
    assert!(press(&mut state, Key::Enter).acts);
    let done = reset_of(state.actions.request.as_ref());
    assert!(!done.dry_run);
    // Those that were shown as to be reset, and no others.
    let only = done.only.as_ref().unwrap();
    let remotes: Vec<_> = only.iter().map(|name| name.remote.as_str()).collect();
    assert_eq!(remotes, ["198.51.100.7:40000", "198.51.100.7:40002"]);
    let ActionResult::Reset(mut answer) = reset_result(3) else {
        return;
    };
    answer.dry_run = false;
    rehearsed(&mut state, ActionResult::Reset(answer));
    assert!(matches!(state.overlay, Overlay::None));
    let note = state.note.unwrap();
    assert!(note.starts_with("reset 2 stalled sockets"), "{note}");
}

#[test]
fn escape_and_whatever_comes_to_nothing_do_nothing() {
    let mut state = allowed();
    press(&mut state, Key::Char('b'));
    rehearsed(&mut state, block_result());
    assert_eq!(press(&mut state, Key::Esc), Effects::default());
    assert!(state.actions.request.is_none() && matches!(state.overlay, Overlay::None));
    press(&mut state, Key::Char('x'));
    rehearsed(&mut state, reset_result(0));
    assert!(matches!(state.overlay, Overlay::None));
    assert!(state.note.as_ref().unwrap().starts_with("nothing to reset"));
    press(&mut state, Key::Char('x'));
    let request = state.actions.request.take().unwrap();
    state.take_result(&request, Err("uid 7 may look, not act".to_owned()));
    assert_eq!(state.note.as_deref(), Some("uid 7 may look, not act"));
    assert!(matches!(state.overlay, Overlay::None));
}

#[test]
fn a_late_answer_asks_nothing_of_somebody_who_has_gone_on() {
    let mut state = allowed();
    press(&mut state, Key::Char('b'));
    let request = state.actions.request.take().unwrap();
    press(&mut state, Key::Char('?'));
    state.take_result(&request, Ok(block_result()));
    assert!(matches!(state.overlay, Overlay::Help(_)));
}

#[test]
fn actions_are_for_one_peer_or_one_connection() {
    let mut state = allowed();
    press(&mut state, Key::Tab);
    assert_eq!(press(&mut state, Key::Char('b')), Effects::default());
    assert!(state.note.as_ref().unwrap().contains("single peer"));
    press(&mut state, Key::BackTab);
    press(&mut state, Key::Enter);
    page(&mut state, 1);
    press(&mut state, Key::Char('x'));
    assert_eq!(reset_of(state.actions.request.as_ref()).only, None);
    press(&mut state, Key::Enter);
    press(&mut state, Key::Char('x'));
    let only = reset_of(state.actions.request.as_ref())
        .only
        .clone()
        .unwrap();
    assert_eq!(only.len(), 1);
    assert_eq!(only[0].remote, "198.51.100.7:40000");
    // Once it has gone its name still stands for itself, not for the whole peer.
    state
        .opened
        .page
        .as_mut()
        .unwrap()
        .detail
        .connections
        .clear();
    press(&mut state, Key::Char('x'));
    assert_eq!(reset_of(state.actions.request.as_ref()).only, Some(only));
    let mut nobody = State {
        actions: Actions {
            are_allowed: true,
            ..Actions::default()
        },
        ..started()
    };
    assert_eq!(press(&mut nobody, Key::Char('x')), Effects::default());
}

#[test]
fn nobody_blocks_where_they_are_logged_in_from() {
    let mut state = State {
        actions: Actions {
            session: vec!["198.51.100.7".parse().unwrap()],
            ..allowed().actions
        },
        ..allowed()
    };
    assert_eq!(press(&mut state, Key::Char('b')), Effects::default());
    assert_eq!(state.actions.request, None);
    assert!(state.note.as_ref().unwrap().contains("logged in from"));
    assert!(press(&mut state, Key::Char('x')).acts);
}
