//! What was done to a peer, and what was only decided.

use super::{GuardAct, GuardSuspect, SETTINGS, acts, at, decide, peer, suspect};
use crate::guard::Guard;
use std::collections::HashMap;

/// The kernel's set was full, or the step was called off before it was taken.
#[test]
fn a_limit_that_was_not_made_is_no_step_towards_a_block() {
    let mut guard = Guard::default();
    decide(&mut guard, 100, vec![suspect(1, true, 0..30, 90)]);
    let back = |ports: std::ops::Range<u16>, since| vec![suspect(1, true, ports, since)];
    let limit = [(GuardAct::Limit, 0), (GuardAct::Reset, 5)];
    for (number, second) in [110, 200].into_iter().enumerate() {
        let first = 100 + 100 * u16::try_from(number).unwrap();
        let suspects = back(first..first + 5, second - 3);
        let steps = guard.decide(at(second), &SETTINGS, suspects, |_| false);
        assert_eq!(acts(&steps), limit, "at {second}");
    }
}

/// It was called off, or there was nothing left to be reset.
#[test]
fn after_a_reset_that_was_not_made_nobody_comes_back() {
    let mut guard = Guard::default();
    let decided = |guard: &mut Guard, ports, second: u64| {
        let suspects = vec![suspect(1, true, ports, second - 3)];
        guard.decide(at(second), &SETTINGS, suspects, |_| false)
    };
    let first = decided(&mut guard, 0..30, 100);
    assert_eq!(acts(&first), [(GuardAct::Reset, 30)]);
    assert!(guard.may_fence_off(at(101)).is_empty());
    let second = decided(&mut guard, 100..110, 110);
    assert_eq!(acts(&second), [(GuardAct::Reset, 10)]);
    guard.note_made(&second[0], at(112));
    assert_eq!(
        guard.may_fence_off(at(113)),
        HashMap::from([(peer(1), at(112))])
    );
}

#[test]
fn who_was_let_through_again_is_limited_before_it_is_blocked() {
    for is_lifted in [false, true] {
        let mut guard = Guard::default();
        decide(&mut guard, 100, vec![suspect(1, true, 0..30, 90)]);
        decide(&mut guard, 110, vec![suspect(1, true, 100..105, 107)]);
        guard.note_lifted(|each| is_lifted && *each == peer(1));
        let steps = decide(&mut guard, 120, vec![suspect(1, true, 200..205, 115)]);
        let act = if is_lifted {
            GuardAct::Limit
        } else {
            GuardAct::Block
        };
        assert_eq!(acts(&steps), [(act, 0), (GuardAct::Reset, 5)]);
    }
}

/// What came back was reset, or could not be, before it was known what a limit would cut.
#[test]
fn what_was_to_be_reset_counts_as_a_return_once_it_is_known_what_a_limit_would_cut() {
    let mut guard = Guard::default();
    assert!(guard.may_fence_off(at(100)).is_empty());
    decide(&mut guard, 100, vec![suspect(1, true, 0..30, 90)]);
    decide(&mut guard, 100, vec![suspect(2, false, 0..30, 60)]);
    assert_eq!(
        guard.may_fence_off(at(101)),
        HashMap::from([(peer(1), at(100))])
    );
    let back = |well| GuardSuspect {
        well,
        ..suspect(1, true, 100..110, 105)
    };
    let steps = decide(&mut guard, 110, vec![back(None)]);
    assert_eq!(acts(&steps), [(GuardAct::Reset, 10)]);
    assert!(decide(&mut guard, 111, vec![back(None)]).is_empty());
    let steps = decide(&mut guard, 112, vec![back(Some(0))]);
    assert_eq!(acts(&steps), [(GuardAct::Limit, 0)]);
    assert!(
        decide(&mut guard, 113, vec![back(Some(0))]).is_empty(),
        "the same again"
    );
    assert_eq!(
        guard.may_fence_off(at(113)),
        HashMap::from([(peer(1), at(112))])
    );
    assert!(guard.may_fence_off(at(112 + 900)).is_empty());
}
