//! Reads one metric of a family completely, before anything of it reaches a column.

use crate::metrics::exponential::Exponential;
use crate::wire::{Fault, Reader, double, len, varint};

/// io.prometheus.client.MetricType, by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Kind {
    Counter = 0,
    Gauge = 1,
    Summary = 2,
    Untyped = 3,
    Histogram = 4,
    GaugeHistogram = 5,
}

impl Kind {
    /// The kind of that number, if there is one.
    pub fn of(number: i32) -> Option<Self> {
        use Kind::{Counter, Gauge, GaugeHistogram, Histogram, Summary, Untyped};
        [Counter, Gauge, Summary, Untyped, Histogram, GaugeHistogram].get(usize::try_from(number).ok()?).copied()
    }
}

/// A label, borrowed from the message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Label<'a> {
    /// 1
    pub name: &'a [u8],
    /// 2
    pub value: &'a [u8],
}

/// A Metric: its labels, and the one value that its family's kind asks for.
#[derive(Default)]
pub struct Metric<'a> {
    /// 1
    pub labels: Vec<Label<'a>>,
    /// 2, 3 or 5: the kind by its field, and the number in it
    pub number: Option<(u32, f64)>,
    /// 4 or 7: the same for a distribution
    pub sampled: Option<u32>,
    /// 4.1, 7.1
    pub count: u64,
    /// 4.2, 7.2
    pub sum: f64,
    /// 7.3.2, or 4.3.1: upper bounds, or quantiles
    pub bounds: Vec<f64>,
    /// 7.3.1: not cumulative after [`Metric::take_apart`]
    pub buckets: Vec<u64>,
    /// 4.3.2
    pub quantile_values: Vec<f64>,
    /// 7.5 to 7.14
    pub exponential: Exponential,
    /// 6; 0 when absent
    pub timestamp_ms: i64,
    /// A count was given as a floating-point number and has been rounded.
    pub rounded: bool,
}

pub const GAUGE: u32 = len(2);
pub const COUNTER: u32 = len(3);
pub const SUMMARY: u32 = len(4);
pub const UNTYPED: u32 = len(5);
pub const HISTOGRAM: u32 = len(7);

impl<'a> Metric<'a> {
    /// Forgets what was read before, and reads.
    pub fn read(&mut self, mut message: Reader<'a>) -> Result<(), Fault> {
        const LABEL: u32 = len(1);
        const TIMESTAMP_MS: u32 = varint(6);
        self.clear();
        while let Some(tag) = message.tag()? {
            match tag {
                LABEL => self.labels.push(label(message.message()?)?),
                GAUGE | COUNTER | UNTYPED => self.number = Some((tag, number(message.message()?)?)),
                SUMMARY => self.summary(message.message()?)?,
                HISTOGRAM => self.histogram(message.message()?)?,
                TIMESTAMP_MS => self.timestamp_ms = message.varint()? as i64,
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.labels.clear();
        self.number = None;
        self.sampled = None;
        self.timestamp_ms = 0;
        self.rounded = false;
    }

    fn begin(&mut self, tag: u32) {
        self.sampled = Some(tag);
        self.count = 0;
        self.sum = 0.0;
        self.bounds.clear();
        self.buckets.clear();
        self.quantile_values.clear();
        self.exponential.clear();
    }

    fn summary(&mut self, mut message: Reader) -> Result<(), Fault> {
        const SAMPLE_COUNT: u32 = varint(1);
        const SAMPLE_SUM: u32 = double(2);
        const QUANTILE: u32 = len(3);
        self.begin(SUMMARY);
        while let Some(tag) = message.tag()? {
            match tag {
                SAMPLE_COUNT => self.count = message.varint()?,
                SAMPLE_SUM => self.sum = message.double()?,
                QUANTILE => self.quantile(message.message()?)?,
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn quantile(&mut self, mut message: Reader) -> Result<(), Fault> {
        const QUANTILE: u32 = double(1);
        const VALUE: u32 = double(2);
        let (mut quantile, mut value) = (0.0, 0.0);
        while let Some(tag) = message.tag()? {
            match tag {
                QUANTILE => quantile = message.double()?,
                VALUE => value = message.double()?,
                _ => message.skip(tag)?,
            }
        }
        // Envoy's quantiles of an empty interval are NaN: there is no such value.
        if quantile.is_finite() && value.is_finite() {
            self.bounds.push(quantile);
            self.quantile_values.push(value);
        }
        Ok(())
    }

    fn histogram(&mut self, mut message: Reader) -> Result<(), Fault> {
        const SAMPLE_COUNT: u32 = varint(1);
        const SAMPLE_SUM: u32 = double(2);
        const BUCKET: u32 = len(3);
        const SAMPLE_COUNT_FLOAT: u32 = double(4);
        self.begin(HISTOGRAM);
        while let Some(tag) = message.tag()? {
            match tag {
                SAMPLE_COUNT => self.count = message.varint()?,
                SAMPLE_SUM => self.sum = message.double()?,
                BUCKET => self.bucket(message.message()?)?,
                SAMPLE_COUNT_FLOAT => self.count = rounded(message.double()?, &mut self.rounded),
                _ if self.exponential.field(tag, &mut message, &mut self.rounded)? => {}
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn bucket(&mut self, mut message: Reader) -> Result<(), Fault> {
        const CUMULATIVE_COUNT: u32 = varint(1);
        const UPPER_BOUND: u32 = double(2);
        const CUMULATIVE_COUNT_FLOAT: u32 = double(4);
        let (mut count, mut bound) = (0, 0.0);
        while let Some(tag) = message.tag()? {
            match tag {
                CUMULATIVE_COUNT => count = message.varint()?,
                UPPER_BOUND => bound = message.double()?,
                CUMULATIVE_COUNT_FLOAT => count = rounded(message.double()?, &mut self.rounded),
                _ => message.skip(tag)?,
            }
        }
        // The bucket up to +Inf is the whole count, whether written or, as by Envoy, not.
        if bound != f64::INFINITY {
            self.bounds.push(bound);
            self.buckets.push(count);
        }
        Ok(())
    }

    /// Makes cumulative buckets single ones, the last up to +Inf; false when they contradict themselves.
    pub fn take_apart(&mut self) -> bool {
        let finite = self.bounds.iter().all(|bound| bound.is_finite());
        if !finite || self.bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
            return false;
        }
        let mut below = 0;
        for bucket in &mut self.buckets {
            let Some(own) = bucket.checked_sub(below) else { return false };
            below = std::mem::replace(bucket, own);
        }
        let Some(beyond) = self.count.checked_sub(below) else { return false };
        self.buckets.push(beyond);
        true
    }
}

fn label<'a>(mut message: Reader<'a>) -> Result<Label<'a>, Fault> {
    const NAME: u32 = len(1);
    const VALUE: u32 = len(2);
    let mut label = Label::default();
    while let Some(tag) = message.tag()? {
        match tag {
            NAME => label.name = message.bytes()?,
            VALUE => label.value = message.bytes()?,
            _ => message.skip(tag)?,
        }
    }
    Ok(label)
}

/// Gauge, Counter or Untyped.
fn number(mut message: Reader) -> Result<f64, Fault> {
    const VALUE: u32 = double(1);
    let mut value = 0.0;
    while let Some(tag) = message.tag()? {
        match tag {
            VALUE => value = message.double()?,
            _ => message.skip(tag)?,
        }
    }
    Ok(value)
}

/// The nearest whole count; NaN and what is below 0 become 0.
pub fn rounded(count: f64, inexact: &mut bool) -> u64 {
    let whole = count.round() as u64;
    *inexact |= whole as f64 != count;
    whole
}
