//! Parts of pages that tests hold against the tables in the code. After a wanted change,
//! `DETECTOR_BLESS=1 cargo test -p detector` writes them.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Several tests hold parts of the same page.
static WRITING: Mutex<()> = Mutex::new(());

/// Fails unless `anew` leaves the page, named from the root of the tree, as it is.
pub(crate) fn hold(page: &str, anew: impl FnOnce(&str) -> String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let kept =
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let wanted = anew(&kept);
    if kept != wanted && std::env::var_os("DETECTOR_BLESS").is_some() {
        return fs::write(&file, wanted).unwrap();
    }
    let mut lines = kept.lines().zip(wanted.lines());
    let first = lines.find(|(kept, wanted)| kept != wanted);
    assert!(
        kept == wanted,
        "{page} is older than the code (DETECTOR_BLESS=1 writes it): {first:#?}"
    );
}

/// The same of the table whose first line begins with `head`, as `table` does.
pub(crate) fn hold_table(page: &str, head: &str, table: &str) {
    hold(page, |text| {
        let place = between(page, text, &format!("\n\n{head}"), "\n\n");
        let begin = place.start - head.len();
        format!(
            "{}{}{}",
            &text[..begin],
            table.trim_end(),
            &text[place.end..]
        )
    });
}

/// Where in `text`, of `page`, something stands between `begin` and `end`.
pub(crate) fn between(page: &str, text: &str, begin: &str, end: &str) -> Range<usize> {
    let find = |from: usize, what: &str| {
        let found = text[from..].find(what);
        from + found.unwrap_or_else(|| panic!("{page} lacks {what:?}"))
    };
    let first = find(0, begin) + begin.len();
    first..find(first, end)
}

#[test]
#[should_panic(expected = r#"README.md lacks "| end |""#)]
fn what_a_page_lacks_is_named() {
    between("README.md", "| begin |\nrows\n", "| begin |\n", "| end |");
}
