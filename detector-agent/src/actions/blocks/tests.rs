use super::{Asker, Block, BlockError, BlockOrder, Blocks, Fence, LINGERS};
use crate::actions::ruleset::Ruleset;
use std::time::{Duration, Instant};

const SPAN: Duration = Duration::from_secs(600);

#[test]
fn a_dry_run_changes_nothing_and_says_until_when() {
    let mut blocks = Blocks::default();
    let network = "203.0.113.0/24".parse().unwrap();
    let order = BlockOrder {
        network,
        span: SPAN,
        fence: Fence::Drop,
        asker: Asker::User(0),
        is_dry: true,
    };
    match blocks.block(order, &[]) {
        Ok(answer) => {
            assert!(answer.dry_run && answer.was_blocked_until.is_none());
            assert_eq!(answer.for_seconds, 600);
        }
        // What a dry run says where the real one would fail.
        Err(error) => assert!(
            matches!(
                error,
                BlockError::NoPrivilege | BlockError::NoSupport | BlockError::Taken
            ),
            "{error}"
        ),
    }
    assert_eq!(blocks.count(), 0);
    assert!(blocks.ruleset.is_none());
    let unblocked = blocks.unblock(network, false);
    assert!(matches!(unblocked, Err(BlockError::NotBlocked { .. })));
}

#[test]
fn what_has_expired_stays_known_for_a_moment_and_counts_for_nothing() {
    let network = "203.0.113.7/32".parse().unwrap();
    for (ago, is_known) in [(LINGERS / 2, true), (LINGERS, false)] {
        let mut blocks = Blocks::default();
        let block = Block {
            since_unix_ns: 0,
            until: Instant::now() - ago,
            until_unix_ns: 0,
            fence: Fence::Drop,
            asker: Asker::Guard,
        };
        blocks.entries.insert(network, block);
        assert!(blocks.list().is_empty() && blocks.count() == 0);
        assert!(!blocks.has_guarded() && blocks.lift_guard(|_| true).is_empty());
        let unblocked = blocks.unblock(network, false);
        assert!(matches!(unblocked, Err(BlockError::NotBlocked { .. })));
        assert_eq!(blocks.entries.contains_key(&network), is_known);
    }
}

/// In a thread of its own, which lacks them for good.
#[test]
fn without_privileges_the_guard_says_what_it_would_do_and_an_operator_what_is_missing() {
    let dry = |asker| BlockOrder {
        network: "203.0.113.7/32".parse().unwrap(),
        span: SPAN,
        fence: Fence::Limit,
        asker,
        is_dry: true,
    };
    std::thread::spawn(move || {
        crate::privilege::give_up_all();
        let mut blocks = Blocks::default();
        assert!(blocks.block(dry(Asker::Guard), &[]).unwrap().dry_run);
        let in_earnest = BlockOrder {
            is_dry: false,
            ..dry(Asker::Guard)
        };
        for order in [dry(Asker::User(0)), in_earnest] {
            let refused = blocks.block(order, &[]);
            assert!(
                matches!(refused, Err(BlockError::NoPrivilege)),
                "{refused:?}"
            );
        }
    })
    .join()
    .unwrap();
}

/// Somebody's table of that name is there already: whoever tried to make one would see it.
#[test]
fn a_dry_run_of_the_guard_makes_no_table() {
    let dry = |asker| BlockOrder {
        network: "203.0.113.7/32".parse().unwrap(),
        span: SPAN,
        fence: Fence::Drop,
        asker,
        is_dry: true,
    };
    let mut blocks = Blocks::default();
    let there = Ruleset::make();
    assert!(blocks.block(dry(Asker::Guard), &[]).unwrap().dry_run);
    if there.is_ok() {
        let tried = blocks.block(dry(Asker::User(0)), &[]);
        assert!(matches!(tried, Err(BlockError::Taken)), "{tried:?}");
    }
}

#[test]
fn loopback_is_among_the_hosts_own_addresses() {
    let own = super::own_addresses().unwrap();
    assert!(
        own.is_empty() || own.iter().any(|address| address.is_loopback()),
        "{own:?}"
    );
}
