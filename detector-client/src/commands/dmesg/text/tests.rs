use super::text;
use crate::terminal::Capabilities;
use detector_kmsg::LogReader;

/// A call is told as one, with whom it was about, where the log ends before the kill.
#[test]
fn a_call_without_a_kill_is_told() {
    let mut reader = LogReader::new().unwrap();
    reader.feed(
        b"[1.5] memory: usage 4096kB, limit 4096kB, failcnt 127\n\
          [1.5] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/a,\
          task_memcg=/a/b,task=java,pid=7,uid=0\n",
    );
    let text = text(&reader.finish(), "log", Capabilities::PIPE);
    assert!(!text.contains("is in it"), "{text}");
    let told = "  the OOM killer was called once, and the log shows no victim\n    \
                chosen, maybe killed: java[7] in /a/b, the limit was that of /a, in use 4096 kB (4.2 MB) of a \
                limit of 4096 kB (4.2 MB)\n";
    assert!(text.contains(told), "{text}");
}
