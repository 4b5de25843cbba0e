//! Paths into JSON, such as `items[0].price`.

use boa_engine::{Context, JsResult, JsString, JsValue};

/// A path that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path; write one such as `items[0].price`, or `[\"a.b\"]` for a name with a dot")]
pub(super) struct PathError(String);

/// The names and indices of a path, which may begin with `$`.
pub(super) fn parse(path: &str) -> Result<Vec<String>, PathError> {
    let error = || PathError(path.to_owned());
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (name, after) = quoted.split_once("\"]").ok_or_else(error)?;
            steps.push(name.to_owned());
            rest = after;
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']').ok_or_else(error)?;
            if index.is_empty() || !index.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(error());
            }
            steps.push(index.to_owned());
            rest = after;
        } else {
            let is_first = steps.is_empty() && !path.starts_with('$');
            let name = match rest.strip_prefix('.') {
                Some(name) => name,
                None if is_first => rest,
                None => return Err(error()),
            };
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (name, after) = name.split_at_checked(end).ok_or_else(error)?;
            if name.is_empty() {
                return Err(error());
            }
            steps.push(name.to_owned());
            rest = after;
        }
    }
    Ok(steps)
}

/// The value at a path, if there is one.
pub(super) fn find(root: &JsValue, steps: &[String], context: &mut Context) -> JsResult<Option<JsValue>> {
    let mut here = root.clone();
    for step in steps {
        let Some(object) = here.as_object() else {
            return Ok(None);
        };
        let key = JsString::from(step.as_str());
        if !object.has_own_property(key.clone(), context)? {
            return Ok(None);
        }
        here = object.get(key, context)?;
    }
    Ok(Some(here))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_and_indices() {
        let steps = |path: &str| parse(path).unwrap().join("|");
        for (path, expected) in [
            ("", ""),
            ("$", ""),
            ("a", "a"),
            ("$.a.b", "a|b"),
            ("items[0].price", "items|0|price"),
            ("[2][1]", "2|1"),
            ("$[\"a.b\"].c", "a.b|c"),
            (".a", "a"),
        ] {
            assert_eq!(steps(path), expected, "{path}");
        }
        for path in ["a..b", "a[", "a[x]", "a[]", "$a", "a[0]b", "[\"a"] {
            assert_eq!(parse(path), Err(PathError(path.into())), "{path}");
        }
    }
}
