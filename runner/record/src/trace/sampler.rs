//! Trace sampling. A run is always the root of its trace, so only its own id decides.

/// A ratio of traces, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(f64);

impl Ratio {
    /// `None` if `ratio` is not within 0 and 1.
    #[must_use]
    pub fn new(ratio: f64) -> Option<Self> {
        (0.0..=1.0).contains(&ratio).then_some(Self(ratio))
    }
}

/// Samples by the trace id alone, so that all samplers with the same ratio select the same traces
/// (<https://opentelemetry.io/docs/specs/otel/trace/sdk/#built-in-samplers>).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Sampler {
    /// All traces.
    #[default]
    AlwaysOn,
    /// No traces.
    AlwaysOff,
    /// This ratio of traces.
    Ratio(Ratio),
}

impl Sampler {
    /// Whether the trace is sampled.
    ///
    /// The specification leaves the algorithm open. This is the one of the SDKs for Rust, Go, Java and C++: the lower
    /// eight bytes of the id, without their lowest bit, are below `ratio` times 2^63.
    #[must_use]
    pub fn is_sampled(&self, trace_id: [u8; 16]) -> bool {
        match self {
            Self::AlwaysOn => true,
            Self::AlwaysOff => false,
            // Rounding could make the bound one too small for the last id.
            Self::Ratio(Ratio(ratio)) if *ratio >= 1.0 => true,
            Self::Ratio(Ratio(ratio)) => {
                let [.., a, b, c, d, e, f, g, h] = trace_id;
                let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
                number < bound(*ratio)
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the ratio is from 0 to 1, so that the product fits"
)]
fn bound(ratio: f64) -> u64 {
    const ALL: f64 = 9_223_372_036_854_775_808.0;
    (ratio * ALL) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(ratio: f64) -> Sampler {
        Sampler::Ratio(Ratio::new(ratio).unwrap())
    }

    fn id(low: u64) -> [u8; 16] {
        let mut id = [0xff; 16];
        id[8..].copy_from_slice(&low.to_be_bytes());
        id
    }

    #[test]
    fn a_ratio_is_from_0_to_1() {
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::new(wrong), None);
        }
        assert_eq!(Ratio::new(0.25), Some(Ratio(0.25)));
    }

    #[test]
    fn all_or_nothing_does_not_ask_for_the_id() {
        for low in [0, u64::MAX] {
            assert!(Sampler::AlwaysOn.is_sampled(id(low)));
            assert!(!Sampler::AlwaysOff.is_sampled(id(low)));
            assert!(ratio(1.0).is_sampled(id(low)));
            assert!(!ratio(0.0).is_sampled(id(low)));
        }
    }

    #[test]
    fn the_lower_half_of_the_id_decides() {
        assert!(ratio(0.5).is_sampled(id(u64::MAX / 2)));
        assert!(!ratio(0.5).is_sampled(id(u64::MAX / 2 + 1)));
        assert!(ratio(0.25).is_sampled(id(u64::MAX / 4)));
        assert!(!ratio(0.25).is_sampled(id(u64::MAX / 4 + 1)));
    }

    #[test]
    fn about_as_many_are_kept_as_the_ratio_says() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let kept = (0..10_000).filter(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ratio(0.1).is_sampled(id(state))
        });
        let kept = kept.count();
        assert!((900..1_100).contains(&kept), "{kept}");
    }
}
