use super::*;

/// A name, the nested piece, what is innermost, and the end of the piece.
const SHAPES: [(&str, &str, &str, &str); 22] = [
    ("parentheses", "(", "1", ")"),
    ("arrays", "[", "", "]"),
    ("objects", "({ a: ", "1", "})"),
    ("blocks", "{", "", "}"),
    ("not", "!", "1", ""),
    ("templates", "`${", "1", "}`"),
    ("functions", "(function () {", "", "})"),
    ("arrows", "a => ", "1", ""),
    ("sums", "1 + ", "1", ""),
    ("assignments", "a = ", "1", ""),
    ("conditions", "1 ? 1 : ", "1", ""),
    ("ifs", "if (1) ", "1", ""),
    ("elses", "if (0) 1; else ", "1", ""),
    ("members", "a.", "a", ""),
    ("calls", "f", "", "()"),
    ("sequences", "1, ", "1", ""),
    ("powers", "1 ** ", "1", ""),
    ("constructions", "new ", "Object", ""),
    ("loops", "for (;;) ", "1", ""),
    ("conjunctions", "1 && ", "1", ""),
    ("awaits", "await ", "1", ""),
    ("divisions", "a / ", "1", ""),
];

fn nested(piece: &str, inner: &str, end: &str, times: usize) -> String {
    piece.repeat(times) + inner + &end.repeat(times)
}

#[test]
fn every_shape_may_be_nested_a_bit_and_not_without_end() {
    for (name, piece, inner, end) in SHAPES {
        assert_eq!(check(&nested(piece, inner, end, 30)), Ok(()), "{name}");
        assert!(check(&nested(piece, inner, end, 1_000)).is_err(), "{name}");
        let most = (64 << 10) / (piece.len() + end.len());
        assert!(check(&nested(piece, inner, end, most)).is_err(), "{name}");
    }
}

#[test]
fn a_place_is_a_line_and_a_column() {
    let script = format!("let a = 1;\n  {}", "(".repeat(100));
    assert_eq!(check(&script), Err(TooDeep { line: 2, column: 78 }));
}

#[test]
fn a_long_script_is_not_a_deep_one() {
    for line in [
        "expect('a', b.c[0] + 1 === 2 && !d, `is ${e} of ${f + 1}`)\n",
        "if (a) b()\n",
        "if (a) { b = c } else { d = e }\n",
        "for (const a of b) { log.info(a) }\n",
        "const a = { b: 1, c: [1, 2, 3], d: x => x + 1 }\n",
        "let a = b / 2; let c = /[/(]\\/'\"(/.test(d)\n",
        "// don't (((((((((((\n/* \" ' ` ((((( */\n",
        "a = 'it\\'s (' + \"\\\"(\" + `\\`(${b}`\n",
        "await f(async () => { return 1 })\n",
        "x++\n",
    ] {
        let script = line.repeat((64 << 10) / line.len());
        assert_eq!(check(&script), Ok(()), "{line}");
    }
    let list = format!("[{}]", "1, ".repeat(20_000));
    assert_eq!(check(&list), Ok(()));
}

#[test]
fn a_regular_expression_has_few_alternatives() {
    assert_eq!(check("/a|b|[(]/.test(a) / 2"), Ok(()));
    assert!(check(&format!("/{}/", "a|".repeat(1_000))).is_err());
}
