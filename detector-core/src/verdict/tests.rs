use super::{PeerEvidence, judge};
use crate::snapshot::Verdict;

fn verdict(evidence: &PeerEvidence) -> Option<Verdict> {
    judge(evidence).map(|(verdict, _)| verdict)
}

#[test]
fn each_kind_of_evidence_has_its_verdict() {
    let zero = |stalled| PeerEvidence {
        stalled_by_cause: [stalled, 0, 0, 0],
        ..PeerEvidence::default()
    };
    let hoard = PeerEvidence {
        is_hoarding: true,
        is_gripping: true,
        holding_connections: 30,
        ..zero(30)
    };
    assert_eq!(verdict(&PeerEvidence::default()), None);
    assert_eq!(verdict(&zero(1)), Some(Verdict::SlowClient));
    assert_eq!(verdict(&hoard), Some(Verdict::ZeroWindowAttack));
    let slow = PeerEvidence {
        stalled_by_cause: [3, 0, 27, 0],
        read_slowly_connections: 27,
        ..hoard
    };
    assert_eq!(verdict(&slow), Some(Verdict::SlowReadAttack));
    let silent = PeerEvidence {
        stalled_by_cause: [3, 0, 0, 27],
        ..hoard
    };
    assert_eq!(verdict(&silent), Some(Verdict::Vanished));
    let drains = PeerEvidence {
        is_gripping: false,
        holding_connections: 0,
        ..hoard
    };
    assert_eq!(verdict(&drains), Some(Verdict::SlowClient));
    let trusted = PeerEvidence {
        is_trusted: true,
        ..hoard
    };
    assert_eq!(verdict(&trusted), Some(Verdict::SlowClient));
}
