//! Equality of values with their contents.

use boa_engine::object::JsObject;
use boa_engine::{Context, JsResult, JsValue};

use crate::value::{entries, error};

/// How deep two values are compared.
const MAX_DEPTH: usize = 64;

/// Whether two values are the same, or are lists or objects with equal contents.
pub(super) fn equal(left: &JsValue, right: &JsValue, context: &mut Context) -> JsResult<bool> {
    within(MAX_DEPTH, left, right, context)
}

fn within(depth: usize, left: &JsValue, right: &JsValue, context: &mut Context) -> JsResult<bool> {
    if JsValue::same_value_zero(left, right) {
        return Ok(true);
    }
    let (Some(left), Some(right)) = (left.as_object(), right.as_object()) else {
        return Ok(false);
    };
    let has_contents =
        |object: &JsObject| object.is_array() || (object.is_ordinary() && !object.is_callable());
    if !has_contents(&left) || !has_contents(&right) || left.is_array() != right.is_array() {
        return Ok(false);
    }
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| error(format_args!("the values are more than {MAX_DEPTH} levels deep")))?;
    let (mut of_left, mut of_right) = (entries(&left, context)?, entries(&right, context)?);
    if of_left.len() != of_right.len() {
        return Ok(false);
    }
    of_left.sort_by(|one, other| one.0.cmp(&other.0));
    of_right.sort_by(|one, other| one.0.cmp(&other.0));
    for ((left_key, left), (right_key, right)) in of_left.iter().zip(&of_right) {
        if left_key != right_key || !within(depth, left, right, context)? {
            return Ok(false);
        }
    }
    Ok(true)
}
