//! Names of control groups that read like parts of a report.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_kmsg::LogReader;

/// Users call control groups of theirs what they like.
#[test]
fn no_name_of_a_group_makes_it_another_one() {
    const BETWEEN: &str = " killed as a result of limit of ";
    let mine = "/user.slice/user-1000.slice/user@1000.service";
    let other = "/system.slice/sshd.service";
    let first = LogReader::new().unwrap();
    let told = |log: &str| {
        let mut reader = first.another();
        reader.feed(log.as_bytes());
        let kill = reader.finish().kills.remove(0);
        (kill.cgroup.unwrap(), kill.limited_cgroup)
    };
    for name in [
        format!("a,task_memcg={other}"),
        format!("a,task_memcg={mine}"),
        format!("a,task_memcg={mine}/a"),
        format!("a,oom_memcg={other},task_memcg={other}/a"),
        format!("a{BETWEEN}{other}"),
        format!("a{BETWEEN}{mine}{BETWEEN}{mine}"),
        "plain,with=comma".to_owned(),
    ] {
        let group = format!("{mine}/{name}");
        for (limited, victims) in [
            (Some(&*group), group.clone()),
            (Some(&*group), format!("{group}{other}")),
            (Some(mine), group.clone()),
            (Some("/"), group.clone()),
            (None, group.clone()),
        ] {
            let limit = limited.map_or("global_oom".to_owned(), |path| format!("oom_memcg={path}"));
            let (found, of) = told(&format!(
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),\
                 cpuset=x,oom_memcg=,task_memcg=y,mems_allowed=0-1,{limit},task_memcg={victims},\
                 task=a,pid=7,uid=1000\nMemory cgroup out of memory: Killed process 7 (a)\n"
            ));
            assert_eq!((found, of.as_deref()), (victims.clone(), limited));
            let Some(limited) = limited else { continue };
            let (found, of) = told(&format!(
                "Task in {victims}{BETWEEN}{limited}\n\
                 Memory cgroup out of memory: Kill process 7 (a) score 1 or sacrifice child\n\
                 Killed process 7 (a) total-vm:1kB, anon-rss:1kB, file-rss:1kB\n"
            ));
            assert_eq!((found, of.as_deref()), (victims, Some(limited)));
        }
    }
}
