use super::*;

#[test]
fn recursion_misses_are_read_where_the_kernel_tells_them() {
    let details = "pos:\t0\nrun_cnt:\t7\nrecursion_misses:\t3\n";
    assert_eq!(parse_recursion_misses(details), Some(3));
    assert_eq!(parse_recursion_misses("pos:\t0\n"), None);
}

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

fn round(held_up: u64, cost: Duration) -> Round {
    Round {
        held_up,
        namespaces: 1,
        cost,
    }
}

const OPTIONS: SweepOptions = SweepOptions {
    interval: Duration::from_secs(1),
    idle_share: 0.004,
    busy_share: 0.05,
    nice: 0,
};

#[test]
fn a_cheap_round_keeps_the_wanted_interval() {
    let cheap = round(0, Duration::from_millis(3));
    assert_eq!(governed_interval(&OPTIONS, cheap), OPTIONS.interval);
}

#[test]
fn a_costly_round_stretches_the_interval_within_bounds() {
    let second = Duration::from_secs(1);
    let cost = Duration::from_millis(20);
    let interval = |held_up, cost| governed_interval(&OPTIONS, round(held_up, cost));
    assert_eq!(interval(0, cost), Duration::from_secs(5));
    assert_eq!(interval(9, cost), second);
    assert_eq!(interval(9, second), LONGEST_INTERVAL);
}
