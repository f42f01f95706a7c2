//! What the hooks have noted since the last round: in which network namespaces a pass has something to
//! find; and what they and the passes are told for the next.

use crate::kernel::failure::StartError;
use crate::kernel::take_map;
use aya::maps::{Array, HashMap, MapData, MapError};
use aya::{Ebpf, Pod};
use detector_common::names;
use detector_common::orders::RoundOrders;
use std::collections::BTreeSet;

/// [`RoundOrders`] as aya reads it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Orders(RoundOrders);

// SAFETY: a transparent wrapper around a type that is plain bytes (`bytemuck::Pod`).
#[allow(unsafe_code, reason = "aya asks for its own marker of plain bytes")]
unsafe impl Pod for Orders {}

/// See the module.
pub(in crate::kernel) struct Notes {
    awake: HashMap<MapData, u32, u8>,
    orders: Array<MapData, Orders>,
    epoch: u32,
}

/// Namespaces to pass over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// The hooks have not seen, or not noted, everything.
    All,
    These(BTreeSet<u32>),
}

impl Notes {
    pub(in crate::kernel) fn of(ebpf: &mut Ebpf) -> Result<Self, StartError> {
        Ok(Self {
            awake: take_map(ebpf, names::AWAKE_MAP)?,
            orders: take_map(ebpf, names::ORDERS_MAP)?,
            epoch: RoundOrders::DEFAULT.epoch,
        })
    }

    /// Tells hooks and passes what this round is. Where they cannot be told a full one passes over
    /// sockets that are marked, and nothing is lost but what no hook has seen.
    pub(in crate::kernel) fn order(&mut self, is_full: bool, is_scarce: bool) {
        self.epoch = self.epoch.wrapping_add(u32::from(is_full));
        let orders = RoundOrders {
            looks: RoundOrders::LOOKS,
            epoch: self.epoch,
            is_full: u32::from(is_full),
            is_scarce: u32::from(is_scarce),
            reserved: 0,
        };
        if let Err(error) = self.orders.set(0, Orders(orders), 0) {
            tracing::warn!("the programs cannot be told what to look at: {error}");
        }
    }

    /// Takes them out. To be called before the passes begin: what is noted meanwhile is for the next
    /// round.
    pub(super) fn take(&mut self) -> Noted {
        self.try_take().unwrap_or_else(|error| {
            tracing::warn!("what the hooks have noted cannot be read: {error}");
            Noted::All
        })
    }

    fn try_take(&mut self) -> Result<Noted, MapError> {
        let Orders(orders) = self.orders.get(&0, 0)?;
        let capacity = names::AWAKE_CAPACITY as usize;
        // One that is noted meanwhile may begin the walk anew.
        let noted: Result<BTreeSet<u32>, _> = self.awake.keys().take(2 * capacity).collect();
        let noted = noted?;
        for netns in &noted {
            match self.awake.remove(netns) {
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        if orders.looks <= 0 || noted.len() >= capacity {
            return Ok(Noted::All);
        }
        Ok(Noted::These(noted))
    }
}
