use super::{Asker, Block, BlockError, BlockOrder, Blocks, Fence, LINGERS};
use crate::actions::Actions;
use crate::actions::ruleset::Ruleset;
use crate::lock::lock;
use crate::log::tests::logged;
use crate::log::{LogFormat, LogLevel};
use rustix::io::Errno;
use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const SPAN: Duration = Duration::from_secs(600);

/// There is one table, and one test at a time that makes it.
static TABLE: Mutex<()> = Mutex::new(());

#[test]
fn a_dry_run_changes_nothing_and_says_until_when() {
    let _made = lock(&TABLE);
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

/// A script that asks wrongly over and over cannot fill the log.
#[test]
fn what_is_wrong_is_answered_and_not_logged_and_what_is_refused_is() {
    let actions = Actions::default();
    for (network, span, is_logged) in [
        ("203.0.113.7/32", Duration::ZERO, false),
        ("203.0.0.0/7", SPAN, false),
        ("127.0.0.1/32", SPAN, true),
    ] {
        for is_dry in [false, true] {
            let order = BlockOrder {
                network: network.parse().unwrap(),
                span,
                fence: Fence::Drop,
                asker: Asker::User(0),
                is_dry,
            };
            let log = logged(LogFormat::Text, LogLevel::Info, || {
                assert!(actions.block(order).is_err(), "{network}");
            });
            assert_eq!(!log.is_empty(), is_logged, "{network}: {log}");
        }
    }
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
    let _made = lock(&TABLE);
    let mut blocks = Blocks::default();
    let there = Ruleset::make();
    assert!(blocks.block(dry(Asker::Guard), &[]).unwrap().dry_run);
    if there.is_ok() {
        let tried = blocks.block(dry(Asker::User(0)), &[]);
        assert!(matches!(tried, Err(BlockError::Taken)), "{tried:?}");
    }
}

/// In an attack from a network the guard has limited some of it.
#[test]
fn what_the_guard_has_made_gives_way_to_an_operator_and_not_the_other_way_round() {
    let _made = lock(&TABLE);
    let mut blocks = Blocks::default();
    let mut block = |network: &str, fence, asker| {
        let order = BlockOrder {
            network: network.parse().unwrap(),
            span: SPAN,
            fence,
            asker,
            is_dry: false,
        };
        let answer = blocks.block(order, &[]);
        let listed = blocks.list().into_iter();
        let listed: Vec<_> = listed
            .map(|each| (each.network, each.guard, each.limit))
            .collect();
        (answer, listed)
    };
    let operator = Asker::User(0);
    for narrow in ["203.0.113.7/32", "203.0.113.8/32"] {
        let limited = block(narrow, Fence::Limit, Asker::Guard).0;
        if let Err(BlockError::NoPrivilege | BlockError::NoSupport | BlockError::Taken) = limited {
            return;
        }
        limited.unwrap();
    }
    let of = |network: &str, guard, limit| vec![(network.to_owned(), guard, limit)];
    let wide = "203.0.113.0/24";
    let (blocked, listed) = block(wide, Fence::Drop, operator);
    blocked.unwrap();
    assert_eq!(listed, of(wide, false, false));
    for (network, asker) in [
        (wide, Asker::Guard),
        ("203.0.113.7/32", Asker::Guard),
        ("203.0.113.7/32", operator),
    ] {
        let (refused, listed) = block(network, Fence::Drop, asker);
        assert!(
            matches!(refused, Err(BlockError::Overlaps { .. })),
            "{refused:?}"
        );
        assert_eq!(listed, of(wide, false, false));
    }
    blocks.unblock(wide.parse().unwrap(), false).unwrap();
    let mut block = |network: &str, asker| {
        let order = BlockOrder {
            network: network.parse().unwrap(),
            span: SPAN,
            fence: Fence::Drop,
            asker,
            is_dry: false,
        };
        blocks.block(order, &[]).unwrap();
    };
    // And the other way round: an address in what it has limited.
    block("2001:db8:1:2::/64", Asker::Guard);
    block("2001:db8:1:2::7/128", operator);
    let listed: Vec<_> = blocks.list().into_iter().map(|each| each.network).collect();
    assert_eq!(listed, ["2001:db8:1:2::7/128"]);
}

#[test]
fn loopback_is_among_the_hosts_own_addresses() {
    let own = super::own_addresses().unwrap();
    assert!(
        own.is_empty() || own.iter().any(|address| address.is_loopback()),
        "{own:?}"
    );
}

/// After some failures nobody knows what is in the kernel.
#[test]
fn what_the_guard_loses_by_a_failure_is_told_once() {
    let mut blocks = Blocks::default();
    for (network, asker) in [
        ("203.0.113.7/32", Asker::Guard),
        ("198.51.100.7/32", Asker::User(0)),
    ] {
        let block = Block {
            since_unix_ns: 0,
            until: Instant::now() + SPAN,
            until_unix_ns: 0,
            fence: Fence::Limit,
            asker,
        };
        blocks.entries.insert(network.parse().unwrap(), block);
    }
    blocks.failed("cannot block", Errno::NFILE.into());
    assert_eq!((blocks.count(), blocks.take_lost()), (2, Vec::new()));
    blocks.failed("cannot block", io::Error::other("the answer is cut short"));
    assert_eq!(blocks.count(), 0);
    let lost = ["203.0.113.7/32".parse().unwrap()];
    assert_eq!(blocks.take_lost(), lost);
    assert!(blocks.take_lost().is_empty());
}
