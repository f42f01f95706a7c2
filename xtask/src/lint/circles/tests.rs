use super::*;
use std::path::PathBuf;

fn sources(files: &[(&str, &str)]) -> Sources {
    let crate_of = |name: &str| PathBuf::from("detector-made-up/src").join(name);
    let files = files.iter();
    files
        .map(|(name, text)| (crate_of(name), (*text).to_owned()))
        .collect()
}

fn circles(files: &[(&str, &str)]) -> Vec<String> {
    found(&sources(files), &[])
}

#[test]
fn two_files_side_by_side_that_use_each_other_are_a_circle() {
    let root = ("lib.rs", "mod a;\nmod b;");
    let a = ("a.rs", "use super::b::B;\npub(crate) struct A(B);");
    for b in [
        "use crate::a::A; pub(crate) struct B;",
        "pub(crate) struct B; fn f(a: &crate::a::A) {}",
        "use super::a; pub(crate) struct B; fn f() -> a::A { todo }",
        "use super::{a::{A as C}}; pub(crate) struct B;",
        "pub(crate) struct B; mod inside { use super::super::a::A; }",
        "pub(crate) struct B; macro_rules! m { () => { $crate::a::A } }",
        r#"#[serde(with = "crate::a")] pub(crate) struct B(#[serde(with = "super::a::A")] u8);"#,
    ] {
        assert_eq!(circles(&[root, a, ("b.rs", b)]).len(), 1, "{b}");
    }
    for b in [
        "pub(crate) struct B;",
        "/// Is in [`crate::a::A`].\npub(crate) struct B; // use crate::a::A;",
        "pub(crate) struct B; #[cfg(test)] mod tests { use crate::a::A; }",
        "pub(crate) struct B; fn f(a: u8) { a.a(); other::a::A }",
        "use super::a; pub(crate) struct B;",
    ] {
        assert_eq!(
            circles(&[root, a, ("b.rs", b)]),
            Vec::<String>::new(),
            "{b}"
        );
    }
}

#[test]
fn a_circle_is_told_with_its_places() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\nmod c;"),
        ("a.rs", "\nuse crate::b::B;\npub struct A;"),
        ("b.rs", "pub struct B(super::c::C);"),
        ("c/mod.rs", "mod d;\npub use d::C;"),
        ("c/d.rs", "pub struct C;\nfn f() {\n    crate::a::A\n}"),
    ];
    let src = "detector-made-up/src";
    let told = format!(
        "circle: {src}/a -> {src}/b ({src}/a.rs:2: crate::b::B) -> {src}/c ({src}/b.rs:1: super::c::C) \
         -> {src}/a ({src}/c/d.rs:3: crate::a::A)"
    );
    assert_eq!(circles(&files), [told]);
}

#[test]
fn folders_may_not_use_each_other_either() {
    let mut files = vec![
        ("lib.rs", "mod a;\nmod b;"),
        ("a/mod.rs", "pub(crate) mod one;\nmod two;"),
        ("a/one.rs", "pub(crate) struct One;"),
        ("a/two.rs", "use crate::b::Four;"),
        (
            "b/mod.rs",
            "mod three;\nmod four;\npub(crate) use self::four::*;",
        ),
        ("b/three.rs", "use crate::a::one::One;"),
        ("b/four.rs", "pub(crate) struct Four;"),
    ];
    assert_eq!(circles(&files).len(), 1);
    files[5].1 = "";
    assert_eq!(circles(&files), Vec::<String>::new());
}

#[test]
fn a_parent_and_its_children_are_one_subject() {
    let files = [
        ("lib.rs", "mod a;\npub struct Root;"),
        (
            "a.rs",
            "mod b;\nuse b::B;\npub struct A(B);\nuse crate::Root;",
        ),
        (
            "a/b.rs",
            "pub struct B;\nfn f(a: super::A, root: crate::Root) {}",
        ),
    ];
    assert_eq!(circles(&files), Vec::<String>::new());
}

#[test]
fn a_name_is_used_where_it_is_defined() {
    // What `b` takes of `a` by the parent's name for it, or by a glob, is of `a` all the same.
    for parent in [
        "pub use a::A;",
        "use a::A;",
        "use a::*;",
        "pub(crate) use self::a::A as C;",
    ] {
        for b in ["use super::{A, C};", "use super::*; fn f(a: A, c: C) {}"] {
            let root = format!("mod a;\nmod b;\n{parent}");
            let files = [
                ("lib.rs", &root[..]),
                ("a.rs", "pub struct A(super::b::B);"),
                ("b.rs", &format!("{b}\npub struct B;")),
            ];
            assert_eq!(circles(&files).len(), 1, "{parent} {b}");
        }
    }
    // A module that passes a name on does not use it.
    let mut files = [
        ("lib.rs", "mod a;\nmod b;"),
        ("a.rs", "pub use super::b::B;\npub struct A;"),
        ("b.rs", "use super::a::A;\npub struct B;"),
    ];
    assert_eq!(circles(&files), Vec::<String>::new());
    files[1].1 = "pub use super::b::B;\npub struct A(B);";
    assert_eq!(circles(&files).len(), 1);
}

#[test]
fn every_program_and_test_is_a_crate() {
    for root in [
        "src/main.rs",
        "src/bin/play.rs",
        "tests/story.rs",
        "examples/e/main.rs",
    ] {
        let root = PathBuf::from("made-up").join(root);
        let folder = root.parent().unwrap();
        let files = Sources::from([
            (root.clone(), "mod a; mod b;".to_owned()),
            (
                folder.join("a.rs"),
                "use crate::b::B; pub struct A;".to_owned(),
            ),
            (
                folder.join("b/mod.rs"),
                "use crate::a::A; pub struct B;".to_owned(),
            ),
        ]);
        assert_eq!(found(&files, &[]).len(), 1, "{}", root.display());
    }
}

#[test]
fn an_allowed_circle_must_be_one() {
    let allowed = [Allowed {
        from: "detector-made-up/src/a",
        to: "detector-made-up/src/b",
        why: "of one subject",
    }];
    let mut files = [
        ("lib.rs", "mod a;\nmod b;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::a::A; pub struct B;"),
    ];
    assert_eq!(found(&sources(&files), &allowed), Vec::<String>::new());
    files[2].1 = "pub struct B;";
    let idle = found(&sources(&files), &allowed);
    assert!(
        idle.len() == 1 && idle[0].contains("of one subject"),
        "{idle:?}"
    );
    assert_eq!(circles(&files), Vec::<String>::new());
}
