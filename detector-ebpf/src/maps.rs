//! The maps. Names are those of `detector_common::names`.

use crate::attention;
use crate::connection::pending::{PLACES, Pending};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};
use detector_common::counter::Counter;
use detector_common::direction::Opened;
use detector_common::elsewhere::{self, Place, PlaceKey};
use detector_common::history::{self, AddressHistory};
use detector_common::names;
use detector_common::record::{ConnectionKey, ConnectionRecord, ListenerKey};

/// State of misbehaving connections. Preallocated, so that an update in softirq never allocates;
/// the agent sets the size before loading. Not LRU: a full table refuses newcomers, which are
/// counted, instead of silently forgetting what was seen.
#[map(name = "det_conns")]
pub static CONNECTIONS: HashMap<ConnectionKey, ConnectionRecord> =
    HashMap::with_max_entries(16_384, 0);

/// Connections that we opened, from SYN-SENT to CLOSE. Under LRU the oldest go first: then the
/// socket's own counts tell, for all but a few. One that stays says which connection it is of.
#[map(name = "det_opened")]
pub static OPENED: LruHashMap<ConnectionKey, Opened> = LruHashMap::with_max_entries(16_384, 0);

/// Ports on which somebody listens, or has: kept when the listener closes, for what it accepted
/// lives on. Each sweep renews those that are there.
#[map(name = "det_listeners")]
pub static LISTENERS: LruHashMap<ListenerKey, u8> = LruHashMap::with_max_entries(8_192, 0);

/// How connections of an address have ended. Under LRU: addresses that come no more make room.
#[map(name = "det_history")]
pub static HISTORY: LruHashMap<[u64; 2], AddressHistory> =
    LruHashMap::with_max_entries(history::ENTRIES_MAX as u32, 0);

/// The same of addresses that the agent has chosen for their past, in place of an entry there. Not LRU: no
/// number of others pushes them out.
#[map(name = "det_proven")]
pub static PROVEN: HashMap<[u64; 2], AddressHistory> =
    HashMap::with_max_entries(history::PROVEN_MAX as u32, 0);

/// How connections of an address have ended in a network that a stranger has laid out. Under LRU: networks
/// that are gone make room.
#[map(name = "det_elsewhere")]
pub static ELSEWHERE: LruHashMap<PlaceKey, Place> =
    LruHashMap::with_max_entries(elsewhere::ENTRIES_MAX as u32, 0);

/// Records on their way to the agent; the agent sets the size before loading.
#[map(name = "det_records")]
pub static RECORDS: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// Processes that the OOM killer has chosen, on their way to the agent.
#[map(name = "det_victims")]
pub static VICTIMS: RingBuf = RingBuf::with_byte_size(64 << 10, 0);

/// Segments put by until it is seen what the kernel made of them. Each lasts until the next look at
/// its socket; what does not fit is counted.
#[map(name = "det_pending")]
pub static PENDING: HashMap<ConnectionKey, Pending> = HashMap::with_max_entries(1_024, 0);

/// How many of them there are for the sockets of each place: what the busiest hook asks where there are
/// any.
#[map(name = "det_watched")]
pub static WATCHED: Array<u64> = Array::with_max_entries(PLACES, 0);

/// Network namespaces that a sweep must pass over, by their number; the agent takes them out. Small, as it
/// is looked through each second.
#[map(name = "det_awake")]
pub static AWAKE: HashMap<u32, u8> = HashMap::with_max_entries(names::AWAKE_CAPACITY, 0);

/// Which sockets hooks and passes have had to do with lately: of each place, the epoch in which it was
/// marked last.
#[map(name = "det_marks")]
pub static MARKS: Array<u32> = Array::with_max_entries(attention::PLACES, 0);

/// Counters of loss and of what was not kept per connection.
#[map(name = "det_counters")]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::COUNT, 0);
