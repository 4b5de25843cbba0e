//! Plugins that are hostile before they run: to the compiler, in `describe`, or by their schema.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a plugin that cannot be made must fail its test"
)]

use std::fmt::Write as _;

/// The guest whose `describe` follows a script.
const SCRIPTED: &[u8] = include_bytes!(env!("CANARY_GUEST_SCRIPTED"));
const SCRIPT_MARKER: &[u8] = b"canary-script:";
const PREAMBLE: &[u8] = b"\0asm\x01\0\0\0";
/// Sections of a component.
const CORE_MODULE: u8 = 1;
const CORE_INSTANCE: u8 = 2;

/// A plugin whose `describe` executes `script`; see the guest `scripted`.
///
/// # Panics
/// The script is longer than 2 MiB.
#[must_use]
pub fn plugin(script: &str) -> Vec<u8> {
    let mut wasm = SCRIPTED.to_vec();
    let mut found = wasm.windows(SCRIPT_MARKER.len()).enumerate();
    let at = found.find_map(|(at, bytes)| (bytes == SCRIPT_MARKER).then_some(at));
    let at = at.expect("a script to overwrite") + SCRIPT_MARKER.len();
    wasm[at..at + script.len()].copy_from_slice(script.as_bytes());
    wasm
}

/// Replaces the contract version of a component, for example with `0.3.0`.
///
/// # Panics
/// The version has another length than that of the component.
#[must_use]
pub fn with_contract_version(component: &[u8], number: &str) -> Vec<u8> {
    const NAME: &[u8] = b"canary:check/";
    let mut wasm = component.to_vec();
    let names = component.windows(NAME.len()).enumerate();
    for (at, _) in names.filter(|(_, bytes)| *bytes == NAME) {
        let version = component[at..].iter().position(|byte| *byte == b'@');
        let at = at + version.expect("a version") + 1;
        wasm[at..at + number.len()].copy_from_slice(number.as_bytes());
    }
    wasm
}

/// A plugin with this schema.
#[must_use]
pub fn with_schema(schema: &str) -> Vec<u8> {
    plugin(&format!("schema {schema}"))
}

/// A good plugin with an additional core module, which is compiled but never used.
#[must_use]
pub fn with_module(module: &[u8]) -> Vec<u8> {
    let mut wasm = with_schema("{}");
    wasm.extend(section(CORE_MODULE, module));
    wasm
}

/// A good plugin with a core module whose start function never returns.
#[must_use]
pub fn with_endless_start() -> Vec<u8> {
    let body = [0x03, 0x40, 0x0c, 0x00, 0x0b];
    let types = section(1, &[1, 0x60, 0, 0]);
    let functions = section(3, &[1, 0]);
    let start = section(8, &[0]);
    let module = [PREAMBLE, &types, &functions, &start, &code(&[&body], 0)].concat();
    let mut wasm = with_module(&module);
    let number = core_modules(&wasm) - 1;
    let instantiate = [&[1, 0], leb(number).as_slice(), &[0]].concat();
    wasm.extend(section(CORE_INSTANCE, &instantiate));
    wasm
}

/// A core module with this many functions of about this many bytes, each of which adds up its locals.
#[must_use]
pub fn module(functions: usize, bytes: usize, locals: usize) -> Vec<u8> {
    let mut body = Vec::new();
    let mut number = 0;
    while body.len() < bytes {
        let local = |shift: usize| leb((number * 7 + shift) % locals);
        body.extend(
            [
                &[0x20],
                local(1).as_slice(),
                &[0x20],
                &local(3),
                &[0x6a, 0x21],
                &local(5),
            ]
            .concat(),
        );
        if number % 5 == 0 {
            // A branch over an assignment, so that values merge after it.
            body.extend([&[0x02, 0x40, 0x20], local(2).as_slice(), &[0x0d, 0, 0x20]].concat());
            body.extend([local(4).as_slice(), &[0x21], &local(6), &[0x0b]].concat());
        }
        number += 1;
    }
    of_functions(functions, &body, locals)
}

/// A core module with one function: a jump table with this many entries in nested blocks of this depth.
#[must_use]
pub fn jump_table(entries: usize, depth: usize) -> Vec<u8> {
    let mut body = [0x02, 0x40].repeat(depth);
    body.extend([0x20, 0, 0x0e]);
    body.extend(leb(entries));
    for entry in 0..=entries {
        body.extend(leb(entry % depth));
    }
    body.extend([0x0b].repeat(depth));
    of_functions(1, &body, 1)
}

fn of_functions(count: usize, body: &[u8], locals: usize) -> Vec<u8> {
    let types = section(1, &[1, 0x60, 0, 0]);
    let functions = section(3, &[leb(count), vec![0; count]].concat());
    [PREAMBLE, &types, &functions, &code(&vec![body; count], locals)].concat()
}

/// A code section; each function has this many 32-bit locals.
fn code(bodies: &[&[u8]], locals: usize) -> Vec<u8> {
    let mut content = leb(bodies.len());
    for body in bodies {
        let function = [&[1], leb(locals).as_slice(), &[0x7f], body, &[0x0b]].concat();
        content.extend(leb(function.len()));
        content.extend(function);
    }
    section(10, &content)
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], leb(content.len()).as_slice(), content].concat()
}

/// Number of core modules of a component, without nested components.
fn core_modules(component: &[u8]) -> usize {
    let (mut at, mut count) = (PREAMBLE.len(), 0);
    while at < component.len() {
        count += usize::from(component[at] == CORE_MODULE);
        let (length, after) = read_leb(component, at + 1);
        at = after + length;
    }
    count
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn read_leb(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes[at];
        at += 1;
        number |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return (number, at);
        }
    }
}

/// A chain of schema definitions, each of which applies the next one twice with this keyword: evaluation takes 2 to the
/// power of its length steps.
#[must_use]
pub fn doubling(keyword: &str, length: usize) -> String {
    let mut schema = String::from(r##"{"$ref":"#/$defs/a0","$defs":{"##);
    for step in 0..length {
        let next = format!(r##"{{"$ref":"#/$defs/a{}"}}"##, step + 1);
        write!(schema, r#""a{step}":{{"{keyword}":[{next},{next}]}},"#).expect("a string grows");
    }
    // No alternative matches, so that evaluation cannot stop early.
    write!(schema, r#""a{length}":{{"type":"array"}}}}}}"#).expect("a string grows");
    schema
}
