//! Native histograms: spans and deltas on the wire, bucket indexes and counts in the table.

use crate::metrics::metric::rounded;
use crate::wire::{Fault, Reader, double, len, varint};

/// Prometheus' finest and coarsest.
const SCALES: std::ops::RangeInclusive<i32> = -4..=8;

/// One side of zero.
#[derive(Default)]
struct Side {
    spans: Vec<(i64, u64)>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
    buckets: Vec<(i32, u64)>,
}

/// The exponential part of a Histogram.
#[derive(Default)]
pub struct Exponential {
    /// 5: the schema is there
    pub present: bool,
    /// 5
    pub scale: i8,
    /// 6
    pub zero_threshold: f64,
    /// 7, 8
    pub zero_count: u64,
    schema: i32,
    positive: Side,
    negative: Side,
}

impl Exponential {
    /// Forgets everything.
    pub fn clear(&mut self) {
        (self.present, self.schema, self.zero_threshold, self.zero_count) = (false, 0, 0.0, 0);
        for side in [&mut self.positive, &mut self.negative] {
            side.spans.clear();
            side.deltas.clear();
            side.counts.clear();
            side.buckets.clear();
        }
    }

    /// Reads a field of Histogram if it is one of these; says whether it was.
    pub fn field(&mut self, tag: u32, message: &mut Reader, inexact: &mut bool) -> Result<bool, Fault> {
        const SCHEMA: u32 = varint(5);
        const ZERO_THRESHOLD: u32 = double(6);
        const ZERO_COUNT: u32 = varint(7);
        const ZERO_COUNT_FLOAT: u32 = double(8);
        match tag {
            SCHEMA => (self.present, self.schema) = (true, zigzag(message.varint()?) as i32),
            ZERO_THRESHOLD => self.zero_threshold = message.double()?,
            ZERO_COUNT => self.zero_count = message.varint()?,
            ZERO_COUNT_FLOAT => self.zero_count = rounded(message.double()?, inexact),
            _ => {
                let (first, side) = if tag >> 3 < 12 { (9, &mut self.negative) } else { (12, &mut self.positive) };
                return side.field(tag, first, message);
            }
        }
        Ok(true)
    }

    /// Makes buckets of spans and deltas; false when they contradict themselves.
    pub fn take_apart(&mut self, inexact: &mut bool) -> bool {
        self.scale = self.schema.clamp(-128, 127) as i8;
        SCALES.contains(&self.schema)
            && self.zero_threshold >= 0.0
            && self.positive.take_apart(inexact)
            && self.negative.take_apart(inexact)
    }

    /// Index and count of each bucket above zero; bucket i ends at base^(i+1).
    pub fn positive(&self) -> &[(i32, u64)] {
        &self.positive.buckets
    }

    /// The same below zero.
    pub fn negative(&self) -> &[(i32, u64)] {
        &self.negative.buckets
    }
}

impl Side {
    fn field(&mut self, tag: u32, first: u32, message: &mut Reader) -> Result<bool, Fault> {
        if tag == len(first) {
            self.spans.push(span(message.message()?)?);
        } else if tag == len(first + 1) {
            let mut packed = message.message()?;
            while !packed.is_empty() {
                self.deltas.push(zigzag(packed.varint()?));
            }
        } else if tag == varint(first + 1) {
            self.deltas.push(zigzag(message.varint()?));
        } else if tag == len(first + 2) {
            let mut packed = message.message()?;
            while !packed.is_empty() {
                self.counts.push(packed.double()?);
            }
        } else if tag == double(first + 2) {
            self.counts.push(message.double()?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn take_apart(&mut self, inexact: &mut bool) -> bool {
        let given = self.deltas.len().max(self.counts.len());
        let spanned = self.spans.iter().try_fold(0_u64, |sum, (_, length)| sum.checked_add(*length));
        // Compared first: a length of four billion must not make us loop.
        if spanned != Some(given as u64) || (!self.deltas.is_empty() && !self.counts.is_empty()) {
            return false;
        }
        let (mut at, mut next, mut count) = (0, 0_i64, 0_i64);
        for &(offset, length) in &self.spans {
            next += offset;
            for _ in 0..length {
                count = match self.deltas.get(at) {
                    Some(delta) => count.wrapping_add(*delta),
                    None => rounded(self.counts[at], inexact).min(i64::MAX as u64) as i64,
                };
                // Prometheus' bucket i ends at base^i, ours at base^(i+1).
                let (Ok(index), Ok(own)) = (i32::try_from(next - 1), u64::try_from(count)) else { return false };
                self.buckets.push((index, own));
                at += 1;
                next += 1;
            }
        }
        true
    }
}

/// BucketSpan: how many buckets are left out before it, and how many it has.
fn span(mut message: Reader) -> Result<(i64, u64), Fault> {
    const OFFSET: u32 = varint(1);
    const LENGTH: u32 = varint(2);
    let (mut offset, mut length) = (0, 0);
    while let Some(tag) = message.tag()? {
        match tag {
            OFFSET => offset = i64::from(zigzag(message.varint()?) as i32),
            LENGTH => length = u64::from(message.uint32()?),
            _ => message.skip(tag)?,
        }
    }
    Ok((offset, length))
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(spans: &[(i64, u64)], deltas: &[i64]) -> Option<Vec<(i32, u64)>> {
        let mut side = Side { spans: spans.to_vec(), deltas: deltas.to_vec(), ..Side::default() };
        side.take_apart(&mut false).then_some(side.buckets)
    }

    #[test]
    fn spans_and_deltas_become_buckets() {
        let buckets = apart(&[(1, 2), (2, 1)], &[3, -1, 5]);
        assert_eq!(buckets, Some(vec![(0, 3), (1, 2), (4, 7)]));
    }

    #[test]
    fn a_span_without_its_deltas_is_refused() {
        assert_eq!(apart(&[(0, u64::from(u32::MAX))], &[1]), None);
        assert_eq!(apart(&[(0, u64::MAX), (0, 2)], &[1]), None);
        assert_eq!(apart(&[(0, 1)], &[-1]), None);
        assert_eq!(apart(&[(i64::from(i32::MIN), 1)], &[1]), None);
    }

    #[test]
    fn zigzag_goes_both_ways() {
        assert_eq!([0, 1, 2, 3, u64::MAX].map(zigzag), [0, -1, 1, -2, i64::MIN]);
    }
}
