//! Walks messages metric by metric, and counts what had to be left out or repaired.

use crate::metrics::metric::{COUNTER, GAUGE, HISTOGRAM, Kind, Metric, SUMMARY, UNTYPED};
use crate::metrics::names::{Names, Refusal};
use crate::metrics::rows::{Histograms, Numbers, Summaries};
use crate::wire::{Fault, Reader, len, varint};
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

/// How many metrics (or rests of messages) were kept out, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Families or metrics that are not protobuf.
    pub malformed_metric: u64,
    /// Messages that are not protobuf from some point on; the families before it are kept.
    pub malformed_message: u64,
    /// Nested too deep.
    pub too_deep: u64,
    /// Families without a name.
    pub no_name: u64,
    /// Without a value, or with another kind's.
    pub no_value: u64,
    /// Counters that are negative or not finite, and sums that are not finite.
    pub invalid_value: u64,
    /// Buckets that contradict each other, or bounds that don't ascend.
    pub invalid_histogram: u64,
    /// Gauge histograms: no template takes them.
    pub gauge_histogram: u64,
    /// There are as many distinct stats as there may be.
    pub too_many_names: u64,
    /// Name and labels beyond 16 KiB.
    pub name_too_long: u64,
}

/// How many metrics were kept though something was not right, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// The family has no type, or one that we don't know; the value tells.
    pub no_type: u64,
    /// A count was a floating-point number.
    pub rounded_count: u64,
}

/// What became of some messages.
#[derive(Debug)]
pub struct Decoded {
    /// Counters, gauges and untyped values.
    pub numbers: RecordBatch,
    /// Histograms.
    pub histograms: RecordBatch,
    /// Summaries.
    pub summaries: RecordBatch,
    /// For each message the first timestamp in it; 0 for none.
    pub timestamps_ms: Vec<i64>,
    /// What is not in the tables.
    pub rejected: Rejected,
    /// What is not in them as it came.
    pub repaired: Repaired,
}

/// Makes tables of many messages.
pub struct Decoder<'a, 'names> {
    names: &'names mut Names,
    metric: Metric<'a>,
    numbers: Numbers,
    histograms: Histograms,
    summaries: Summaries,
    timestamps_ms: Vec<i64>,
    rejected: Rejected,
    repaired: Repaired,
}

impl<'a, 'names> Decoder<'a, 'names> {
    /// Begins the tables; `names` numbers the stats.
    pub fn new(names: &'names mut Names) -> Self {
        Self {
            names,
            metric: Metric::default(),
            numbers: Numbers::default(),
            histograms: Histograms::default(),
            summaries: Summaries::default(),
            timestamps_ms: vec![],
            rejected: Rejected::default(),
            repaired: Repaired::default(),
        }
    }

    /// Adds the metrics of a StreamMetricsMessage; `style` keeps the stats of unlike senders apart.
    pub fn add(&mut self, message: &'a [u8], style: u8) {
        self.timestamps_ms.push(0);
        match self.families(message, style) {
            Ok(()) => {}
            Err(Fault::Malformed) => self.rejected.malformed_message += 1,
            Err(Fault::TooDeep) => self.rejected.too_deep += 1,
        }
    }

    fn families(&mut self, message: &'a [u8], style: u8) -> Result<(), Fault> {
        const ENVOY_METRICS: u32 = len(2);
        let mut message = Reader::new(message);
        while let Some(tag) = message.tag()? {
            match tag {
                ENVOY_METRICS => {
                    let family = message.message()?;
                    if let Err(fault) = self.family(family, style) {
                        self.reject(fault);
                    }
                }
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn reject(&mut self, fault: Fault) {
        match fault {
            Fault::Malformed => self.rejected.malformed_metric += 1,
            Fault::TooDeep => self.rejected.too_deep += 1,
        }
    }

    fn family(&mut self, family: Reader<'a>, style: u8) -> Result<(), Fault> {
        const NAME: u32 = len(1);
        const TYPE: u32 = varint(3);
        const METRIC: u32 = len(4);
        // Twice: a name may stand behind the metrics.
        let (mut name, mut kind, mut head) = (&b""[..], None, family);
        while let Some(tag) = head.tag()? {
            match tag {
                NAME => name = head.bytes()?,
                TYPE => kind = Kind::of(head.int32()?),
                _ => head.skip(tag)?,
            }
        }
        let mut metrics = family;
        while let Some(tag) = metrics.tag()? {
            match tag {
                METRIC => self.one(metrics.message()?, name, kind, style),
                _ => metrics.skip(tag)?,
            }
        }
        Ok(())
    }

    fn one(&mut self, message: Reader<'a>, name: &'a [u8], kind: Option<Kind>, style: u8) {
        if let Err(fault) = self.metric.read(message) {
            return self.reject(fault);
        }
        let at = self.timestamps_ms.len() - 1;
        if self.timestamps_ms[at] == 0 {
            self.timestamps_ms[at] = self.metric.timestamp_ms;
        }
        if name.is_empty() {
            self.rejected.no_name += 1;
        } else if let Some(kind) = self.kind(kind) {
            self.keep(at as u32, style, kind, name);
        } else {
            self.rejected.no_value += 1;
        }
    }

    /// What the metric is, if it has the value that its family's type asks for.
    #[inline]
    fn kind(&mut self, told: Option<Kind>) -> Option<Kind> {
        let number = self.metric.number.map(|(tag, _)| tag);
        let found = match number.or(self.metric.sampled)? {
            COUNTER => Kind::Counter,
            GAUGE => Kind::Gauge,
            UNTYPED => Kind::Untyped,
            SUMMARY => Kind::Summary,
            HISTOGRAM if told == Some(Kind::GaugeHistogram) => Kind::GaugeHistogram,
            _ => Kind::Histogram,
        };
        if told.is_none() {
            self.repaired.no_type += 1;
        }
        (told.is_none() || told == Some(found)).then_some(found)
    }

    #[inline]
    fn keep(&mut self, message: u32, style: u8, kind: Kind, name: &[u8]) {
        if !self.valid(kind) {
            return;
        }
        let stat = match self.names.number(style, kind, name, &self.metric.labels) {
            Ok(stat) => stat,
            Err(Refusal::Full) => return self.rejected.too_many_names += 1,
            Err(Refusal::TooLong) => return self.rejected.name_too_long += 1,
        };
        match (kind, self.metric.number) {
            (Kind::Histogram, _) => self.histograms.push(message, stat, &self.metric),
            (Kind::Summary, _) => self.summaries.push(message, stat, &self.metric),
            (_, Some((_, value))) => self.numbers.push(message, stat, value),
            _ => {}
        }
        self.repaired.rounded_count += u64::from(self.metric.rounded);
    }

    /// Whether the values make sense; else counts why not. A histogram's are taken apart.
    #[inline]
    fn valid(&mut self, kind: Kind) -> bool {
        let metric = &mut self.metric;
        match kind {
            Kind::Counter if metric.number.is_some_and(|(_, value)| !(value.is_finite() && value >= 0.0)) => {
                self.rejected.invalid_value += 1;
            }
            Kind::Summary | Kind::Histogram if !metric.sum.is_finite() => self.rejected.invalid_value += 1,
            Kind::Histogram if !taken_apart(metric) => self.rejected.invalid_histogram += 1,
            Kind::GaugeHistogram => self.rejected.gauge_histogram += 1,
            _ => return true,
        }
        false
    }

    /// The tables and the counts.
    pub fn finish(self) -> Result<Decoded, ArrowError> {
        Ok(Decoded {
            numbers: self.numbers.finish()?,
            histograms: self.histograms.finish()?,
            summaries: self.summaries.finish()?,
            timestamps_ms: self.timestamps_ms,
            rejected: self.rejected,
            repaired: self.repaired,
        })
    }
}

fn taken_apart(metric: &mut Metric) -> bool {
    let mut rounded = metric.rounded;
    let good = metric.take_apart() && (!metric.exponential.present || metric.exponential.take_apart(&mut rounded));
    metric.rounded = rounded;
    good
}
