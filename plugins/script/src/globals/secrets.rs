//! `mask`, for secrets that a script learns, such as a token.

use boa_engine::{Context, JsArgs as _, JsResult};
use canary_sdk::secrets;

use super::{function, network_error};
use crate::value::expect_text;

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let mask = |_: &_, args: &[_], context: &mut Context| {
        let value = args.get_or_undefined(0);
        let text = expect_text(value, "mask: the secret")?;
        secrets::mask(&text).map_err(|error| network_error::thrown("mask", &error, context))?;
        Ok(value.clone())
    };
    function("mask", mask, 1, context)
}
