//! What is read of a task: by its address, field by field, where this kernel tells the place.

use crate::globals::global;
use crate::helpers;
use detector_common::layout::ABSENT;
use detector_common::victim::{NAME_BYTES, UNKNOWN};

/// Size of a `struct percpu_counter`, which the layout has checked.
const PERCPU_COUNTER_BYTES: u64 = 40;

/// Kinds of pages, by their places in `rss_stat` (`include/linux/mm_types_task.h`).
#[derive(Clone, Copy)]
pub enum Pages {
    /// `MM_FILEPAGES`.
    File = 0,
    /// `MM_ANONPAGES`.
    Anonymous = 1,
    /// `MM_SHMEMPAGES`.
    Shared = 3,
}

/// The address of a `struct task_struct`.
#[derive(Clone, Copy)]
pub struct Task(pub u64);

impl Task {
    /// Its number in the first PID namespace.
    #[inline(always)]
    pub fn pid(self) -> Option<u32> {
        read(self.0, global!(DET_LAYOUT.task_pid))
    }

    /// Its name.
    #[inline(always)]
    pub fn name(self) -> Option<[u8; NAME_BYTES]> {
        read(self.0, global!(DET_LAYOUT.task_comm))
    }

    /// Its memory; `None` once it has given that back.
    #[inline(always)]
    pub fn memory(self) -> Option<Memory> {
        let memory: u64 = read(self.0, global!(DET_LAYOUT.task_mm))?;
        if memory == 0 {
            None
        } else {
            Some(Memory(memory))
        }
    }

    /// The number of its control group in the unified hierarchy.
    #[inline(always)]
    pub fn control_group(self) -> Option<u64> {
        let groups: u64 = read(self.0, global!(DET_LAYOUT.task_cgroups))?;
        let group: u64 = read(groups, global!(DET_LAYOUT.css_set_dfl_cgrp))?;
        let node: u64 = read(group, global!(DET_LAYOUT.cgroup_kn))?;
        read(node, global!(DET_LAYOUT.kernfs_node_id))
    }
}

/// The address of a `struct mm_struct`.
#[derive(Clone, Copy)]
pub struct Memory(u64);

impl Memory {
    /// How many pages of one kind there are, but for what processors keep to themselves.
    #[inline(always)]
    pub fn pages(self, kind: Pages) -> i64 {
        let (counters, count) = (
            global!(DET_LAYOUT.mm_counters),
            global!(DET_LAYOUT.percpu_counter_count),
        );
        if counters != ABSENT && count != ABSENT {
            let place = counters + count + kind as u64 * PERCPU_COUNTER_BYTES;
            return read(self.0, place).unwrap_or(UNKNOWN);
        }
        let counts = global!(DET_LAYOUT.mm_counts);
        if counts == ABSENT {
            return UNKNOWN;
        }
        read(self.0, counts + kind as u64 * 8).unwrap_or(UNKNOWN)
    }
}

/// What lies there in a kernel struct.
#[inline(always)]
fn read<T: bytemuck::Pod>(structure: u64, offset: u64) -> Option<T> {
    if offset == ABSENT {
        return None;
    }
    helpers::read_kernel(structure.wrapping_add(offset))
}
