//! Addresses of this host in other network namespaces than the agent's: those of its containers.
//!
//! Of namespaces to which this host's way in leads alone: in one of his own anybody may have any address.

use crate::capability::{self, Capability};
use crate::namespace::{self, Namespace};
use crate::netlink::addresses::own_addresses;
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

/// Asks in each, and leaves this thread in the last one. None where the agent may enter no other.
pub(super) fn addresses() -> io::Result<BTreeSet<IpAddr>> {
    if !capability::has(Capability::SysAdmin) {
        return Ok(BTreeSet::new());
    }
    let mut all = BTreeSet::new();
    let mut missing = BTreeSet::new();
    for each in namespace::find_all() {
        match addresses_in(&each) {
            Ok(addresses) => all.extend(addresses),
            // Gone meanwhile, or other processes hold it than the one by which it was found.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing.insert(each.inode);
            }
            Err(error) => return Err(error),
        }
    }
    if missing.is_empty() {
        return Ok(all);
    }
    let again = namespace::find_all().into_iter();
    for each in again.filter(|each| missing.contains(&each.inode)) {
        all.extend(addresses_in(&each)?);
    }
    Ok(all)
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
        let all = std::thread::spawn(addresses).join().unwrap().unwrap();
        let is_known = |address| all.contains(address);
        assert!(!capability::has(Capability::SysAdmin) || own.iter().all(is_known));
    }
}
