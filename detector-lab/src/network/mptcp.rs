//! Multipath TCP: subflows from a second address, by the kernel's own path manager. Over generic
//! netlink, so that a static program needs no `ip`.
//!
//! The agent's netlink is not for us: the lab may not know the agent, and a crate for both would be more than
//! the two requests that are made here.

use crate::expect::PATIENCE;
use anyhow::{Context, Result, bail};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{Read, Write};
use std::net::IpAddr;
use std::path::Path;

/// The setting that kernels with MPTCP have.
pub(crate) const SETTING: &str = "mptcp/enabled";

/// Subflows of a connection beside the first.
const SUBFLOWS: u32 = 1;

/// `GENL_ID_CTRL`, its command `CTRL_CMD_GETFAMILY` and attributes of that.
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// Commands and attributes of `linux/mptcp.h`.
const ADD_ADDRESS: u8 = 1;
const SET_LIMITS: u8 = 5;
const ADDRESS: u16 = 1;
const RECEIVED_LIMIT: u16 = 2;
const SUBFLOW_LIMIT: u16 = 3;
const ADDRESS_FAMILY: u16 = 1;
const ADDRESS_V4: u16 = 3;
const ADDRESS_V6: u16 = 4;
const ADDRESS_FLAGS: u16 = 6;
const FLAG_SUBFLOW: u32 = 2;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;
/// `NLM_F_REQUEST` and `NLM_F_ACK`.
const REQUEST: u16 = 1;
const WITH_ACK: u16 = 4;
/// Bytes of `nlmsghdr` and `genlmsghdr`.
const HEADERS: usize = 20;

/// Whether this kernel has it.
pub(crate) fn is_there() -> bool {
    Path::new("/proc/sys/net").join(SETTING).exists()
}

/// Lets connections of this thread's namespace have a second subflow.
pub(crate) fn allow_subflows() -> Result<()> {
    let limits = [
        attribute(RECEIVED_LIMIT, &0_u32.to_ne_bytes()),
        attribute(SUBFLOW_LIMIT, &SUBFLOWS.to_ne_bytes()),
    ];
    manage(SET_LIMITS, &limits.concat()).context("set the limits of MPTCP")
}

/// Has connections that this thread's namespace opens make a second subflow from `address`.
pub(crate) fn add_path(address: IpAddr) -> Result<()> {
    let (family, octets) = match address {
        IpAddr::V4(v4) => (libc::AF_INET, attribute(ADDRESS_V4, &v4.octets())),
        IpAddr::V6(v6) => (libc::AF_INET6, attribute(ADDRESS_V6, &v6.octets())),
    };
    let parts = [
        attribute(ADDRESS_FAMILY, &u16::try_from(family)?.to_ne_bytes()),
        octets,
        attribute(ADDRESS_FLAGS, &FLAG_SUBFLOW.to_ne_bytes()),
    ];
    manage(ADD_ADDRESS, &attribute(NESTED | ADDRESS, &parts.concat()))
        .with_context(|| format!("add {address} to the paths of MPTCP"))
}

fn manage(command: u8, attributes: &[u8]) -> Result<()> {
    let generic = Some(Protocol::from(libc::NETLINK_GENERIC));
    let mut socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, generic)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let name = attribute(FAMILY_NAME, b"mptcp_pm\0");
    let answer = ask(&mut socket, (CONTROL, REQUEST), GET_FAMILY, &name)?;
    let family = find(answer.get(HEADERS..).unwrap_or_default(), FAMILY_ID);
    let family = family.context("the kernel does not tell the number of its path manager")?;
    ask(
        &mut socket,
        (family, REQUEST | WITH_ACK),
        command,
        attributes,
    )
    .map(drop)
}

/// Sends a request of this type and these flags; returns the answer.
fn ask(socket: &mut Socket, header: (u16, u16), command: u8, attributes: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(HEADERS + attributes.len())?;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(header.0.to_ne_bytes());
    message.extend(header.1.to_ne_bytes());
    // Sequence and port number, both of no use here; then `genlmsghdr` in its first version.
    message.extend([0; 8]);
    message.extend([command, 1, 0, 0]);
    message.extend(attributes);
    socket.write_all(&message)?;
    let mut answer = vec![0; 8_192];
    let bytes = socket.read(&mut answer)?;
    answer.truncate(bytes);
    let number = |at: usize| {
        answer
            .get(at..at + 4)?
            .try_into()
            .ok()
            .map(i32::from_ne_bytes)
    };
    let is_error = answer.get(4..6) == Some(&2_u16.to_ne_bytes());
    match number(16) {
        Some(error) if is_error && error != 0 => {
            bail!(std::io::Error::from_raw_os_error(-error))
        }
        _ => Ok(answer),
    }
}

/// `nlattr` with its value, padded to four bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The value of a 16-bit attribute.
fn find(mut attributes: &[u8], kind: u16) -> Option<u16> {
    loop {
        let number = |at: usize| {
            let bytes = attributes.get(at..at + 2)?;
            Some(u16::from_ne_bytes(bytes.try_into().ok()?))
        };
        let length = usize::from(number(0)?).max(4);
        if number(2)? == kind {
            return number(4);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}
