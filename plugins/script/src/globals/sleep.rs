//! `sleep(time)`.

use boa_engine::{Context, JsArgs as _, JsResult, JsValue};
use canary_sdk::{ErrorCode, NetError};

use super::{function, network_error};
use crate::run::Run;
use crate::value::duration;

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let sleep = |_: &_, args: &[_], context: &mut Context| {
        let time = duration(args.get_or_undefined(0), "sleep: the time")?;
        let left = Run::of(context)?.check.remaining();
        if time >= left {
            // As the clients do, and not only once the host ends the run: then the script cannot return a verdict.
            let reason = format!(
                "cannot sleep for {} ms: the run has {} ms left",
                time.as_millis(),
                left.as_millis()
            );
            let late = NetError::new(ErrorCode::Timeout, reason);
            return Err(network_error::thrown("sleep", &late, context));
        }
        #[expect(clippy::disallowed_methods, reason = "a plugin has no other work to do")]
        std::thread::sleep(time);
        Ok(JsValue::undefined())
    };
    function("sleep", sleep, 1, context)
}
