use super::namespaces::{Namespaces, Queue};
use crate::namespace::{self, Namespace};
use std::collections::BTreeSet;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

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
    let sample = |inode| {
        let mut namespace = namespace::current().unwrap();
        namespace.inode = inode;
        namespace
    };
    let known = (1..=6).map(sample).collect();
    let mut namespaces = Namespaces::sample(known, BTreeSet::from([1, 2, 4, 5]));
    let asked = BTreeSet::from([2, 3, 5]);
    let all = |namespaces: &Namespaces| namespaces.among(true, &asked, LONG);
    assert_eq!(numbers(all(&namespaces)), [3, 6, 1, 2, 4, 5]);
    // With no time at all one of his is passed over.
    let mut round = |is_full, expected: &[u32], later: &[u32]| {
        let mut left: Queue = namespaces.among(is_full, &asked, Duration::ZERO);
        assert_eq!(numbers(&mut left), expected);
        let mut again = BTreeSet::new();
        namespaces.put_off(left, &mut again);
        assert_eq!(again, later.iter().copied().collect());
    };
    round(true, &[3, 6, 1], &[2, 4, 5]);
    round(true, &[3, 6, 2], &[1, 4, 5]);
    round(false, &[3, 5], &[2]);
    round(false, &[3, 2], &[5]);
    round(true, &[3, 6, 4], &[1, 2, 5]);
    round(true, &[3, 6, 5], &[1, 2, 4]);
    round(true, &[3, 6, 1], &[2, 4, 5]);
    assert_eq!(namespaces.times_put_off, 17);
}
