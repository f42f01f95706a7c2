//! Circles, nesting and sizes without end are refused.

use super::{find, member};
use crate::observe::btf::write::{BtfWriter, VOID};
use crate::observe::btf::{Btf, BtfError, Kind, MAX_DEPTH, MemberError};

#[test]
fn circles_end() {
    let mut w = BtfWriter::new();
    // Typedefs 1 and 2 name one another; struct 3 holds itself; array 4 consists of itself.
    w.reference(Kind::Typedef, "ping", 2);
    w.reference(Kind::Typedef, "pong", 1);
    let members = [
        member(&mut w, "", 3, 0),
        member(&mut w, "pong", 2, 0),
        member(&mut w, "list", 4, 0),
    ];
    w.structure(Kind::Struct, "loop", 4, &members);
    w.array(4, 2);

    let bytes = w.finish();
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert_eq!(
        btf.strip_modifiers(1).err(),
        Some(BtfError::TooDeep { type_id: 1 })
    );
    assert_eq!(btf.size_bytes(4), Err(BtfError::TooDeep { type_id: 4 }));
    assert_eq!(
        btf.member("loop", "x"),
        Err(MemberError::Malformed(BtfError::TooDeep { type_id: 3 }))
    );
}

#[test]
fn nesting_that_multiplies_ends() {
    let mut w = BtfWriter::new();
    let mut inside = w.structure(Kind::Struct, "", 0, &[]);
    for _ in 0..MAX_DEPTH - 2 {
        let twice = [member(&mut w, "", inside, 0), member(&mut w, "", inside, 0)];
        inside = w.structure(Kind::Struct, "", 0, &twice);
    }
    let once = [member(&mut w, "", inside, 0)];
    w.structure(Kind::Struct, "wide", 0, &once);
    assert_eq!(
        find(&w, "wide", "x"),
        Err(MemberError::Malformed(BtfError::TooManyMembers))
    );
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let mut w = BtfWriter::new();
    let mut list = w.int("unsigned int", 4);
    for _ in 0..3 {
        list = w.array(list, u32::MAX);
    }
    let function = w.function_proto(&[]);
    let bytes = w.finish();
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert_eq!(
        btf.size_bytes(list),
        Err(BtfError::Overflow { type_id: list })
    );
    assert_eq!(
        btf.size_bytes(function),
        Err(BtfError::NoSize { type_id: function })
    );
    assert_eq!(
        btf.size_bytes(VOID),
        Err(BtfError::NoSuchType { type_id: VOID })
    );
}
