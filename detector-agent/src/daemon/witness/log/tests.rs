use super::Reading;
use crate::config::Config;
use crate::host::owner::{GroupKills, OwnGroup};
use crate::recording::now;
use crate::state::tests::state;
use crate::watched::Watched;
use detector_api::recorded::OomKill;
use detector_recorder::NoteKind;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// A container whose control groups are mounted here, and the name of its own in the log, if it is known.
fn in_a_container(proc: &Path, in_log: Option<&str>) -> Reading {
    let (mut state, _pings) = state(&Config::default());
    let host = &mut Arc::get_mut(&mut state).unwrap().host;
    host.watched = Watched::Container {
        netns: None,
        cgroup: OwnGroup {
            in_proc: Some("/".to_owned()),
            in_sight: Some("/".to_owned()),
            in_log: in_log.map(str::to_owned),
        },
    };
    host.kills_of_container = Some(GroupKills::open(proc, Some("/")));
    state.recording.lock_status().is_awaited = true;
    Reading::new(state, proc.to_owned())
}

/// A host, and what its kernel has counted of its kills.
fn on_a_host(proc: &Path, kills: u64) -> Reading {
    count(proc, kills);
    let (state, _pings) = state(&Config::default());
    state.recording.lock_status().is_awaited = true;
    Reading::new(state, proc.to_owned())
}

fn count(proc: &Path, kills: u64) {
    fs::write(proc.join("vmstat"), format!("oom_kill {kills}\n")).unwrap();
}

/// The pids of those whose kills were noted, of one that the log tells of in this group.
fn noted(reading: &mut Reading, pid: u32, group: &str) -> Vec<Option<u64>> {
    for line in lines(pid, group) {
        reading.take(&line);
    }
    reading.conclude();
    pids(reading)
}

fn lines(pid: u32, group: &str) -> [String; 2] {
    [
        format!(
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,\
             oom_memcg={group},task_memcg={group},task=httpd,pid={pid},uid=0"
        ),
        format!(
            "Memory cgroup out of memory: Killed process {pid} (httpd) total-vm:912340kB, \
             anon-rss:701220kB, file-rss:1024kB, shmem-rss:2048kB"
        ),
    ]
}

fn pids(reading: &Reading) -> Vec<Option<u64>> {
    let notes = reading.state.recording.take_notes().0.into_iter();
    notes.map(|note| note.kill.unwrap().pid).collect()
}

/// What a user has the kernel write who calls a file of his like a report.
const FORGED: [&str; 3] = [
    "x[4711]: segfault at 0 ip 0000000000401106 sp 00007ffd5d7e0c50 error 6 in <br>oom-kill:constraint=\
     CONSTRAINT_MEMCG,oom_memcg=&#47;system.slice&#47;web.service,task_memcg=&#47;system.slice&#47;web.service,\
     task=n,pid=870,uid=33<br>Killed process 870 (nginx) total-vm:3kB, anon-rss:1kB.[401000+1000]",
    "oom-kill:[4712]: segfault at 0 ip 0000000000401106 sp 00007ffd5d7e0c50 error 6 in ,task=n,pid=870,uid=33",
    "Out of memory[4713]: segfault at 0 ip 0000000000401106 sp 00007ffd5d7e0c50 error 6 in no killable process\
     [401000+1000]",
];

#[test]
fn what_users_call_their_programs_and_files_is_no_kill() {
    let proc = tempfile::tempdir().unwrap();
    let mut reading = on_a_host(proc.path(), 4);
    // Whatever the kernel has counted meanwhile.
    for kills in [4, 5] {
        count(proc.path(), kills);
        for text in FORGED {
            reading.take(text);
        }
        assert!(reading.gathering.is_none());
        reading.conclude();
        let (notes, _) = reading.state.recording.take_notes();
        assert!(notes.iter().all(|note| note.kind == NoteKind::Kernel));
        assert!(
            reading
                .state
                .with_engine(|engine| engine.incidents().is_empty())
        );
    }
    // Nor is a report over with it.
    let [record, victim] = lines(871, "/system.slice/web.service");
    reading.take("httpd invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0");
    reading.take("memory: usage 262144kB, limit 262144kB, failcnt 12");
    for text in [&*record, &victim] {
        FORGED.iter().for_each(|text| reading.take(text));
        reading.take(text);
    }
    drop(reading.state.recording.take_notes());
    reading.conclude();
    let (notes, _) = reading.state.recording.take_notes();
    let kill = notes.into_iter().find_map(|note| note.kill).unwrap();
    assert_eq!(kill.pid, Some(871));
    assert_eq!(kill.unit.as_deref(), Some("web.service"));
    assert_eq!(kill.limit_bytes, Some(262_144 << 10));
}

#[test]
fn a_kill_that_the_kernel_has_not_counted_and_no_hook_has_told_is_none_on_a_host() {
    let proc = tempfile::tempdir().unwrap();
    let mut reading = on_a_host(proc.path(), 4);
    assert_eq!(noted(&mut reading, 870, "/system.slice/web.service"), []);
    // Not even for as long as its report is read.
    reading.take(&lines(870, "/system.slice/web.service")[1]);
    assert!(
        reading
            .state
            .with_engine(|engine| engine.incidents().is_empty())
    );
    reading.conclude();
    count(proc.path(), 5);
    assert_eq!(
        noted(&mut reading, 871, "/system.slice/web.service"),
        [Some(871)]
    );
    assert_eq!(noted(&mut reading, 872, "/system.slice/web.service"), []);
    // The hook's word is enough.
    let by_hook = OomKill {
        pid: Some(873),
        by_hook: true,
        ..OomKill::default()
    };
    reading.state.hear_of_kill(now(), by_hook.clone());
    assert_eq!(
        noted(&mut reading, 873, "/system.slice/web.service"),
        [Some(873)]
    );
    // Also where nothing is counted.
    fs::remove_file(proc.path().join("vmstat")).unwrap();
    let (state, _pings) = state(&Config::default());
    state.recording.lock_status().is_awaited = true;
    let mut reading = Reading::new(state, proc.path().to_owned());
    assert_eq!(noted(&mut reading, 872, "/system.slice/web.service"), []);
    reading.state.hear_of_kill(now(), by_hook);
    assert_eq!(
        noted(&mut reading, 873, "/system.slice/web.service"),
        [Some(873)]
    );
}

/// In a control-group namespace of its own every path of the log is below `/`.
#[test]
fn a_kill_of_somebody_else_that_the_log_names_is_none_of_a_container() {
    let proc = tempfile::tempdir().unwrap();
    let groups = proc.path().join("groups");
    fs::create_dir_all(&groups).unwrap();
    fs::create_dir_all(proc.path().join("self")).unwrap();
    let mounts = format!(
        "41 31 0:38 / {} rw - cgroup2 cgroup2 rw\n",
        groups.display()
    );
    fs::write(proc.path().join("self/mountinfo"), mounts).unwrap();
    let count = |kills: u64| {
        let events = format!("oom {kills}\noom_kill {kills}\n");
        fs::write(groups.join("memory.events"), events).unwrap();
    };
    count(4);
    let mut reading = in_a_container(proc.path(), None);
    assert_eq!(noted(&mut reading, 869, "/pod/other"), []);
    reading.state.count_kills(now(), None);
    assert_eq!(noted(&mut reading, 870, "/pod/other"), []);
    count(5);
    assert_eq!(noted(&mut reading, 871, "/pod/web"), [Some(871)]);
    assert_eq!(noted(&mut reading, 872, "/pod/other"), []);
    // It is not counted at all.
    fs::remove_file(groups.join("memory.events")).unwrap();
    let mut reading = in_a_container(proc.path(), None);
    reading.state.count_kills(now(), None);
    assert_eq!(noted(&mut reading, 870, "/pod/web"), []);
    // The name is known.
    let mut reading = in_a_container(proc.path(), Some("/pod/web"));
    assert_eq!(noted(&mut reading, 870, "/pod/other"), []);
    assert_eq!(noted(&mut reading, 871, "/pod/web/httpd"), [Some(871)]);
}

#[test]
fn links_that_come_and_go_keep_no_other_message_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut reading = on_a_host(folder.path(), 0);
    for _ in 0..100 {
        reading.take("bond0: (slave eth0): link status definitely down, disabling slave");
    }
    reading.take("TCP: out of memory -- consider tuning tcp_mem");
    let (notes, lost) = reading.state.recording.take_notes();
    assert_eq!(notes.len(), 6);
    assert_eq!(lost, 95);
    assert!(notes[5].text.contains("out of memory"));
}
