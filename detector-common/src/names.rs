//! Names of the maps, read-only globals and programs in the eBPF object.
//!
//! The kernel cuts names at 15 characters; all of ours fit and share the prefix `det_`, so that
//! `bpftool prog` and `bpftool map` show at a glance what belongs to the agent.

/// Hash of [`ConnectionKey`](crate::record::ConnectionKey) to
/// [`ConnectionRecord`](crate::record::ConnectionRecord): state of misbehaving connections only.
pub const CONNECTIONS_MAP: &str = "det_conns";
/// LRU hash of remote addresses (16 bytes, IPv4 mapped, IPv6 cut as peers are) to
/// [`AddressHistory`](crate::history::AddressHistory).
pub const HISTORY_MAP: &str = "det_history";
/// Hash of the same, of those that stay; the agent puts them in.
pub const PROVEN_MAP: &str = "det_proven";
/// LRU hash of [`PlaceKey`](crate::elsewhere::PlaceKey) to [`Place`](crate::elsewhere::Place).
pub const ELSEWHERE_MAP: &str = "det_elsewhere";
/// Ring buffer that carries [`ConnectionRecord`](crate::record::ConnectionRecord)s to the agent.
pub const RECORDS_MAP: &str = "det_records";
/// Ring buffer that carries [`VictimRecord`](crate::victim::VictimRecord)s to the agent.
pub const VICTIMS_MAP: &str = "det_victims";
/// Per-CPU array of `u64`, indexed by [`Counter`](crate::counter::Counter).
pub const COUNTERS_MAP: &str = "det_counters";

/// Hash of network namespaces (`u32`) that a sweep must pass over.
pub const AWAKE_MAP: &str = "det_awake";
/// Most of them; more count as all.
pub const AWAKE_CAPACITY: u32 = 256;
/// Array of one [`RoundOrders`](crate::orders::RoundOrders): the object's only data that is not zero at
/// first.
pub const ORDERS_MAP: &str = ".data";

/// Read-only global of type [`KernelLayout`](crate::layout::KernelLayout).
pub const LAYOUT_GLOBAL: &str = "DET_LAYOUT";
/// Read-only global of type [`KernelSettings`](crate::settings::KernelSettings).
pub const SETTINGS_GLOBAL: &str = "DET_SETTINGS";

/// Window updates of established connections, `tp_btf/tcp_probe`.
pub const PROBE_PROGRAM: &str = "det_tcp_probe";
/// Segments sent again, `tp_btf/tcp_retransmit_skb`.
pub const RETRANSMIT_PROGRAM: &str = "det_retransmit";
/// Socket state changes, `tp_btf/inet_sock_set_state`.
pub const STATE_PROGRAM: &str = "det_set_state";
/// Processes that the OOM killer has chosen, `tp_btf/mark_victim`; where the kernel has it.
pub const VICTIM_PROGRAM: &str = "det_mark_victim";
/// Pass over all sockets of one network namespace, `iter/tcp`.
pub const SWEEP_PROGRAM: &str = "det_sweep";

/// Number of the call to `bpf_rdonly_cast` in the object.
///
/// It is no helper but a kernel function, which a program calls by its BTF number. That number is
/// known only on the running kernel, so the agent looks for calls with this number (no helper has
/// it) and puts the true one in.
pub const RDONLY_CAST_CALL: u32 = 0x5ca5_7de7;
