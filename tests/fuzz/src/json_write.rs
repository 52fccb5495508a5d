//! What is written as JSON is what `serde_json` reads: the same members with the same values, on one line.

use serde_json::{Map, Value as Reference};
use wire::json::Object;

use crate::source::Source;

/// Deeper than any message is nested.
const DEEPEST: u8 = 8;

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let (mut out, mut model) = (Vec::new(), Map::new());
    let kind = text(&mut source);
    let mut message = Object::message(&mut out, &kind);
    model.insert("type".into(), kind.clone().into());
    members(&mut message, &mut model, &mut source, 0);
    message.line();
    assert_eq!(
        out.iter().filter(|byte| **byte < 0x20).count(),
        1,
        "one newline, and no other control character"
    );
    let read: Reference = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(read, Reference::Object(model));
    let own = wire::json::Value::parse(std::str::from_utf8(&out).expect("UTF-8")).expect("JSON to ours too");
    assert!(crate::reference::agree(own, &read), "{read}");
}

fn text(source: &mut Source<'_>) -> String {
    let length = source.below(40);
    String::from_utf8_lossy(source.bytes(length)).into_owned()
}

/// Members under names of the input, each with a number behind it: a name twice is the writer's caller's fault.
fn members(object: &mut Object<'_>, model: &mut Map<String, Reference>, source: &mut Source<'_>, depth: u8) {
    for number in 0..source.below(10) {
        let name = format!("{}{number}", text(source));
        let value: Reference = match source.below(11) {
            0 => {
                let text = text(source);
                object.text(&name, &text);
                text.into()
            }
            1 => {
                let length = source.below(60);
                let bytes = source.bytes(length);
                object.lossy(&name, bytes);
                String::from_utf8_lossy(bytes).into()
            }
            2 => {
                let length = source.below(60);
                let bytes = source.bytes(length);
                object.base64(&name, bytes);
                model.insert(name.clone(), encode(bytes).into());
                continue;
            }
            3 => {
                let count = source.long();
                object.count(&name, count);
                count.into()
            }
            4 => {
                let integer = source.long().cast_signed();
                object.integer(&name, integer);
                integer.into()
            }
            5 => {
                object.yes(&name);
                true.into()
            }
            6 => {
                object.no(&name);
                false.into()
            }
            7 if depth < DEEPEST => {
                let (mut within, mut map) = (object.object(&name), Map::new());
                members(&mut within, &mut map, source, depth + 1);
                within.end();
                map.into()
            }
            8 if depth < DEEPEST => {
                let mut maps = Vec::new();
                object.objects(&name, 0..source.below(4), |within, _| {
                    let mut map = Map::new();
                    members(within, &mut map, source, depth + 1);
                    maps.push(map.into());
                });
                Reference::Array(maps)
            }
            _ => {
                let texts: Vec<&[u8]> = (0..source.below(5))
                    .map(|_| {
                        let length = source.below(12);
                        source.bytes(length)
                    })
                    .collect();
                object.texts(&name, texts.iter().copied());
                texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
            }
        };
        model.insert(name, value);
    }
}

/// base64 by arithmetic on one long number of bits (RFC 4648, section 4).
fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
    let six = |at: usize| (at..at + 6).fold(0, |sum, at| sum << 1 | usize::from(bit(at)));
    let mut text: String = (0..bytes.len() * 8).step_by(6).map(|at| char::from(ALPHABET[six(at)])).collect();
    text.extend(std::iter::repeat_n('=', text.len().next_multiple_of(4) - text.len()));
    text
}
