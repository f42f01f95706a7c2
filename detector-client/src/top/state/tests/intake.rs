//! What refreshes bring, late, in vain and for long.

use super::{at_night, attacked, facts, now, numbered, page, press, refresh, started};
use crate::top::keys::{self, Key, Step};
use crate::top::state::{Link, Location, Snapshot};
use detector_api::row::PeerRow;

#[test]
fn a_paused_screen_stands_still() {
    let mut state = at_night(5);
    press(&mut state, Key::Char(' '));
    refresh(&mut state, 9, numbered(3), 3);
    assert_eq!(state.table.rows.len(), 5);
    assert!(press(&mut state, Key::Char(' ')).fetches);
    refresh(&mut state, 10, numbered(3), 3);
    assert_eq!(state.table.rows.len(), 3);
}

#[test]
fn a_lost_agent_is_remembered_from_the_first_failure() {
    let mut state = at_night(5);
    state.take(now(2), Err("gone".to_owned()));
    state.take(now(3), Err("still gone".to_owned()));
    let expected = Link::Lost {
        since: now(2),
        why: "still gone".to_owned(),
    };
    assert_eq!(state.link, expected);
    assert_eq!(state.table.rows.len(), 5, "what was seen stays");
    refresh(&mut state, 4, numbered(2), 2);
    assert_eq!(state.link, Link::Live);
}

#[test]
fn answers_about_another_peer_are_dropped() {
    let mut state = attacked();
    press(&mut state, Key::Enter);
    page(&mut state, 1);
    press(&mut state, Key::Esc);
    press(&mut state, Key::Down);
    press(&mut state, Key::Enter);
    let outdated = state.opened.page.clone();
    assert!(outdated.is_none());
    let gone = Snapshot {
        facts: facts(1),
        listing: None,
        page: Some(None),
    };
    state.take(now(200), Ok(gone));
    assert!(state.opened.is_gone);
    page(&mut state, 1);
    assert!(!state.opened.is_gone);
}

#[test]
fn only_the_last_ten_minutes_are_kept() {
    let mut state = started();
    for second in 0..700 {
        refresh(&mut state, second, Vec::new(), 0);
    }
    assert_eq!(state.history.stalled.iter().len(), 600);
    press(&mut state, Key::Enter);
    assert_eq!(state.location, Location::Table, "nothing to open");
    state.apply(keys::Command::Move(Step::Last));
    assert_eq!(state.table.cursor.index, 0);
    let _: &[PeerRow] = &state.table.rows;
}
