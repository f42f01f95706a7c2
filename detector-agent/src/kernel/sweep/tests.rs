use super::*;

#[test]
fn namespaces_that_went_away_are_counted_passed_over_and_searched_for_anew() {
    let gone = namespace::tests::gone();
    // The number of the process that led to it was given to one in another namespace.
    let mut other = namespace::current().unwrap();
    other.inode += 1;
    let mut progress = Progress {
        namespaces_found: Some(Instant::now()),
        ..Progress::default()
    };
    let mut left = vec![gone.clone()].into_iter();
    assert_eq!(progress.enter_next(&mut left), None);
    assert_eq!(progress.namespaces_missed, 1);
    assert_eq!(progress.namespaces_found, None);
    let mut left = vec![gone, other].into_iter();
    assert_eq!(progress.enter_next(&mut left), None);
    assert_eq!(progress.namespaces_missed, 3);
}
