//! What `serde_json` makes of a text, and how ours is compared with it.

use serde_json::Value as Reference;
use wire::json::{Kind, Value};

/// Whether the two say the same. Known differences: `serde_json` reads `-0` as a fraction, keeps whole numbers
/// beyond 64 bits as fractions, and rounds fractions to within a few units of the last place.
pub fn agree(ours: Value<'_>, theirs: &Reference) -> bool {
    match (ours.kind(), theirs) {
        (Kind::Null, Reference::Null) => true,
        (Kind::Truth, Reference::Bool(truth)) => ours.truth() == Some(*truth),
        (Kind::String, Reference::String(text)) => ours.string().as_deref() == Some(text.as_str()),
        (Kind::Number, Reference::Number(number)) => {
            let exact = ours.count() == number.as_u64() && ours.integer() == number.as_i64();
            exact || number.as_f64().is_some_and(|theirs| near(ours, theirs))
        }
        (Kind::Array, Reference::Array(elements)) => {
            let mut own = ours.elements().into_iter().flatten();
            elements.iter().all(|element| own.next().is_some_and(|own| agree(own, element)))
                && own.next().is_none()
        }
        (Kind::Object, Reference::Object(members)) => {
            // Of members with the same name the last one counts.
            let own: std::collections::BTreeMap<_, _> = ours.members().into_iter().flatten().collect();
            own.len() == members.len()
                && own.iter().all(|(name, value)| {
                    members.get(name.as_ref()).is_some_and(|member| agree(*value, member))
                })
        }
        _ => false,
    }
}

fn near(ours: Value<'_>, theirs: f64) -> bool {
    let Some(own) = ours.digits().and_then(|digits| digits.parse::<f64>().ok()) else { return false };
    (own - theirs).abs() <= own.abs() * 8.0 * f64::EPSILON + f64::MIN_POSITIVE
}

/// The reference's reading; `None` where it alone refuses: a number beyond the range of a double.
pub fn read(text: &str) -> Option<Result<Reference, serde_json::Error>> {
    let read = serde_json::from_str(text);
    let is_out_of_range = |error: &serde_json::Error| error.to_string().starts_with("number out of range");
    (!read.as_ref().is_err_and(is_out_of_range)).then_some(read)
}
