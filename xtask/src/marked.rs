//! Parts of pages that a chore writes: what stands between two lines.

use std::fs;

use anyhow::{Context as _, Result};

use crate::tree;

/// A part of a page.
pub(crate) struct Part {
    /// The page, below the root of the tree.
    pub(crate) page: &'static str,
    /// Line above it.
    pub(crate) begin: &'static str,
    /// Line below it.
    pub(crate) end: &'static str,
}

impl Part {
    /// Writes it anew; all else of the page stays.
    pub(crate) fn write(&self, text: &str) -> Result<()> {
        let page = self.page;
        let file = tree::root().join(page);
        let old = fs::read_to_string(&file).with_context(|| format!("cannot read {page}"))?;
        let new = self.replaced(&old, text)?;
        fs::write(&file, new).with_context(|| format!("cannot write {page}"))?;
        println!("{page}: written");
        Ok(())
    }

    /// What stands in it.
    pub(crate) fn read(&self) -> Result<String> {
        let page = self.page;
        let text = fs::read_to_string(tree::root().join(page))
            .with_context(|| format!("cannot read {page}"))?;
        let (_, inner, _) = self.cut(&text)?;
        Ok(inner.to_owned())
    }

    fn replaced(&self, old: &str, text: &str) -> Result<String> {
        let Self { begin, end, .. } = self;
        let (before, _, after) = self.cut(old)?;
        Ok(format!(
            "{before}{begin}\n\n{}\n\n{end}{after}",
            text.trim()
        ))
    }

    /// The page before it, itself, and the page after it.
    fn cut<'a>(&self, page: &'a str) -> Result<(&'a str, &'a str, &'a str)> {
        let (begin, end) = (self.begin, self.end);
        let parts = page.split_once(begin).and_then(|(before, rest)| {
            let (inner, after) = rest.split_once(end)?;
            Some((before, inner, after))
        });
        parts.with_context(|| format!("{} has no place for it: {begin} … {end}", self.page))
    }
}

/// A kernel's release as pages say it: without what a distribution adds.
pub(crate) fn version(release: &str) -> &str {
    release.split('-').next().unwrap_or(release)
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let part = Part {
            page: "page",
            begin: "<!-- x -->",
            end: "<!-- x end -->",
        };
        let old = "a\n<!-- x -->\nold\n<!-- x end -->\nb\n";
        let new = part.replaced(old, "new\n").unwrap();
        assert_eq!(new, "a\n<!-- x -->\n\nnew\n\n<!-- x end -->\nb\n");
        assert_eq!(part.replaced(&new, "new").unwrap(), new);
        part.replaced("nothing", "new").unwrap_err();
    }
}
