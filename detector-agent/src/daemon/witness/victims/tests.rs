use super::Hearing;
use crate::clock;
use crate::config::Config;
use crate::host::owner::{GroupKills, OwnGroup, VictimReader};
use crate::kernel::{Heard, Victim};
use crate::recording::now;
use crate::state::tests::state;
use crate::watched::Watched;
use detector_api::snapshot::IncidentKind;
use detector_core::time::{MonotonicTime, SECOND_NS};
use detector_recorder::Note;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const PID: u32 = 870;

/// A host with one control group, `web.service`.
fn host() -> TempDir {
    let host = tempfile::tempdir().unwrap();
    let at = |name: &str| host.path().join(name);
    fs::create_dir_all(at("self")).unwrap();
    fs::create_dir_all(at("groups/web.service")).unwrap();
    let mounts = format!(
        "41 31 0:38 / {} rw - cgroup2 cgroup2 rw\n",
        at("groups").display()
    );
    fs::write(at("self/mountinfo"), mounts).unwrap();
    count(host.path(), 4);
    host
}

/// What the kernel has counted of its kills: on the host, and in the outermost group.
fn count(host: &Path, kills: u64) {
    fs::write(host.join("vmstat"), format!("oom_kill {kills}\n")).unwrap();
    let events = format!("oom {kills}\noom_kill {kills}\n");
    fs::write(host.join("groups/memory.events"), events).unwrap();
}

fn hearing(host: &Path) -> Hearing {
    let (state, _pings) = state(&Config::default());
    state.recording.lock_status().is_awaited = true;
    Hearing {
        state,
        reader: VictimReader::open(host).unwrap(),
        sees_all: true,
    }
}

fn hearing_in_a_container(host: &Path) -> Hearing {
    let mut hearing = hearing(host);
    let state = Arc::get_mut(&mut hearing.state).unwrap();
    state.host.watched = Watched::Container {
        netns: None,
        cgroup: OwnGroup {
            in_proc: Some("/".to_owned()),
            in_sight: Some("/".to_owned()),
            in_log: None,
        },
    };
    state.host.kills_of_container = Some(GroupKills::open(host, Some("/")));
    hearing.sees_all = false;
    hearing
}

fn victim(host: &Path) -> Victim {
    let group = host.join("groups/web.service");
    Victim {
        pid: PID,
        control_group: Some(fs::metadata(group).unwrap().ino()),
        ..Victim::default()
    }
}

/// What was noted of kills since the last time.
fn notes(hearing: &Hearing) -> Vec<Note> {
    hearing.state.recording.take_notes().0
}

fn units(hearing: &Hearing) -> Vec<Option<String>> {
    let notes = notes(hearing).into_iter();
    notes.map(|note| note.kill.unwrap().unit).collect()
}

/// Whether a kill is part of an incident so many seconds from now: what stands is looked at each second.
fn has_incident_in(hearing: &Hearing, seconds: u64) -> bool {
    let soon = MonotonicTime::from_ns(clock::now().as_ns() + seconds * SECOND_NS);
    let mut engine = hearing.state.engine();
    engine.advance(soon, clock::wall());
    let open = engine.open_incident();
    open.is_some_and(|open| open.kinds.contains(&IncidentKind::OomKill))
}

#[test]
fn a_victim_that_is_gone_is_placed_by_its_group_and_a_record_that_is_none_is_counted() {
    let host = host();
    let web = Some("web.service".to_owned());
    let victim = victim(host.path());
    let mut first = hearing(host.path());
    first.take(Heard::Victim(victim.clone()));
    // Told first, and placed then: the same kill, once and again.
    let told = notes(&first);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].at, told[1].at);
    let units_told = told.iter().map(|note| note.kill.clone().unwrap().unit);
    assert_eq!(units_told.collect::<Vec<_>>(), [None, web.clone()]);
    assert!(has_incident_in(&first, 2));

    // The group is gone, too.
    let mut second = hearing(host.path());
    let nowhere = Victim {
        control_group: Some(1),
        ..victim.clone()
    };
    second.take(Heard::Victim(nowhere));
    assert_eq!(
        notes(&second)[0].kill.as_ref().unwrap().pid,
        Some(PID.into())
    );
    let nameless = Victim {
        pid: PID + 1,
        control_group: None,
        ..victim.clone()
    };
    second.take(Heard::Victim(nameless));
    assert_eq!(units(&second), [None]);

    // There is such a process in sight.
    let of_process = host.path().join(PID.to_string());
    fs::create_dir_all(&of_process).unwrap();
    fs::write(of_process.join("cgroup"), "0::/other.service\n").unwrap();
    fs::write(of_process.join("statm"), "9 9 9 9 0 9 0\n").unwrap();
    let mut third = hearing(host.path());
    third.take(Heard::Victim(victim.clone()));
    assert_eq!(units(&third), [Some("other.service".to_owned())]);
    // But from here the number is somebody else's.
    let mut fourth = hearing(host.path());
    fourth.sees_all = false;
    fourth.take(Heard::Victim(victim));
    assert_eq!(units(&fourth).last(), Some(&web));

    let refused = || fourth.state.engine().totals().records_refused;
    assert_eq!(refused(), 0);
    fourth.take(Heard::Refused);
    assert_eq!(fourth.state.engine().totals().records_refused, 1);
}

/// The kernel gives a process that is dying by itself its last memory, and marks it as a victim.
#[test]
fn what_the_kernel_has_not_counted_in_a_container_is_no_kill_there() {
    let host = host();
    let mut hearing = hearing_in_a_container(host.path());
    hearing.state.count_kills(now(), None);
    let victim = victim(host.path());
    hearing.take(Heard::Victim(victim.clone()));
    assert_eq!(
        (notes(&hearing), has_incident_in(&hearing, 2)),
        (vec![], false)
    );
    count(host.path(), 5);
    hearing.take(Heard::Victim(victim.clone()));
    assert_eq!(units(&hearing), [Some("web.service".to_owned())]);
    assert!(has_incident_in(&hearing, 4));

    // Where it does not count by group, the log tells, and the hook where that is not read.
    fs::remove_file(host.path().join("groups/memory.events")).unwrap();
    let mut hearing = hearing_in_a_container(host.path());
    hearing.take(Heard::Victim(victim.clone()));
    assert_eq!(
        (notes(&hearing), has_incident_in(&hearing, 6)),
        (vec![], false)
    );
    *hearing.state.log_failure() = Some("not permitted".to_owned());
    hearing.take(Heard::Victim(victim.clone()));
    assert_eq!(units(&hearing), [Some("web.service".to_owned())]);
    // And never one of somebody else.
    let nowhere = Victim {
        pid: PID + 1,
        control_group: Some(1),
        ..victim
    };
    hearing.take(Heard::Victim(nowhere));
    assert_eq!(notes(&hearing), []);
}

/// The count alone tells of a kill in a container, too.
#[test]
fn a_kill_in_a_container_is_witnessed_by_its_count() {
    let host = host();
    let hearing = hearing_in_a_container(host.path());
    hearing.state.count_kills(now(), Some(100));
    assert!(!has_incident_in(&hearing, 2));
    // Somebody else's.
    hearing.state.count_kills(now(), Some(101));
    assert!(!has_incident_in(&hearing, 4));
    count(host.path(), 5);
    hearing.state.count_kills(now(), Some(101));
    assert!(has_incident_in(&hearing, 6));
}
