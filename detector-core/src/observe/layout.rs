//! Finds the kernel fields that the kernel side reads, by name, in the kernel's BTF.
//!
//! In: [`Btf`]. Out: [`KernelLayout`], and one [`FieldReport`] for each field asked for, so that
//! `detector check` can show them all. Never: a guess. A required field that is missing, or a
//! field of another size than the kernel side loads, is an error that names it.
//!
//! Offsets under `struct sock_common` and `struct sock` are used on a `struct tcp_sock`, which
//! begins with them; the rows marked as anchors check that it does.

use std::fmt;

use detector_common::layout::{BitField, KernelLayout, Offset};

use crate::observe::btf::{Btf, BtfError, Member, MemberError, MemberKind, POINTER_BYTES, Width};

/// The BTF tracepoints that the kernel side attaches to.
/// [`Btf::tracepoint_arguments`] tells whether a kernel has them.
pub const TRACEPOINTS: [&str; 3] = ["tcp_probe", RETRANSMIT_TRACEPOINT, "inet_sock_set_state"];

/// The tracepoint that got a third argument, `err`, in later kernels.
const RETRANSMIT_TRACEPOINT: &str = "tcp_retransmit_skb";

/// One field of the table: what is asked for, what it must look like, where the answer goes.
#[derive(Clone, Copy, Debug)]
struct Row {
    structure: &'static str,
    path: &'static str,
    required: bool,
    shape: Shape,
}

/// What the kernel side takes a field for, and where in the layout its place is put.
#[derive(Clone, Copy)]
enum Shape {
    /// An integer of that many bytes.
    Integer(u64, fn(&mut KernelLayout) -> &mut Offset),
    /// A pointer.
    Pointer(fn(&mut KernelLayout) -> &mut Offset),
    /// A struct or array of that many bytes.
    Block(u64, fn(&mut KernelLayout) -> &mut Offset),
    /// A bit field within one byte, or a whole byte, of at least that many bits.
    Bits(u32, fn(&mut KernelLayout) -> &mut BitField),
    /// Not read itself, but must lie at offset 0.
    Anchor,
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(bytes, _) => write!(f, "{}-bit integer", bytes * 8),
            Self::Pointer(_) => write!(f, "pointer"),
            Self::Block(bytes, _) => write!(f, "{bytes}-byte struct or array"),
            Self::Bits(bits, _) => write!(f, "field of {bits} to 8 bits within one byte"),
            Self::Anchor => write!(f, "member at offset 0"),
        }
    }
}

const fn required(structure: &'static str, path: &'static str, shape: Shape) -> Row {
    Row {
        structure,
        path,
        required: true,
        shape,
    }
}

const fn optional(structure: &'static str, path: &'static str, shape: Shape) -> Row {
    Row {
        structure,
        path,
        required: false,
        shape,
    }
}

use Shape::{Anchor, Bits, Block, Integer, Pointer};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    required("tcp_sock", "inet_conn.icsk_inet.sk.__sk_common", Anchor),
    required("sock", "__sk_common", Anchor),
    optional("socket_alloc", "socket", Anchor),

    required("sock_common", "skc_family", Integer(2, |l| &mut l.skc_family)),
    required("sock_common", "skc_state", Integer(1, |l| &mut l.skc_state)),
    required("sock_common", "skc_daddr", Integer(4, |l| &mut l.skc_daddr)),
    required("sock_common", "skc_rcv_saddr", Integer(4, |l| &mut l.skc_rcv_saddr)),
    required("sock_common", "skc_dport", Integer(2, |l| &mut l.skc_dport)),
    required("sock_common", "skc_num", Integer(2, |l| &mut l.skc_num)),
    optional("sock_common", "skc_v6_daddr", Block(16, |l| &mut l.skc_v6_daddr)),
    optional("sock_common", "skc_v6_rcv_saddr", Block(16, |l| &mut l.skc_v6_rcv_saddr)),
    required("sock_common", "skc_net.net", Pointer(|l| &mut l.skc_net)),
    required("net", "ns.inum", Integer(4, |l| &mut l.net_inum)),
    required("sock", "sk_wmem_queued", Integer(4, |l| &mut l.sk_wmem_queued)),
    required("sock", "sk_socket", Pointer(|l| &mut l.sk_socket)),
    optional("socket_alloc", "vfs_inode.i_ino", Integer(8, |l| &mut l.socket_inode_number)),

    required("tcp_sock", "snd_una", Integer(4, |l| &mut l.snd_una)),
    required("tcp_sock", "snd_nxt", Integer(4, |l| &mut l.snd_nxt)),
    required("tcp_sock", "snd_wnd", Integer(4, |l| &mut l.snd_wnd)),
    required("tcp_sock", "snd_wl1", Integer(4, |l| &mut l.snd_wl1)),
    required("tcp_sock", "write_seq", Integer(4, |l| &mut l.write_seq)),
    required("tcp_sock", "max_window", Integer(4, |l| &mut l.max_window)),
    required("tcp_sock", "rcv_nxt", Integer(4, |l| &mut l.rcv_nxt)),
    required("tcp_sock", "rcv_wup", Integer(4, |l| &mut l.rcv_wup)),
    required("tcp_sock", "rcv_wnd", Integer(4, |l| &mut l.rcv_wnd)),
    required("tcp_sock", "mss_cache", Integer(4, |l| &mut l.mss_cache)),
    required("tcp_sock", "packets_out", Integer(4, |l| &mut l.packets_out)),
    required("tcp_sock", "snd_cwnd", Integer(4, |l| &mut l.snd_cwnd)),
    required("tcp_sock", "srtt_us", Integer(4, |l| &mut l.srtt_us)),
    required("tcp_sock", "bytes_acked", Integer(8, |l| &mut l.bytes_acked)),
    required("tcp_sock", "bytes_received", Integer(8, |l| &mut l.bytes_received)),
    required("tcp_sock", "rx_opt.ts_recent", Integer(4, |l| &mut l.ts_recent)),
    required("tcp_sock", "rx_opt.snd_wscale", Bits(4, |l| &mut l.snd_wscale)),
    required("tcp_sock", "rcv_tstamp", Integer(4, |l| &mut l.rcv_tstamp)),
    required("tcp_sock", "inet_conn.icsk_ca_state", Bits(3, |l| &mut l.icsk_ca_state)),
    required("tcp_sock", "inet_conn.icsk_retransmits", Integer(1, |l| &mut l.icsk_retransmits)),
    required("tcp_sock", "inet_conn.icsk_pending", Integer(1, |l| &mut l.icsk_pending)),
    required("tcp_sock", "inet_conn.icsk_backoff", Integer(1, |l| &mut l.icsk_backoff)),
    required("tcp_sock", "inet_conn.icsk_probes_out", Integer(1, |l| &mut l.icsk_probes_out)),

    required("sk_buff", "cb", Block(48, |l| &mut l.skb_cb)),
    required("tcp_skb_cb", "seq", Integer(4, |l| &mut l.skb_cb_seq)),
    required("tcp_skb_cb", "end_seq", Integer(4, |l| &mut l.skb_cb_end_seq)),
    required("tcp_skb_cb", "ack_seq", Integer(4, |l| &mut l.skb_cb_ack_seq)),
    required("tcp_skb_cb", "tcp_gso_segs", Integer(2, |l| &mut l.skb_cb_gso_segs)),
    required("sk_buff", "data", Pointer(|l| &mut l.skb_data)),
];

/// What became of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldReport {
    /// Name of the struct, without the word `struct`.
    pub structure: &'static str,
    /// Path of the member in it, names separated by dots.
    pub path: &'static str,
    /// Whether the agent cannot do without it.
    pub required: bool,
    /// Where it is, or why it cannot be used.
    pub outcome: Result<FieldPlace, FieldError>,
}

/// Where a field lies in its struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldPlace {
    /// Bytes from the start of the struct.
    Byte(Offset),
    /// A bit field in one byte.
    Bits(BitField),
}

/// Why a field cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// This kernel does not have it.
    Missing(MemberError),
    /// It is there, and is not what the kernel side would load.
    Unexpected {
        /// What the kernel side takes it for.
        expected: String,
        /// What it is.
        found: String,
    },
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(cause) => write!(f, "{cause}"),
            Self::Unexpected { expected, found } => {
                write!(f, "expected a {expected}, found {found}")
            }
        }
    }
}

impl FieldReport {
    /// True if the agent cannot start because of this field: a required one that is missing, or
    /// any that is not what the kernel side would load.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match &self.outcome {
            Ok(_) => false,
            Err(FieldError::Unexpected { .. }) => true,
            Err(FieldError::Missing(cause)) => {
                self.required || matches!(cause, MemberError::Ambiguous | MemberError::Malformed(_))
            }
        }
    }
}

impl fmt::Display for FieldReport {
    /// `struct tcp_sock.snd_wnd: at 1436`, or the reason why it cannot be used.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "struct {}.{}: ", self.structure, self.path)?;
        match &self.outcome {
            Ok(FieldPlace::Byte(offset)) => write!(f, "at {offset}"),
            Ok(FieldPlace::Bits(bits)) => write!(
                f,
                "at {}, {} bits from bit {}",
                bits.offset,
                bits.mask.count_ones(),
                bits.shift
            ),
            Err(reason) => write!(f, "{reason}"),
        }
    }
}

/// Why there is no layout for this kernel. The caller adds kernel release and BTF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// At least one field is missing or not what the kernel side would load.
    Fields(Vec<FieldReport>),
    /// The kernel has no tracepoint of that name for BPF programs.
    NoTracepoint {
        /// Name of the tracepoint.
        name: &'static str,
    },
    /// The kernel's description of a tracepoint cannot be read.
    Tracepoint {
        /// Name of the tracepoint.
        name: &'static str,
        /// What is wrong with it.
        cause: BtfError,
    },
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields(reports) => {
                write!(f, "kernel fields cannot be used: ")?;
                for (index, report) in reports.iter().enumerate() {
                    write!(f, "{}{report}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            Self::NoTracepoint { name } => write!(f, "the kernel has no tracepoint {name}"),
            Self::Tracepoint { name, .. } => {
                write!(f, "the arguments of tracepoint {name} cannot be read")
            }
        }
    }
}

impl LayoutError {
    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Fields(_) => {
                "this kernel's TCP structures are laid out in a way this release does not know: \
                 install a newer detector, or report the names above with `uname -r`"
            }
            Self::NoTracepoint { .. } | Self::Tracepoint { .. } => {
                "run a kernel with CONFIG_INET, CONFIG_BPF_EVENTS and CONFIG_DEBUG_INFO_BTF"
            }
        }
    }
}

impl std::error::Error for LayoutError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tracepoint { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// All that was found out about a kernel's layout.
#[derive(Clone, Debug)]
pub struct Survey {
    /// One entry for each field, in the order of the table, whether found or not.
    pub fields: Vec<FieldReport>,
    /// The layout, if the kernel is one the agent can run on.
    pub layout: Result<KernelLayout, LayoutError>,
}

/// Looks up every field, also past the first one that cannot be used.
///
/// Costs some 40 searches of a struct, a few milliseconds for a distribution's kernel.
#[must_use]
pub fn survey(btf: &Btf<'_>) -> Survey {
    let mut layout = KernelLayout::UNSET;
    let fields: Vec<FieldReport> = ROWS
        .iter()
        .map(|row| look_up(btf, row, &mut layout))
        .collect();
    let fatal: Vec<FieldReport> = fields
        .iter()
        .filter(|report| report.is_fatal())
        .cloned()
        .collect();
    let layout = if fatal.is_empty() {
        retransmit_has_err(btf).map(|has_err| {
            layout.retransmit_has_err = u64::from(has_err);
            layout
        })
    } else {
        Err(LayoutError::Fields(fatal))
    };
    Survey { fields, layout }
}

/// The layout of the kernel that `btf` describes.
///
/// # Errors
///
/// Names every required field that is missing and every field that is not as expected.
pub fn resolve(btf: &Btf<'_>) -> Result<KernelLayout, LayoutError> {
    survey(btf).layout
}

/// Struct and path of every field asked for; an extract of a kernel's BTF must contain these.
pub fn wanted_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROWS.iter().map(|row| (row.structure, row.path))
}

fn look_up(btf: &Btf<'_>, row: &Row, layout: &mut KernelLayout) -> FieldReport {
    let outcome = match btf.member(row.structure, row.path) {
        Ok(member) => place(row.shape, member).ok_or_else(|| FieldError::Unexpected {
            expected: format!("{:?}", row.shape),
            found: describe(member),
        }),
        Err(cause) => Err(FieldError::Missing(cause)),
    };
    match (row.shape, &outcome) {
        (Integer(_, slot) | Block(_, slot) | Pointer(slot), Ok(FieldPlace::Byte(offset))) => {
            *slot(layout) = *offset;
        }
        (Bits(_, slot), Ok(FieldPlace::Bits(bits))) => *slot(layout) = *bits,
        // Stays absent, or is checked and not read.
        _ => {}
    }
    FieldReport {
        structure: row.structure,
        path: row.path,
        required: row.required,
        outcome,
    }
}

/// Where the member lies, or `None` if it is not of that shape.
fn place(shape: Shape, member: Member) -> Option<FieldPlace> {
    let fits = match shape {
        Bits(at_least, _) => return bits_in_byte(member, at_least).map(FieldPlace::Bits),
        Integer(bytes, _) => {
            member.kind == MemberKind::Integer && member.width == Width::Bytes(bytes)
        }
        Pointer(_) => {
            member.kind == MemberKind::Pointer && member.width == Width::Bytes(POINTER_BYTES)
        }
        Block(bytes, _) => {
            member.kind == MemberKind::Aggregate && member.width == Width::Bytes(bytes)
        }
        Anchor => member.offset_bits == 0,
    };
    (fits && member.offset_bits.is_multiple_of(8)).then(|| FieldPlace::Byte(member.offset_bytes()))
}

/// Little-endian: bit 0 of a byte is its lowest.
fn bits_in_byte(member: Member, at_least: u32) -> Option<BitField> {
    let width = match member.width {
        Width::Bits(bits) => bits,
        Width::Bytes(1) => 8,
        Width::Bytes(_) => return None,
    };
    let shift = u32::try_from(member.offset_bits % 8).ok()?;
    let fits = member.kind == MemberKind::Integer && width >= at_least && shift + width <= 8;
    fits.then(|| BitField {
        offset: member.offset_bytes(),
        shift,
        mask: (1 << width) - 1,
    })
}

fn describe(member: Member) -> String {
    let kind = match member.kind {
        MemberKind::Integer => "an integer",
        MemberKind::Pointer => "a pointer",
        MemberKind::Aggregate => "a struct, union or array",
    };
    let offset = member.offset_bytes();
    match member.width {
        Width::Bytes(bytes) => format!("{kind} of {bytes} bytes at {offset}"),
        Width::Bits(bits) => {
            format!(
                "a bit field of {bits} bits at {offset}, bit {}",
                member.offset_bits % 8
            )
        }
    }
}

/// True if the tracepoint's third argument is `int err`: kernels that have it also fire on
/// segments that could not be sent.
fn retransmit_has_err(btf: &Btf<'_>) -> Result<bool, LayoutError> {
    let name = RETRANSMIT_TRACEPOINT;
    let unreadable = |cause| LayoutError::Tracepoint { name, cause };
    let arguments = btf
        .tracepoint_arguments(name)
        .map_err(unreadable)?
        .ok_or(LayoutError::NoTracepoint { name })?;
    let Some(&third) = arguments.get(2) else {
        return Ok(false);
    };
    let size_bytes = btf.size_bytes(third).map_err(unreadable)?;
    Ok(size_bytes == 4)
}

#[cfg(test)]
mod tests;
