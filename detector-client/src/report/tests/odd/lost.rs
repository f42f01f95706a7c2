//! What is told of records that were lost.

use super::told;
use crate::report::tests::story::{Host, at};
use detector_recorder::{Batch, HostSecond};

#[test]
fn what_was_lost_is_counted_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let lost = |host: &mut Host<'_>, clock: &str, records_lost: i64| {
        let second = HostSecond {
            records_lost: Some(records_lost),
            ..HostSecond::default()
        };
        let batch = Batch {
            at: host.moment(at(clock)),
            host: Some(second),
            ..Batch::default()
        };
        host.recorder.record(&batch).unwrap();
    };
    let (booted, began) = (at("00:00:00"), at("21:00:00"));
    let mut host = Host::start(folder.path(), "web1", "boot", booted, began);
    for (clock, count) in [("21:00:01", 0), ("21:10:00", 200), ("21:11:00", 230)] {
        lost(&mut host, clock, count);
    }
    let mut host = host.again("boot", booted, at("21:12:00"));
    lost(&mut host, "21:12:01", 100);
    drop(host);
    let told = told(folder);
    let unseen = told.unseen.join(" ");
    assert!(unseen.contains("lost 330 records"), "{unseen}");
}
