//! Addresses of this host in other network namespaces than the agent's: those of its containers.
//!
//! Of namespaces to which this host's way in leads alone: in one of his own anybody may have any address.

use crate::capability::{self, Capability};
use crate::namespace::{self, Namespace};
use crate::netlink::addresses::own_addresses;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfContainers {
    /// Each with the network namespaces that have it.
    pub(crate) addresses: BTreeMap<IpAddr, BTreeSet<u32>>,
    /// Whether these are all.
    pub(super) are_all: bool,
}

impl OfContainers {
    /// Asks in each, and leaves this thread in the last one. None where the agent may enter no other.
    pub(crate) fn find() -> io::Result<Self> {
        let mut found = Self {
            addresses: BTreeMap::new(),
            are_all: true,
        };
        if !capability::has(Capability::SysAdmin) {
            return Ok(found);
        }
        let missing = ask(namespace::find_all(), &mut found)?;
        if !missing.is_empty() {
            // Gone meanwhile, or held by other processes than the one by which it was found: one that changes
            // hands each time is not known.
            let again = namespace::find_all().into_iter();
            let again = again.filter(|each| missing.contains(&each.inode));
            found.are_all = ask(again.collect(), &mut found)?.is_empty();
        }
        Ok(found)
    }

    fn add(&mut self, address: IpAddr, netns: u32) {
        let address = address.to_canonical();
        self.addresses.entry(address).or_default().insert(netns);
    }
}

/// Returns the numbers of those that are not where they were found.
fn ask(namespaces: Vec<Namespace>, found: &mut OfContainers) -> io::Result<BTreeSet<u32>> {
    let mut missing = BTreeSet::new();
    for each in namespaces {
        match addresses_in(&each) {
            Ok(addresses) => {
                for address in addresses {
                    found.add(address, each.inode);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing.insert(each.inode);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}

fn addresses_in(namespace: &Namespace) -> io::Result<Vec<IpAddr>> {
    if !namespace::is_on_our_way(namespace)? {
        return Ok(Vec::new());
    }
    namespace::enter(namespace)?;
    own_addresses()
}

#[cfg(test)]
mod tests {
    use super::OfContainers;
    use crate::capability::{self, Capability};
    use crate::netlink::addresses::own_addresses;

    /// In a thread of its own, which it leaves in another namespace.
    #[test]
    fn those_of_the_own_namespace_are_among_them() {
        let own = own_addresses().unwrap();
        let all = std::thread::spawn(OfContainers::find)
            .join()
            .unwrap()
            .unwrap()
            .addresses;
        let is_known = |address: &std::net::IpAddr| all.contains_key(&address.to_canonical());
        assert!(!capability::has(Capability::SysAdmin) || own.iter().all(is_known));
    }
}
