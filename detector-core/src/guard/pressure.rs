//! Whether the host is so pressed by stalled connections that the guard may act.

use detector_api::units;
use std::fmt;

/// From where on there is pressure; shares are parts of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PressureBounds {
    /// Kernel memory that stalled connections hold.
    pub pinned_bytes: u64,
    /// The same as a share of what the kernel gives TCP at most.
    pub tcp_memory_share: f64,
    /// The same of one unit's or container's connections, as a share of the memory that it may have.
    pub unit_memory_share: f64,
    /// Workers of one service that wait for stalled connections, as a share of all.
    pub workers_share: f64,
}

/// What stalled connections take now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Kernel memory.
    pub pinned_bytes: u64,
    /// What the kernel gives TCP at most, where that is known.
    pub tcp_memory_limit_bytes: Option<u64>,
    /// Services that own stalled connections.
    pub services: Vec<Workers>,
}

/// What they take of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workers {
    /// Its name.
    pub service: String,
    /// Workers that are known to wait.
    pub held: u64,
    /// All of them.
    pub total: u64,
    /// Kernel memory that its stalled connections hold.
    pub pinned_bytes: u64,
    /// What it may have of memory, where it has a limit.
    pub limit_bytes: Option<u64>,
}

/// What presses the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Stalled connections hold much memory.
    Pinned {
        /// So much.
        bytes: u64,
    },
    /// They hold much of what TCP may have.
    TcpMemory {
        /// So much.
        bytes: u64,
        /// Of so much.
        limit_bytes: u64,
    },
    /// They hold much of what a unit may have.
    UnitMemory {
        /// Which.
        unit: String,
        /// So much.
        bytes: u64,
        /// Of so much.
        limit_bytes: u64,
    },
    /// Workers wait for them.
    Workers {
        /// Of which service.
        service: String,
        /// So many.
        held: u64,
        /// Of so many.
        total: u64,
    },
}

impl Pressure {
    /// The first bound that `load` has reached; `None` if there is no pressure.
    #[must_use]
    pub fn of(load: &Load, bounds: &PressureBounds) -> Option<Self> {
        let of_service = |service| Self::of_service(service, bounds);
        let of_host = Self::of_host(load, bounds);
        of_host.or_else(|| load.services.iter().find_map(of_service))
    }

    /// The services that are pressed; `None` if the host as a whole is.
    #[must_use]
    pub fn services(load: &Load, bounds: &PressureBounds) -> Option<Vec<String>> {
        if Self::of_host(load, bounds).is_some() {
            return None;
        }
        let services = load.services.iter();
        let pressed = services.filter(|service| Self::of_service(service, bounds).is_some());
        Some(pressed.map(|service| service.service.clone()).collect())
    }

    fn of_host(load: &Load, bounds: &PressureBounds) -> Option<Self> {
        let bytes = load.pinned_bytes;
        if bytes >= bounds.pinned_bytes {
            return Some(Self::Pinned { bytes });
        }
        let limit_bytes = load.tcp_memory_limit_bytes?;
        reaches(bytes, limit_bytes, bounds.tcp_memory_share)
            .then_some(Self::TcpMemory { bytes, limit_bytes })
    }

    fn of_service(service: &Workers, bounds: &PressureBounds) -> Option<Self> {
        let bytes = service.pinned_bytes;
        if let Some(limit_bytes) = service.limit_bytes
            && reaches(bytes, limit_bytes, bounds.unit_memory_share)
        {
            let unit = service.service.clone();
            return Some(Self::UnitMemory {
                unit,
                bytes,
                limit_bytes,
            });
        }
        let (held, total) = (service.held, service.total);
        reaches(held, total, bounds.workers_share).then(|| Self::Workers {
            service: service.service.clone(),
            held,
            total,
        })
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share, and exact below 2^53")]
fn reaches(part: u64, whole: u64, share: f64) -> bool {
    part > 0 && whole > 0 && part as f64 >= whole as f64 * share
}

impl fmt::Display for Pressure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned { bytes } => {
                write!(out, "stalled connections pin {}", units::bytes(*bytes))
            }
            Self::TcpMemory { bytes, limit_bytes } => write!(
                out,
                "stalled connections pin {} of the {} that TCP may have",
                units::bytes(*bytes),
                units::bytes(*limit_bytes)
            ),
            Self::UnitMemory {
                unit,
                bytes,
                limit_bytes,
            } => write!(
                out,
                "stalled connections pin {} of the {} that {unit} may have",
                units::bytes(*bytes),
                units::bytes(*limit_bytes)
            ),
            Self::Workers {
                service,
                held,
                total,
            } => write!(
                out,
                "{held} of {total} workers of {service} wait for stalled connections"
            ),
        }
    }
}
