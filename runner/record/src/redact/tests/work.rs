//! What is decoded, and in which order.

use super::*;
use crate::redact::decode::{string, unescaped};

/// The canonical forms of all decoded texts, in their order, and their total size.
fn decoded(text: &str) -> (Vec<String>, usize) {
    let (mut forms, mut size) = (Vec::new(), 0);
    decodings::visit(DecodedText::new(text), |decoded| {
        let form = decoded.canonical().0;
        forms.push(String::from_utf8_lossy(&form).into_owned());
        size += decoded.units().len();
    });
    (forms, size - text.len())
}

#[test]
fn what_takes_fewer_levels_is_decoded_first() {
    let (forms, _) = decoded("%252525zz=3D3D41");
    let place = |form: &str| forms.iter().position(|other| other == form).unwrap();
    assert!(place("%25zz=3d3d41") < place("%252525zza"), "{forms:?}");
}

#[test]
fn what_was_decoded_in_another_way_is_not_decoded_again() {
    let (forms, _) = decoded("%2541x25");
    assert_eq!(forms, ["%2541x25", "%41x25", "ax25"]);
}

#[test]
fn a_text_is_decoded_into_sixteen_times_its_size_at_most() {
    let text = r"\065^`=?%%41 1,2,3,4 %252541 &amp;amp;lt; =3D41 ".repeat(200);
    let (_, size) = decoded(&text);
    let most = text.len() * decodings::MAX_DECODED_RATIO;
    assert!((most * 2 / 3..=most).contains(&size), "{size} of {most}");
}

#[test]
fn only_what_is_near_an_escape_is_decoded_with_it() {
    // And a gap in place of what is far.
    let near = 16 * WINDOW + 1;
    let far = ".".repeat(300);
    for (text, length) in [
        (format!("{far}%41"), near + 1),
        (format!("%41{far}"), 1 + near),
        (format!("{far}{far}%41{far}"), near + 1 + near),
        (format!("%41{far}{far}%41"), 1 + near + 16 * WINDOW + 1),
    ] {
        let decoded = unescaped(&DecodedText::new(&text), string).unwrap();
        assert_eq!(decoded.units().len(), length, "{text}");
    }
}
