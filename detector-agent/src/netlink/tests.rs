use super::{Answer, Object, Payload, Request, attribute, decode, encode};
use proptest::prelude::*;

fn request(payload: Payload) -> Request {
    Request {
        kind: 20,
        flags: 0,
        payload,
    }
}

#[test]
fn what_is_written_is_read_back() {
    let payload = Payload::new(&[1, 2, 3, 4])
        .with_text(1, "detector")
        .with_nested(2, Payload::default().with_u32(3, 0x0102_0304));
    let mut bytes = encode(&request(payload), 7);
    bytes.extend_from_slice(&encode(&request(Payload::new(&[9])), 8));
    let answers = decode(&bytes).unwrap();
    assert_eq!(answers.len(), 2);
    let (sequence, Answer::Object(object)) = &answers[0] else {
        panic!("{answers:?}");
    };
    assert_eq!((*sequence, object.kind), (7, 20));
    let attributes = &object.payload[4..];
    assert_eq!(attribute(attributes, 1), Some(&b"detector\0"[..]));
    let nested = attribute(attributes, 2).unwrap();
    assert_eq!(attribute(nested, 3), Some(&[1, 2, 3, 4][..]));
    assert_eq!(attribute(attributes, 4), None);
    let short = Object {
        kind: 20,
        payload: &[9][..],
    };
    assert_eq!(answers[1], (8, Answer::Object(short)));
}

#[test]
fn errors_and_acknowledgements_are_told_apart() {
    for (number, expected) in [(-1_i32, 1), (0, 0)] {
        let mut error = request(Payload::new(&number.to_ne_bytes()));
        error.kind = super::NLMSG_ERROR;
        let bytes = encode(&error, 3);
        let answers = decode(&bytes).unwrap();
        assert_eq!(answers, [(3, Answer::Error(expected))]);
    }
}

#[test]
fn a_dump_that_broke_off_or_was_overtaken_is_told_from_a_whole_one() {
    for (payload, expected) in [
        (&[][..], 0),
        (&0_i32.to_ne_bytes(), 0),
        (&5_i32.to_ne_bytes(), 0),
        (&(-105_i32).to_ne_bytes(), 105),
    ] {
        let mut done = request(Payload::new(payload));
        done.kind = super::NLMSG_DONE;
        let bytes = encode(&done, 3);
        let answers = decode(&bytes).unwrap();
        assert_eq!(answers, [(3, Answer::Done(expected))]);
    }
    let mut overtaken = request(Payload::default());
    overtaken.flags = super::DUMP_INTERRUPTED;
    let bytes = encode(&overtaken, 3);
    let answers = decode(&bytes).unwrap();
    assert_eq!(answers, [(3, Answer::Interrupted)]);
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(decode(&bytes));
        let _value = attribute(&bytes, 1);
    }
}
