//! Names that come from strangers, as much of them as is kept.

use detector_api::sanitize;

/// Foreign bytes as harmless text of so many bytes at most.
pub(super) fn name_of(bytes: &[u8], most: usize) -> String {
    bounded(&sanitize::text(&String::from_utf8_lossy(bytes)), most)
}

/// The beginning of a text, of so many bytes at most.
pub(super) fn bounded(text: &str, most: usize) -> String {
    let ends = text
        .char_indices()
        .map(|(start, each)| start + each.len_utf8());
    let end = ends.take_while(|end| *end <= most).last();
    text[..end.unwrap_or(0)].to_owned()
}
