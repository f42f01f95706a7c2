use super::namespaces::Namespaces;
use crate::namespace;
use std::collections::BTreeSet;

#[test]
fn namespaces_that_went_away_are_counted_passed_over_and_asked_for_again() {
    let gone = namespace::tests::gone();
    // The number of the process that led to it was given to one in another namespace.
    let mut other = namespace::current().unwrap();
    other.inode += 1;
    let mut namespaces = Namespaces::default();
    let mut again = BTreeSet::new();
    let numbers = [gone.inode, other.inode];
    let mut left = vec![gone, other].into_iter();
    assert_eq!(namespaces.enter_next(&mut left, &mut again), None);
    assert_eq!(namespaces.missed, 2);
    assert_eq!(again, BTreeSet::from(numbers));
}

#[test]
fn only_what_is_asked_for_is_passed_over_and_strangers_are_searched_for_once() {
    let own = namespace::current().unwrap().inode;
    let (asked, stranger) = (BTreeSet::from([own]), BTreeSet::from([own - 1]));
    let numbers = |namespaces: &Namespaces, all, asked: &BTreeSet<u32>| -> Vec<u32> {
        let among = namespaces.among(all, asked).into_iter();
        among.map(|namespace| namespace.inode).collect()
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
