//! Our reader and writer of JSON against `serde_json`, with documents made at random.

use serde_json::Value as Reference;
use wire::json::{Kind, Object, Value};

/// xorshift64*: the same documents in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn text(&mut self) -> String {
        const ALPHABET: &[char] = &[
            'a', 'Z', '"', '\\', '/', '\n', '\t', '\u{0}', '\u{1f}', '\u{7f}', 'é', '€', '😀', ' ', '{', ']',
        ];
        (0..self.below(24)).map(|_| ALPHABET[self.below(ALPHABET.len() as u64) as usize]).collect()
    }

    fn document(&mut self, depth: u32) -> Reference {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Reference::Null,
            1 => Reference::Bool(self.below(2) == 0),
            2 => self.next().into(),
            3 => self.next().cast_signed().into(),
            4 => ((self.next() % 1_000_000) as f64 / 977.0).into(),
            5 => self.text().into(),
            6 => (0..self.below(6)).map(|_| self.document(depth - 1)).collect(),
            _ => {
                let members = (0..self.below(6)).map(|_| (self.text(), self.document(depth - 1)));
                Reference::Object(members.collect())
            }
        }
    }
}

/// Ours, turned into the reference's.
fn convert(value: Value<'_>) -> Reference {
    match value.kind() {
        Kind::Null => Reference::Null,
        Kind::Truth => value.truth().unwrap().into(),
        Kind::String => value.string().unwrap().into_owned().into(),
        Kind::Array => value.elements().unwrap().map(convert).collect(),
        Kind::Object => Reference::Object(
            value.members().unwrap().map(|(name, value)| (name.into_owned(), convert(value))).collect(),
        ),
        Kind::Number => match (value.count(), value.integer()) {
            (Some(count), _) => count.into(),
            (None, Some(integer)) => integer.into(),
            (None, None) => value.digits().unwrap().parse::<f64>().unwrap().into(),
        },
    }
}

#[test]
fn random_documents_mean_the_same_to_both() {
    let mut random = Random(0x5eed);
    for round in 0..20_000 {
        let document = random.document(5);
        let text = if round % 2 == 0 {
            serde_json::to_string(&document).unwrap()
        } else {
            serde_json::to_string_pretty(&document).unwrap()
        };
        assert_eq!(convert(Value::parse(&text).unwrap()), document, "{text}");
    }
}

#[test]
fn damaged_documents_are_refused_by_both_or_neither() {
    let mut random = Random(0xda3a6ed);
    let mut refused = 0;
    for _ in 0..60_000 {
        let mut bytes = serde_json::to_vec(&random.document(4)).unwrap();
        for _ in 0..=random.below(2) {
            let at = random.below(bytes.len() as u64) as usize;
            match random.below(3) {
                0 => bytes[at] = b"{}[]\",:\\u0e-+.tn \n9"[random.below(19) as usize],
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, b"{}[]\",:\\u0e-+.tn \n9"[random.below(19) as usize]),
            }
        }
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        // A number beyond the range of a double is an error to the reference alone.
        let theirs = serde_json::from_str::<Reference>(text);
        let out_of_range = theirs.as_ref().is_err_and(|error| error.to_string().starts_with("number out"));
        if !out_of_range {
            assert_eq!(Value::parse(text).is_ok(), theirs.is_ok(), "{text}");
            refused += u32::from(theirs.is_err());
        }
    }
    assert!(refused > 10_000, "only {refused} documents were damaged at all");
}

#[test]
fn surrogates_are_pairs_to_both() {
    for text in [
        r#""\ud83d\ude00""#,
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83d\u0041""#,
        r#""\ud83dx""#,
        r#""\u0000\u00e9\uffff""#,
        r#""\ud83d\ud83d\ude00""#,
        r#""\u12""#,
        r#""\x""#,
        "\"\u{1}\"",
    ] {
        let theirs: Option<Reference> = serde_json::from_str(text).ok();
        assert_eq!(Value::parse(text).ok().map(convert), theirs, "{text}");
    }
}

#[test]
fn depth_is_limited_where_the_reference_limits_it_and_costs_no_stack() {
    for (depth, is_fine) in [(127, true), (128, false), (500_000, false)] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(Value::parse(&text).is_ok(), is_fine, "{depth} times {open}");
            if depth < 1000 {
                assert_eq!(serde_json::from_str::<Reference>(&text).is_ok(), is_fine, "{depth}");
            }
        }
    }
}

#[test]
fn what_is_written_is_what_the_reference_writes() {
    let mut random = Random(77);
    for _ in 0..20_000 {
        let (text, number, signed) = (random.text(), random.next(), random.next().cast_signed());
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.text("text", &text).count("number", number).integer("signed", signed).yes("yes").no("no");
        object.end();
        let text = serde_json::to_string(&text).unwrap();
        let expected =
            format!(r#"{{"text":{text},"number":{number},"signed":{signed},"yes":true,"no":false}}"#);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn bytes_that_are_no_text_are_replaced_as_the_standard_library_does() {
    let mut random = Random(4);
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8 | 0x40).collect();
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.lossy("b", &bytes);
        object.end();
        let parsed: Reference = serde_json::from_slice(&out).unwrap();
        assert_eq!(parsed["b"], *String::from_utf8_lossy(&bytes));
    }
}
