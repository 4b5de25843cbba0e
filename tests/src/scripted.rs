//! Plugins that are hostile before they run: to the compiler, by what they say of themselves, or by their schema.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a plugin that cannot be made must fail its test"
)]

use std::fmt::Write as _;

/// The guest whose `describe` follows a script.
const SCRIPTED: &[u8] = include_bytes!(env!("CANARY_GUEST_SCRIPTED"));
const MARK: &[u8] = b"canary-script:";
const PREAMBLE: &[u8] = b"\0asm\x01\0\0\0";
/// Sections of a component.
const CORE_MODULE: u8 = 1;
const CORE_INSTANCE: u8 = 2;

/// A plugin whose `describe` does what `script` says; see the guest `scripted`.
///
/// # Panics
/// The script is longer than 2 MiB.
#[must_use]
pub fn plugin(script: &str) -> Vec<u8> {
    let mut wasm = SCRIPTED.to_vec();
    let mut found = wasm.windows(MARK.len()).enumerate();
    let at = found.find_map(|(at, bytes)| (bytes == MARK).then_some(at));
    let at = at.expect("a script to overwrite") + MARK.len();
    wasm[at..at + script.len()].copy_from_slice(script.as_bytes());
    wasm
}

/// A component with another number, such as `0.3.0`, in place of its version of the contract.
///
/// # Panics
/// The number is longer or shorter than that of the component.
#[must_use]
pub fn of_contract(component: &[u8], number: &str) -> Vec<u8> {
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

/// A good plugin with another core module in it, which is compiled and never used.
#[must_use]
pub fn with_module(module: &[u8]) -> Vec<u8> {
    let mut wasm = with_schema("{}");
    wasm.extend(section(CORE_MODULE, module));
    wasm
}

/// A good plugin with a core module in it that begins to compute when it is instantiated, and never stops.
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

/// A core module of so many functions, each of which adds up its locals in about so many bytes.
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
            // A branch over an assignment: values meet again behind it.
            body.extend([&[0x02, 0x40, 0x20], local(2).as_slice(), &[0x0d, 0, 0x20]].concat());
            body.extend([local(4).as_slice(), &[0x21], &local(6), &[0x0b]].concat());
        }
        number += 1;
    }
    of_functions(functions, &body, locals)
}

/// A core module of one function: a jump table of so many entries, in that many nested blocks.
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

/// A code section; each function has so many locals of 32 bits.
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

/// Core modules of a component, its nested ones left aside.
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

/// A chain of definitions, each of which is made of the next one twice, by this keyword: as many steps as 2 to the power
/// of its length.
#[must_use]
pub fn doubling(keyword: &str, length: usize) -> String {
    let mut schema = String::from(r##"{"$ref":"#/$defs/a0","$defs":{"##);
    for step in 0..length {
        let next = format!(r##"{{"$ref":"#/$defs/a{}"}}"##, step + 1);
        write!(schema, r#""a{step}":{{"{keyword}":[{next},{next}]}},"#).expect("a string grows");
    }
    // Nothing fits: an alternative is no way out.
    write!(schema, r#""a{length}":{{"type":"array"}}}}}}"#).expect("a string grows");
    schema
}
