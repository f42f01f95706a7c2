use super::namespaces::{Namespaces, Queue, elsewhere};
use super::notes::Noted;
use super::{Progress, Round};
use crate::namespace::{self, Namespace};
use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

fn sample(inode: u32) -> Namespace {
    let mut namespace = namespace::current().unwrap();
    namespace.inode = inode;
    namespace
}

fn numbers(namespaces: impl Iterator<Item = Namespace>) -> Vec<u32> {
    namespaces.map(|namespace| namespace.inode).collect()
}

#[test]
fn namespaces_that_went_away_are_counted_passed_over_and_asked_for_again() {
    let gone = namespace::tests::gone();
    // The number of the process that led to it was given to one in another namespace.
    let mut other = namespace::current().unwrap();
    other.inode += 1;
    let mut again = BTreeSet::new();
    let numbers = [gone.inode, other.inode];
    let mut namespaces = Namespaces::sample(vec![gone, other], BTreeSet::new());
    let mut left = namespaces.among(true, &again, LONG);
    assert_eq!(namespaces.enter_next(&mut left, &mut again), None);
    assert_eq!(namespaces.missed, 2);
    assert_eq!(again, BTreeSet::from(numbers));
}

#[test]
fn one_of_others_that_went_away_calls_for_no_search() {
    for (elsewhere, is_outdated) in [(BTreeSet::from([1]), false), (BTreeSet::new(), true)] {
        let mut namespaces = Namespaces::sample(vec![sample(1)], elsewhere);
        let mut again = BTreeSet::new();
        let mut left = namespaces.among(true, &again, LONG);
        assert_eq!(namespaces.enter_next(&mut left, &mut again), None);
        assert_eq!(namespaces.missed, 1);
        assert_eq!(namespaces.is_outdated(), is_outdated);
        assert_eq!(again.contains(&1), is_outdated);
    }
}

#[test]
fn only_what_is_certainly_ours_is_swept_as_ours() {
    let known: Vec<_> = (1..=5).map(sample).collect();
    let found = elsewhere(&known, Some(5), |namespace| match namespace.inode {
        1 => Ok(true),
        2 => Ok(false),
        3 => Err(io::ErrorKind::NotFound.into()),
        _ => Err(io::ErrorKind::Other.into()),
    });
    assert_eq!(found, BTreeSet::from([2, 3, 4]));
}

#[test]
fn only_what_is_asked_for_is_passed_over_and_strangers_are_searched_for_once() {
    let own = namespace::current().unwrap().inode;
    let (asked, stranger) = (BTreeSet::from([own]), BTreeSet::from([own - 1]));
    let numbers = |namespaces: &Namespaces, all, asked: &BTreeSet<u32>| {
        numbers(namespaces.among(all, asked, LONG))
    };
    let mut namespaces = Namespaces::default();
    assert_eq!(namespaces.renew(false, &asked, true), BTreeSet::new());
    assert_eq!(numbers(&namespaces, true, &asked), [own]);
    assert_eq!(numbers(&namespaces, false, &asked), [own]);
    assert_eq!(numbers(&namespaces, false, &stranger), Vec::<u32>::new());
    // Not before there was another search.
    let again = namespaces.renew(false, &stranger, true);
    if !again.is_empty() {
        assert_eq!(again, stranger);
    }
    namespaces.forget_search();
    assert_eq!(namespaces.renew(false, &stranger, true), BTreeSet::new());
    assert_eq!(namespaces.renew(false, &stranger, true), BTreeSet::new());
}

#[test]
fn however_many_networks_somebody_lays_out_ours_come_first_and_his_in_turn() {
    let known = (1..=6).map(sample).collect();
    let mut namespaces = Namespaces::sample(known, BTreeSet::from([1, 2, 4, 5]));
    let asked = BTreeSet::from([2, 3, 5]);
    let all = |namespaces: &Namespaces| namespaces.among(true, &asked, LONG);
    assert_eq!(numbers(all(&namespaces)), [3, 6, 1, 2, 4, 5]);
    // With no time at all one of his is passed over.
    let mut round = |is_full, expected: &[u32], later: &[u32]| {
        let mut left: Queue = namespaces.among(is_full, &asked, Duration::ZERO);
        assert_eq!(numbers(&mut left), expected);
        assert!(namespaces.put_off(left).is_some());
        assert_eq!(namespaces.later(), later);
        // Those that had no time are known all the same.
        assert_eq!(namespaces.count(), 6);
    };
    round(true, &[3, 6, 1], &[2, 4, 5]);
    round(true, &[3, 6, 2], &[1, 4, 5]);
    round(false, &[3, 4], &[1, 2, 5]);
    round(false, &[3, 5], &[1, 2]);
    round(false, &[3, 1], &[2, 5]);
    round(true, &[3, 6, 2], &[1, 4, 5]);
    assert_eq!(namespaces.times_put_off, 16);
}

/// Or else whoever lays out thousands of networks made rounds over ours as rare as they may become, for good.
#[test]
fn what_is_put_off_calls_for_no_round_and_is_not_charged_to_ours() {
    let (nothing, second) = (BTreeSet::new(), Duration::from_secs(1));
    let mut progress = Progress {
        namespaces: Namespaces::sample((1..=3).map(sample).collect(), BTreeSet::from([1, 2])),
        ..Progress::default()
    };
    let noted = || Noted::These(BTreeSet::new());
    let (round, due) = progress.begin(noted());
    assert_eq!((round.is_full, round.is_called_for), (true, false));
    let mut left = progress.namespaces.among(true, &due, Duration::ZERO);
    assert_eq!(numbers(&mut left), [3, 1]);
    assert!(progress.namespaces.put_off(left).is_some());
    progress.full = Some((Instant::now(), Duration::ZERO));

    let (round, due) = progress.begin(noted());
    assert_eq!((round.is_full, round.is_called_for), (false, false));
    assert_eq!(due, nothing);
    // Not before its turn has come, which keeps none of ours waiting.
    progress.namespaces.rest_elsewhere(Instant::now() + LONG);
    let ours = BTreeSet::from([3]);
    let mut left = progress.namespaces.among(false, &ours, LONG);
    assert_eq!(numbers(&mut left), [3]);
    assert_eq!(progress.namespaces.put_off(left), None);
    progress.namespaces.rest_elsewhere(Instant::now());
    assert_eq!(numbers(progress.namespaces.among(false, &due, LONG)), [2]);

    let round = Round {
        is_called_for: true,
        cost: 5 * second,
        elsewhere: Some(3 * second),
        ..Round::default()
    };
    assert_eq!(round.charged(), 2 * second);
}
