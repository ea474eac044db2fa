//! The tables in the making: one for numbers, one for histograms, one for summaries.

use crate::metrics::metric::Metric;
use crate::table::Table;
use arrow_array::builder::{
    Float64Builder, Int8Builder, Int32Builder, ListBuilder, StructBuilder, UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt32Array};
use arrow_schema::{ArrowError, DataType, Field, Fields};
use std::sync::Arc;

/// Counters, gauges and untyped values: message, stat, value.
#[derive(Default)]
pub struct Numbers {
    message: Vec<u32>,
    stat: Vec<u32>,
    value: Vec<f64>,
}

impl Numbers {
    #[inline]
    pub fn push(&mut self, message: u32, stat: u32, value: f64) {
        self.message.push(message);
        self.stat.push(stat);
        self.value.push(value);
    }

    pub fn finish(self) -> Result<RecordBatch, ArrowError> {
        let mut table = Table::new(self.stat.len());
        table.add("message", Arc::new(UInt32Array::from(self.message)));
        table.add("stat", Arc::new(UInt32Array::from(self.stat)));
        table.add("value", Arc::new(Float64Array::from(self.value)));
        table.finish()
    }
}

/// What histograms and summaries share: message, stat, count, sum, and a list of numbers.
struct Samples {
    message: UInt32Builder,
    stat: UInt32Builder,
    count: UInt64Builder,
    sum: Float64Builder,
    list: ListBuilder<Float64Builder>,
    rows: usize,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            message: UInt32Builder::new(),
            stat: UInt32Builder::new(),
            count: UInt64Builder::new(),
            sum: Float64Builder::new(),
            list: ListBuilder::new(Float64Builder::new()),
            rows: 0,
        }
    }
}

impl Samples {
    fn push(&mut self, message: u32, stat: u32, metric: &Metric) {
        self.message.append_value(message);
        self.stat.append_value(stat);
        self.count.append_value(metric.count);
        self.sum.append_value(metric.sum);
        self.list.values().append_slice(&metric.bounds);
        self.list.append(true);
        self.rows += 1;
    }

    fn finish(mut self, list: &str) -> Table {
        let mut table = Table::new(self.rows);
        table.add("message", Arc::new(self.message.finish()));
        table.add("stat", Arc::new(self.stat.finish()));
        table.add("count", Arc::new(self.count.finish()));
        table.add("sum", Arc::new(self.sum.finish()));
        table.add(list, Arc::new(self.list.finish()));
        table
    }
}

/// Histograms, their buckets not cumulative.
pub struct Histograms {
    samples: Samples,
    buckets: ListBuilder<UInt64Builder>,
    exponential: StructBuilder,
}

type Buckets = ListBuilder<StructBuilder>;

fn bucket_fields() -> Fields {
    Fields::from(vec![Field::new("index", DataType::Int32, true), Field::new("count", DataType::UInt64, true)])
}

fn side() -> Buckets {
    let fields = vec![Box::new(Int32Builder::new()) as _, Box::new(UInt64Builder::new()) as _];
    ListBuilder::new(StructBuilder::new(bucket_fields(), fields))
}

impl Default for Histograms {
    fn default() -> Self {
        let list = || DataType::List(Arc::new(Field::new("item", DataType::Struct(bucket_fields()), true)));
        let fields = Fields::from(vec![
            Field::new("scale", DataType::Int8, true),
            Field::new("zero_threshold", DataType::Float64, true),
            Field::new("zero_count", DataType::UInt64, true),
            Field::new("positive", list(), true),
            Field::new("negative", list(), true),
        ]);
        let builders = vec![
            Box::new(Int8Builder::new()) as _,
            Box::new(Float64Builder::new()) as _,
            Box::new(UInt64Builder::new()) as _,
            Box::new(side()) as _,
            Box::new(side()) as _,
        ];
        Self {
            samples: Samples::default(),
            buckets: ListBuilder::new(UInt64Builder::new()),
            exponential: StructBuilder::new(fields, builders),
        }
    }
}

impl Histograms {
    pub fn push(&mut self, message: u32, stat: u32, metric: &Metric) {
        self.samples.push(message, stat, metric);
        self.buckets.values().append_slice(&metric.buckets);
        self.buckets.append(true);
        self.push_exponential(metric);
    }

    fn push_exponential(&mut self, metric: &Metric) {
        let (own, row) = (&metric.exponential, &mut self.exponential);
        let filled = own.present;
        // The builders are those that the constructor put there.
        if let Some(scale) = row.field_builder::<Int8Builder>(0) {
            scale.append_option(filled.then_some(own.scale));
        }
        if let Some(threshold) = row.field_builder::<Float64Builder>(1) {
            threshold.append_option(filled.then_some(own.zero_threshold));
        }
        if let Some(count) = row.field_builder::<UInt64Builder>(2) {
            count.append_option(filled.then_some(own.zero_count));
        }
        for (field, buckets) in [(3, own.positive()), (4, own.negative())] {
            if let Some(list) = row.field_builder::<Buckets>(field) {
                push_buckets(list, if filled { buckets } else { &[] });
                list.append(filled);
            }
        }
        row.append(filled);
    }

    pub fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut table = self.samples.finish("bounds");
        table.add("buckets", Arc::new(self.buckets.finish()));
        let exponential: ArrayRef = Arc::new(self.exponential.finish());
        table.add("exponential", exponential);
        table.finish()
    }
}

fn push_buckets(list: &mut Buckets, buckets: &[(i32, u64)]) {
    let items = list.values();
    for &(index, count) in buckets {
        if let Some(indexes) = items.field_builder::<Int32Builder>(0) {
            indexes.append_value(index);
        }
        if let Some(counts) = items.field_builder::<UInt64Builder>(1) {
            counts.append_value(count);
        }
        items.append(true);
    }
}

/// Summaries: quantiles without those of an empty interval.
#[derive(Default)]
pub struct Summaries {
    samples: Samples,
    values: ListBuilder<Float64Builder>,
}

impl Summaries {
    pub fn push(&mut self, message: u32, stat: u32, metric: &Metric) {
        self.samples.push(message, stat, metric);
        self.values.values().append_slice(&metric.quantile_values);
        self.values.append(true);
    }

    pub fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut table = self.samples.finish("quantiles");
        table.add("values", Arc::new(self.values.finish()));
        table.finish()
    }
}
