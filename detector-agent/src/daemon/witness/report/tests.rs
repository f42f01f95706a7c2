use super::{Report, line, of_line};
use detector_api::recorded::{KillScope, OomKill};
use detector_kmsg::message::{Task, parse};

/// The kills that these records tell.
fn kills(records: &[&str]) -> Vec<OomKill> {
    let mut report = Report::default();
    for text in records {
        if let Some(line) = line(text, &parse(text)) {
            report.take(line);
        }
    }
    report.finish()
}

const INVOKED: &str =
    "httpd invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0";
const USAGE: &str = "memory: usage 262144kB, limit 262144kB, failcnt 12";
const RECORD: &str = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,\
     oom_memcg=/system.slice/httpd.service,task_memcg=/system.slice/httpd.service,task=httpd,pid=870,uid=48";
const KILLED: &str = "Memory cgroup out of memory: Killed process 870 (httpd) total-vm:912340kB, \
     anon-rss:207032kB, file-rss:1024kB, shmem-rss:2048kB, UID:48 pgtables:900kB oom_score_adj:0";
const REAPED: &str =
    "oom_reaper: reaped process 870 (httpd), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB";

fn httpd() -> OomKill {
    OomKill {
        pid: Some(870),
        name: Some("httpd".to_owned()),
        unit: Some("httpd.service".to_owned()),
        cgroup: Some("/system.slice/httpd.service".to_owned()),
        scope: KillScope::ControlGroup,
        anonymous_bytes: Some(207_032 << 10),
        file_bytes: Some(1_024 << 10),
        shared_bytes: Some(2_048 << 10),
        socket_bytes: Some(4_200_000),
        limit_bytes: Some(262_144 << 10),
        by_hook: false,
        by_log: true,
    }
}

#[test]
fn a_report_is_taken_with_its_fields() {
    let stats = "Memory cgroup stats for /system.slice/httpd.service:";
    for sock in [
        &["anon 212000000", "sock 4200000", "shmem 0"][..],
        &["anon 212000000\\x0asock 4200000\\x0ashmem 0"],
    ] {
        let records = [
            &[INVOKED, USAGE, stats][..],
            sock,
            &[RECORD, KILLED, REAPED],
        ]
        .concat();
        assert_eq!(kills(&records), [httpd()]);
    }
    // Reports come too often: the kernel leaves most of each out.
    let bare = OomKill {
        unit: None,
        cgroup: None,
        socket_bytes: None,
        limit_bytes: None,
        ..httpd()
    };
    assert_eq!(kills(&[KILLED]), std::slice::from_ref(&bare));
    // It was dying by itself, and what was told of it is not told of the next one.
    let dying = "Memory cgroup out of memory: OOM victim 869 (httpd) is already exiting. Skip killing the task";
    let next = [INVOKED, USAGE, RECORD, dying, INVOKED, KILLED];
    assert_eq!(kills(&next), std::slice::from_ref(&bare));
    let nobody = "Out of memory and no killable processes...";
    assert_eq!(kills(&[INVOKED, USAGE, nobody, KILLED]), [bare]);
    let of_host = "Out of memory (oom_kill_allocating_task): Killed process 871 (\u{1b}) total-vm:1kB, anon-rss:1kB";
    let [kill] = &kills(&[INVOKED, of_host])[..] else {
        panic!("it is one")
    };
    assert_eq!(
        (kill.scope, kill.name.as_deref()),
        (KillScope::Host, Some("\u{fffd}"))
    );
}

#[test]
fn of_a_group_that_is_killed_as_one_each_is_told_once() {
    let group =
        "Tasks in /system.slice/httpd.service are going to be killed due to memory.oom.group set";
    let other = KILLED.replace("870", "871");
    let of_host = "Out of memory: Killed process 872 (cat) total-vm:1kB, anon-rss:1kB";
    let records = [
        INVOKED,
        USAGE,
        "sock 4200000",
        RECORD,
        KILLED,
        group,
        KILLED,
        &other,
        of_host,
    ];
    let [first, second, third] = &kills(&records)[..] else {
        panic!("they are three")
    };
    assert_eq!(*first, httpd());
    let expected = OomKill {
        pid: Some(871),
        ..httpd()
    };
    assert_eq!(*second, expected);
    assert_eq!((third.pid, third.cgroup.as_deref()), (Some(872), None));
}

/// A user calls tasks, files and control groups of his what he likes.
#[test]
fn nothing_within_a_record_is_another_one() {
    // Fifteen bytes of his stand first, and his file's name near the end.
    let by_task = |task: &str, file: &str| {
        let place = "segfault at 0 ip 0000000000401106 sp 00007ffd5d7e0c50 error 6";
        format!("{task}[870]: {place} in {file}[401000+1000] likely on CPU 1 (core 1, socket 0)")
    };
    for (task, file) in [
        ("x", RECORD),
        ("oom-kill:", ",task=n,pid=870,uid=33"),
        (
            "oom-kill:constr",
            "aint=CONSTRAINT_MEMCG,task=n,pid=870,uid=33",
        ),
        ("Killed process ", " (httpd) total-vm:1kB, anon-rss:1kB"),
        ("Kill process 87", "870 (httpd) sharing same memory"),
        ("Out of memory: ", "Killed process 870 (httpd) total-vm:1kB"),
        ("Out of memory", ": OOM killed process 870 (httpd) score 0"),
        ("Out of memory", "no killable process"),
        ("VM: killing pro", "cess httpd"),
        ("memory: usage 9", "kB, limit 3kB"),
        ("Task in /web", " killed as a result of limit of /web"),
        (
            "Tasks in /web",
            " are going to be killed due to memory.oom.group set",
        ),
        ("x", " invoked oom-killer: gfp_mask=0xcc0"),
        ("sock 5", "x"),
    ] {
        let text = by_task(task, file);
        assert_eq!(line(&text, &parse(&text)), None, "{text}");
    }
    for end in ["<br>", "#012", "\\x0a", " ", "[12.345678] ", "&#10;"] {
        let name =
            format!("httpd.service{end}Out of memory: Killed process 1 (init) total-vm:1kB{end}x");
        let record = RECORD.replace("httpd.service", &name);
        let kills = kills(&[INVOKED, &record, KILLED]);
        assert_eq!(kills.len(), 1, "{end}");
        assert_eq!(kills[0].pid, Some(870), "{end}");
    }
}

#[test]
fn a_line_alone_is_not_yet_told_by_the_log() {
    let victim = Task {
        pid: Some(870),
        name: "httpd".to_owned(),
        uid: None,
    };
    let kill = of_line(&victim);
    assert_eq!((kill.pid, kill.by_log), (Some(870), false));
    // Nor where the hook tells of the same victim meanwhile.
    let by_hook = OomKill {
        pid: Some(870),
        by_hook: true,
        ..OomKill::default()
    };
    assert!(!by_hook.or(kill).by_log);
    let nameless = Task::default();
    assert_eq!(of_line(&nameless).name, None);
}
