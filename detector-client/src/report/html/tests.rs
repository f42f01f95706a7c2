use super::{HEAD, STYLE};
use sha2::{Digest, Sha256};

/// Base64, for the one hash of this test.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let number = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        (0..4).map(move |place| {
            if place <= chunk.len() {
                char::from(DIGITS[(number >> (18 - 6 * place)) as usize & 63])
            } else {
                '='
            }
        })
    });
    digits.collect()
}

/// A page whose style it does not allow itself is a page without style. After a change of the style,
/// `DETECTOR_BLESS=1` writes the hash.
#[test]
fn the_page_allows_its_own_style_and_nothing_else() {
    let hash = format!("sha256-{}", base64(&Sha256::digest(STYLE)));
    if std::env::var_os("DETECTOR_BLESS").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/html/style.sha256");
        std::fs::write(file, &hash).unwrap();
    } else {
        let allowed = format!("default-src 'none'; style-src '{hash}'; base-uri");
        assert!(
            HEAD.contains(&allowed),
            "the style has changed: bless its hash {hash}"
        );
    }
}

#[test]
fn the_style_brings_nothing_from_elsewhere() {
    for loading in ["url(", "@import", "@font-face", "expression", "</"] {
        assert!(!STYLE.contains(loading), "{loading}");
    }
}
