//! `mark_victim`: the OOM killer has chosen a process.
//!
//! Contract: `mark_victim(int pid)` at first, `mark_victim(struct task_struct *task, uid_t uid)` from 6.9
//! on and in newer 6.1; which of the two is told by BTF through `victim_is_task`. Fired in `mark_oom_victim`
//! (`mm/oom_kill.c`), after the kernel has counted the kill and sent the signal, and before its log
//! says so; also for a process that was dying by itself, which is not counted. The task and its memory
//! are still there.
//!
//! Why here: the kernel's log may not be readable, and says nothing until the kill is done; and from
//! here the victim can be looked at while it is alive. Fields are found by name; what a kernel does not
//! have is left out.
#![forbid(unsafe_code)]

use crate::count::count;
use crate::globals::victim_is_task;
use crate::helpers;
use crate::task::{Pages, Task};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::counter::Counter;
use detector_common::victim::VictimRecord;

#[btf_tracepoint(function = "mark_victim")]
fn det_mark_victim(context: BtfTracePointContext) -> Option<()> {
    let (pid, task) = victim(&context);
    let mut record = VictimRecord::bare(helpers::monotonic_ns(), pid);
    if let Some(task) = task {
        describe(task, &mut record);
    }
    if !helpers::send_victim(&record) {
        count(Counter::VictimsDropped);
    }
    None
}

/// Its number, and its task, if that is known: where the kernel tells the number alone, only of one that
/// is killed for its own allocation, as at the limit of a control group it mostly is.
#[inline(always)]
fn victim(context: &BtfTracePointContext) -> (u32, Option<Task>) {
    if victim_is_task() {
        let task = Task(helpers::argument(context, 0).address());
        return (task.pid().unwrap_or(0), Some(task));
    }
    let pid: i32 = context.arg(0);
    let (current, task) = helpers::current_task();
    let pid = pid as u32;
    (
        pid,
        if pid == current {
            Some(Task(task))
        } else {
            None
        },
    )
}

#[inline(always)]
fn describe(task: Task, record: &mut VictimRecord) {
    if let Some(name) = task.name() {
        record.name = name;
    }
    if let Some(memory) = task.memory() {
        record.file_pages = memory.pages(Pages::File);
        record.anonymous_pages = memory.pages(Pages::Anonymous);
        record.shared_pages = memory.pages(Pages::Shared);
    }
    if let Some(group) = task.control_group() {
        record.control_group = group;
    }
}
