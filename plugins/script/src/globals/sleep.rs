//! `sleep(time)`.

use boa_engine::{Context, JsArgs as _, JsResult, JsValue};

use super::function;
use crate::run::Run;
use crate::value::{duration, range_error};

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let sleep = |_: &_, args: &[_], context: &mut Context| {
        let time = duration(args.get_or_undefined(0), "sleep: the time")?;
        let left = Run::of(context)?.check.remaining();
        if time >= left {
            return Err(range_error(format_args!(
                "sleep: {} ms are more than the {} ms that are left of the run",
                time.as_millis(),
                left.as_millis()
            )));
        }
        #[expect(clippy::disallowed_methods, reason = "a plugin has no other work to do")]
        std::thread::sleep(time);
        Ok(JsValue::undefined())
    };
    function("sleep", sleep, 1, context)
}
