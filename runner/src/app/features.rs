//! The optional features of the build that users notice.

/// Each with whether the build has it.
const FEATURES: [(&str, bool); 2] = [("demo", cfg!(feature = "demo")), ("mail", cfg!(feature = "mail"))];

/// The names of those that it was built with.
pub(super) fn built() -> Vec<&'static str> {
    let features = FEATURES.into_iter();
    features
        .filter_map(|(name, is_built)| is_built.then_some(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_that_is_on_by_default_is_known() {
        let manifest = include_str!("../../Cargo.toml");
        let default = format!("default = {:?}\n", FEATURES.map(|(name, _)| name));
        assert!(manifest.contains(&default), "{default}");
    }
}
