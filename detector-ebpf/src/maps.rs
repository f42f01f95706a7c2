//! The maps. Names are those of `detector_common::names`.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, PerCpuArray, RingBuf};
use detector_common::counter::Counter;
use detector_common::record::{ConnectionKey, ConnectionRecord};

/// State of misbehaving connections. Preallocated, so that an update in softirq never allocates;
/// the agent sets the size before loading. Not LRU: a full table refuses newcomers, which are
/// counted, instead of silently forgetting what was seen.
#[map(name = "det_conns")]
pub static CONNECTIONS: HashMap<ConnectionKey, ConnectionRecord> =
    HashMap::with_max_entries(16_384, 0);

/// Records on their way to the agent; the agent sets the size before loading.
#[map(name = "det_records")]
pub static RECORDS: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// Counters of loss and of what was not kept per connection.
#[map(name = "det_counters")]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::COUNT, 0);
