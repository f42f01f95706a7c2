//! Which addresses are one peer: what both sides keep the past of an address under.

/// `64:ff9b::/96`, which stands for all of IPv4 where IPv6 hosts reach it through a translator (RFC 6052); what
/// lies around it is nobody's.
const TRANSLATED: u64 = 0x0064_ff9b_0000_0000_u64.to_be();
/// `64:ff9b:1::/48`, the same within one site, in whichever form (RFC 8215).
const TRANSLATED_LOCAL: u64 = 0x0064_ff9b_0001_0000_u64.to_be();
const FIRST_48: u64 = 0xffff_ffff_ffff_0000_u64.to_be();
/// The four bytes before an IPv4 address that is mapped.
const MAPPED: u64 = 0xffff_0000_0000_u64.to_be();
const FIRST_32: u64 = 0xffff_ffff_0000_0000_u64.to_be();

/// A remote address, IPv4 mapped, as a peer: IPv6 cut to the bits of `mask`. Each address that a translator
/// has put in place of one of IPv4 is a peer of its own, named as it is on the wire.
#[inline(always)]
#[must_use]
pub const fn peer_of([high, low]: [u64; 2], [high_mask, low_mask]: [u64; 2]) -> [u64; 2] {
    let is_mapped = high == 0 && low & FIRST_32 == MAPPED;
    let is_well_known = high == TRANSLATED && low & FIRST_32 == 0;
    let is_translated = is_well_known || high & FIRST_48 == TRANSLATED_LOCAL;
    if is_mapped || is_translated {
        return [high, low];
    }
    [high & high_mask, low & low_mask]
}

#[cfg(test)]
mod tests {
    use super::peer_of;
    use crate::settings::KernelSettings;

    fn cut(segments: [u16; 8]) -> [u16; 8] {
        let bytes: [[u8; 2]; 8] = segments.map(u16::to_be_bytes);
        let cut = peer_of(bytemuck::cast(bytes), KernelSettings::ipv6_mask(64));
        bytemuck::cast::<_, [[u8; 2]; 8]>(cut).map(u16::from_be_bytes)
    }

    #[test]
    fn mapped_and_translated_addresses_are_whole() {
        for whole in [
            [0, 0, 0, 0, 0, 0xffff, 0xc633, 0x6407],
            [0x64, 0xff9b, 0, 0, 0, 0, 0xc633, 0x6407],
            [0x64, 0xff9b, 1, 0, 0, 0, 0xc633, 0x6407],
            [0x64, 0xff9b, 1, 7, 0x00c6, 0x3364, 0x0700, 0],
        ] {
            assert_eq!(cut(whole), whole);
        }
    }

    #[test]
    fn all_others_are_cut() {
        for [first, second, third, fourth, fifth, sixth] in [
            [0x2001, 0xdb8, 1, 2, 0, 0],
            [0, 0, 0, 0, 0xffff, 0],
            [0, 0, 0, 0, 1, 0xffff],
            [0x64, 0xff9b, 0, 1, 0, 0],
            [0x64, 0xff9b, 0, 0, 0, 1],
            [0x64, 0xff9b, 2, 0, 0, 0],
            [0x64, 0xff9c, 0, 0, 0, 0],
        ] {
            let address = [first, second, third, fourth, fifth, sixth, 0xc633, 0x6407];
            assert_eq!(cut(address), [first, second, third, fourth, 0, 0, 0, 0]);
        }
    }
}
