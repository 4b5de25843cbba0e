//! The elements that a slice selects (RFC 9535, section 2.3.4.2.2).

/// Elements of a list, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// The first one in the order of the list.
    pub(super) first: usize,
    pub(super) count: usize,
    /// The distance from one to the next.
    pub(super) stride: usize,
    pub(super) is_reversed: bool,
}

impl Range {
    /// The range of a slice; `None` if it selects nothing.
    pub(super) fn of(length: usize, start: Option<i64>, end: Option<i64>, step: i64) -> Option<Self> {
        let length = i64::try_from(length).ok()?;
        let from_start = |place: i64| if place < 0 { length + place } else { place };
        // The bounds of the range, in the order of the list.
        let (lower, upper) = if step > 0 {
            let lower = from_start(start.unwrap_or(0)).clamp(0, length);
            (lower, from_start(end.unwrap_or(length)).clamp(0, length))
        } else {
            let last = start.map_or(length - 1, from_start).clamp(-1, length - 1);
            let before = end.map_or(-1, from_start).clamp(-1, length - 1);
            (before + 1, last + 1)
        };
        let stride = step.checked_abs().filter(|stride| *stride > 0)?;
        if lower >= upper {
            return None;
        }
        let steps = (upper - 1 - lower) / stride;
        let first = if step > 0 {
            lower
        } else {
            upper - 1 - steps * stride
        };
        Some(Self {
            first: usize::try_from(first).ok()?,
            count: usize::try_from(steps + 1).ok()?,
            stride: usize::try_from(stride.min(length)).ok()?,
            is_reversed: step < 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(length: usize, start: Option<i64>, end: Option<i64>, step: i64) -> Vec<usize> {
        let Some(range) = Range::of(length, start, end, step) else {
            return Vec::new();
        };
        let places = (0..range.count).map(|place| range.first + place * range.stride);
        if range.is_reversed {
            places.rev().collect()
        } else {
            places.collect()
        }
    }

    /// The algorithm of RFC 9535, as written there.
    fn expected(length: usize, start: Option<i64>, end: Option<i64>, step: i64) -> Vec<usize> {
        let length = i64::try_from(length).unwrap();
        let (first, last) = if step >= 0 {
            (0, length)
        } else {
            (length - 1, -length - 1)
        };
        let normal = |place: i64| if place >= 0 { place } else { length + place };
        let (start, end) = (normal(start.unwrap_or(first)), normal(end.unwrap_or(last)));
        let mut places = Vec::new();
        if step > 0 {
            let mut place = start.clamp(0, length);
            while place < end.clamp(0, length) {
                places.push(usize::try_from(place).unwrap());
                place += step;
            }
        } else if step < 0 {
            let mut place = start.clamp(-1, length - 1);
            while end.clamp(-1, length - 1) < place {
                places.push(usize::try_from(place).unwrap());
                place += step;
            }
        }
        places
    }

    #[test]
    fn a_slice_takes_what_the_rfc_says() {
        let places = [
            None,
            Some(-9),
            Some(-3),
            Some(-1),
            Some(0),
            Some(1),
            Some(3),
            Some(9),
        ];
        for length in 0..5 {
            for start in places {
                for end in places {
                    for step in [-9, -3, -2, -1, 0, 1, 2, 3, 9] {
                        let slice = (length, start, end, step);
                        assert_eq!(
                            taken(length, start, end, step),
                            expected(length, start, end, step),
                            "{slice:?}"
                        );
                    }
                }
            }
        }
    }
}
