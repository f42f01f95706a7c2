//! Addresses of this host in other network namespaces than the agent's: those of its containers.
//!
//! Of namespaces to which this host's way in leads alone: in one of his own anybody may have any address.

use crate::capability::{self, Capability};
use crate::namespace::{self, Namespace};
use crate::netlink::addresses::own_addresses;
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct OfContainers {
    pub(super) addresses: BTreeSet<IpAddr>,
    /// Whether these are all.
    pub(super) are_all: bool,
}

/// Asks in each, and leaves this thread in the last one. None where the agent may enter no other.
pub(super) fn addresses() -> io::Result<OfContainers> {
    let mut found = OfContainers {
        addresses: BTreeSet::new(),
        are_all: true,
    };
    if !capability::has(Capability::SysAdmin) {
        return Ok(found);
    }
    let missing = ask(namespace::find_all(), &mut found.addresses)?;
    if !missing.is_empty() {
        // Gone meanwhile, or held by other processes than the one by which it was found: one that changes hands
        // each time is not known.
        let again = namespace::find_all().into_iter();
        let again = again.filter(|each| missing.contains(&each.inode));
        found.are_all = ask(again.collect(), &mut found.addresses)?.is_empty();
    }
    Ok(found)
}

/// Returns the numbers of those that are not where they were found.
fn ask(namespaces: Vec<Namespace>, all: &mut BTreeSet<IpAddr>) -> io::Result<BTreeSet<u32>> {
    let mut missing = BTreeSet::new();
    for each in namespaces {
        match addresses_in(&each) {
            Ok(addresses) => all.extend(addresses),
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
    use super::addresses;
    use crate::capability::{self, Capability};
    use crate::netlink::addresses::own_addresses;

    /// In a thread of its own, which it leaves in another namespace.
    #[test]
    fn those_of_the_own_namespace_are_among_them() {
        let own = own_addresses().unwrap();
        let all = std::thread::spawn(addresses)
            .join()
            .unwrap()
            .unwrap()
            .addresses;
        let is_known = |address| all.contains(address);
        assert!(!capability::has(Capability::SysAdmin) || own.iter().all(is_known));
    }
}
