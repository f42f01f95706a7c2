use super::{
    FRESH_NS, RENEW_BEFORE_ACCUSING_NS, RENEW_NS, RETRY_NS, Sharing, Stake, is_shared_by_past,
};
use crate::observe::census::Census;
use crate::rules::QUIET_NS;
use crate::time::{MonotonicTime, SECOND_NS};

const START: MonotonicTime = MonotonicTime::from_ns(1_000 * SECOND_NS);

const fn census(connections: u64, well: u64, well_before: Option<u64>) -> Census {
    Census {
        connections,
        well,
        well_before,
        came: 0,
        went: 0,
        ended_well_meanwhile: 0,
        ended_well: 0,
        ended_early: 0,
        would_be_cut: None,
        read_on: 0,
        was_asked_everywhere: false,
        seen_well: 0,
        is_elsewhere: false,
    }
}

fn answer(sharing: &mut Sharing, census: Census, now: MonotonicTime) -> bool {
    sharing.observe(Some(census), now)
}

#[test]
fn others_are_well_at_two_pairs_of_looks() {
    let mut sharing = Sharing::default();
    assert!(!answer(&mut sharing, census(31, 7, None), START));
    assert!(sharing.is_due(24, Stake::Little, START) && sharing.census(START).is_none());
    assert!(answer(&mut sharing, census(31, 7, Some(1)), START));
    assert!(!sharing.has_others(START));
    assert!(answer(&mut sharing, census(31, 7, Some(2)), START));
    assert!(sharing.has_others(START) && !sharing.is_due(24, Stake::Little, START));
    let few = census(1_000, 12, Some(9));
    assert!(answer(&mut sharing, few, START) && answer(&mut sharing, few, START));
    assert!(!sharing.has_others(START));
}

#[test]
fn one_answer_without_others_is_doubted() {
    let mut sharing = Sharing::default();
    answer(&mut sharing, census(31, 7, Some(7)), START);
    let later = START.plus_ns(RENEW_NS);
    assert!(sharing.is_due(24, Stake::Little, later));
    answer(&mut sharing, census(31, 0, None), later);
    assert!(sharing.has_others(later) && !sharing.is_due(24, Stake::Little, later));
    let again = later.plus_ns(RETRY_NS);
    assert!(sharing.is_due(24, Stake::Little, again));
    answer(&mut sharing, census(31, 0, None), again);
    assert!(!sharing.has_others(again));
}

#[test]
fn those_that_stall_later_are_asked_for_again() {
    let mut sharing = Sharing::default();
    answer(&mut sharing, census(1_000, 60, Some(48)), START);
    let later = START.plus_ns(RETRY_NS);
    assert!(!sharing.is_due(952, Stake::Little, later));
    assert!(sharing.is_due(953, Stake::Little, later));
    assert!(!sharing.is_due(953, Stake::Little, START));
}

#[test]
fn those_that_ended_well_lately_are_others() {
    let mut sharing = Sharing::default();
    let ended = |ended_well: u64, ended_well_meanwhile: u64| Census {
        ended_well,
        ended_well_meanwhile,
        ..census(30, 0, None)
    };
    answer(&mut sharing, ended(5, 1), START);
    assert!(!sharing.has_others(START));
    let later = START.plus_ns(RENEW_NS);
    answer(&mut sharing, ended(6, 0), later);
    assert!(sharing.has_others(later));
    let mut now = later;
    for _ in 0..2 * QUIET_NS / RENEW_NS {
        now = now.plus_ns(RENEW_NS);
        answer(&mut sharing, ended(6, 0), now);
    }
    assert!(!sharing.has_others(now));
    // A span of the past is over.
    answer(&mut sharing, ended(0, 0), now);
    answer(&mut sharing, ended(2, 0), now);
    assert!(sharing.has_others(now));
}

#[test]
fn what_was_seen_well_is_a_past_as_what_ended_well_is() {
    let seen = |seen_well: u64, ended_well: u64| Census {
        seen_well,
        ended_well,
        ..census(24, 0, None)
    };
    for (seen_well, ended_well, holding, is_shared) in [
        (24, 0, 24, true),
        (10, 0, 20, true),
        (10, 0, 22, false),
        (9, 0, 9, false),
        // They may be the same.
        (9, 9, 9, false),
        (9, 10, 20, true),
    ] {
        let census = seen(seen_well, ended_well);
        assert_eq!(is_shared_by_past(&census, holding), is_shared, "{census:?}");
    }
}

#[test]
fn what_would_be_cut_is_due_until_it_was_asked_everywhere() {
    let mut sharing = Sharing::default();
    let reset = START.plus_ns(SECOND_NS);
    let everywhere = Census {
        was_asked_everywhere: true,
        ..census(30, 0, None)
    };
    answer(&mut sharing, everywhere, START);
    assert!(!sharing.is_cut_due(START) && sharing.is_cut_due(reset));
    // A look that had begun before the reset tells nothing of it.
    answer(&mut sharing, census(30, 0, None), reset);
    assert!(sharing.is_cut_due(reset));
    // Where there is no answer, or one that does not tell, it is asked again in due time.
    sharing.observe(None, reset);
    assert!(!sharing.is_cut_due(reset) && sharing.has_failed());
    assert!(!sharing.is_due(4, Stake::Accused(START), reset));
    let again = reset.plus_ns(RETRY_NS);
    assert!(sharing.is_due(4, Stake::Accused(again), again));
    answer(&mut sharing, everywhere, again);
    assert!(!sharing.is_cut_due(reset) && !sharing.has_failed());
}

#[test]
fn others_who_come_after_an_accusation_are_seen_within_its_first_minute() {
    let mut sharing = Sharing::default();
    answer(&mut sharing, census(30, 0, None), START);
    let mut asked = Vec::new();
    for second in 1..=240 {
        let now = START.plus_ns(second * SECOND_NS);
        if sharing.is_due(30, Stake::Accused(START), now) {
            asked.push(second);
            answer(&mut sharing, census(30, 0, None), now);
        }
    }
    assert_eq!(asked, [8, 16, 32, 64, 124, 184]);
    answer(&mut sharing, census(33, 3, Some(3)), START);
    let soon = START.plus_ns(RENEW_NS / 2);
    assert!(
        !sharing.is_due(30, Stake::Accused(START), soon),
        "others are known"
    );
}

#[test]
fn who_cannot_be_accused_alone_is_asked_for_less_often_while_nothing_changes() {
    let mut sharing = Sharing::default();
    let mut now = START;
    let mut asked_after = |sharing: &mut Sharing, stake: Stake, census: Census| {
        let before = now;
        while !sharing.is_due(4, stake, now) {
            now = now.plus_ns(SECOND_NS);
        }
        answer(sharing, census, now);
        now.since_ns(before) / SECOND_NS
    };
    let alone = census(4, 0, None);
    let mut after = |sharing: &mut Sharing, census| asked_after(sharing, Stake::Little, census);
    let waits: Vec<_> = (0..5).map(|_| after(&mut sharing, alone)).collect();
    assert_eq!(waits, [0, 60, 120, 240, 240]);
    // Others come, and go.
    assert_eq!(after(&mut sharing, census(9, 5, Some(5))), 240);
    assert_eq!(after(&mut sharing, alone), 60);
    assert_eq!(after(&mut sharing, alone), 5, "one answer is doubted");
    assert_eq!(after(&mut sharing, alone), 60);
    assert_eq!(after(&mut sharing, alone), 120);
    assert_eq!(asked_after(&mut sharing, Stake::Share, alone), 60);
    assert_eq!(asked_after(&mut sharing, Stake::Accusation, alone), 8);
}

#[test]
fn who_may_be_accused_is_asked_for_until_it_is() {
    let mut sharing = Sharing::default();
    assert!(!sharing.is_fresh(START));
    answer(&mut sharing, census(30, 0, None), START);
    let later = START.plus_ns(RENEW_BEFORE_ACCUSING_NS);
    assert!(
        !sharing.is_due(30, Stake::Little, later) && sharing.is_due(30, Stake::Accusation, later)
    );
    assert!(!sharing.is_due(30, Stake::Accusation, START) && sharing.is_fresh(later));
    assert!(!sharing.is_fresh(START.plus_ns(FRESH_NS)));
    answer(&mut sharing, census(33, 3, None), later);
    answer(&mut sharing, census(33, 3, Some(3)), later);
    let last = later.plus_ns(RENEW_BEFORE_ACCUSING_NS);
    assert!(
        !sharing.is_due(30, Stake::Accusation, last),
        "others are known"
    );
}
