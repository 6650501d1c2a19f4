//! Aggregates that say more than a number: the most frequent values, shares, a histogram, a sparkline.

use std::collections::HashMap;

use deltalake::arrow::array::{Array, ArrayRef, Float64Array, StringArray, TimestampMicrosecondArray};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use deltalake::datafusion::common::ScalarValue;
use deltalake::datafusion::error::{DataFusionError, Result};
use deltalake::datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use deltalake::datafusion::logical_expr::utils::format_state_name;
use deltalake::datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use serde::{Deserialize, Serialize};

/// Values that are told apart in one group; what is beyond counts as other.
const MOST_VALUES: usize = 10_000;
/// Numbers of one group that a histogram is made from; of more, every so-manyth.
const MOST_NUMBERS: usize = 1 << 16;
/// Values that are shown.
const SHOWN: usize = 3;
/// Bars of a sparkline and of a histogram.
const BARS: usize = 16;

/// Which summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// `web1 12, web2 3, …`
    Top,
    /// `web1 80%, web2 20%`
    Distribution,
    /// `1.5 ▂█▁ 920`
    Histogram,
    /// Counts over time, from and to in microseconds since 1970.
    Sparkline {
        /// The first bar begins here.
        from: i64,
        /// The last one ends here.
        to: i64,
    },
}

/// The aggregate.
pub fn udaf(kind: Kind) -> AggregateUDF {
    AggregateUDF::new_from_impl(Summary { kind, signature: Signature::any(1, Volatility::Immutable) })
}

/// Which summary an aggregate is, if it is one.
#[cfg(feature = "ballista")]
pub fn kind(function: &AggregateUDF) -> Option<Kind> {
    let function: &dyn std::any::Any = function.inner().as_ref();
    function.downcast_ref::<Summary>().map(|summary| summary.kind)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Summary {
    kind: Kind,
    signature: Signature,
}

impl AggregateUDFImpl for Summary {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Top => "top",
            Kind::Distribution => "distribution",
            Kind::Histogram => "histogram",
            Kind::Sparkline { .. } => "sparkline",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Gathered { kind: self.kind, held: Held::default() }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Field::new(format_state_name(args.name, "held"), DataType::Utf8, true).into()])
    }
}

#[derive(Debug)]
struct Gathered {
    kind: Kind,
    held: Held,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Held {
    values: HashMap<String, u64>,
    other: u64,
    numbers: Vec<f64>,
    /// One of so many numbers was kept.
    every: u64,
    seen: u64,
    bars: Vec<u64>,
}

impl Held {
    fn add(&mut self, value: &str, count: u64) {
        let has_room = self.values.len() < MOST_VALUES;
        match self.values.get_mut(value) {
            Some(known) => *known += count,
            None if has_room => {
                self.values.insert(value.to_owned(), count);
            }
            None => self.other += count,
        }
    }

    fn add_number(&mut self, number: f64) {
        let every = self.every.max(1);
        if number.is_finite() && self.seen.is_multiple_of(every) {
            self.numbers.push(number);
            if self.numbers.len() > MOST_NUMBERS {
                let mut at = 0;
                self.numbers.retain(|_| {
                    at += 1;
                    at % 2 == 0
                });
                self.every = every * 2;
            }
        }
        self.seen += 1;
    }

    fn add_bar(&mut self, bar: usize, count: u64) {
        if self.bars.len() < BARS {
            self.bars.resize(BARS, 0);
        }
        if let Some(bar) = self.bars.get_mut(bar) {
            *bar += count;
        }
    }

    fn total(&self) -> u64 {
        self.values.values().sum::<u64>() + self.other
    }

    fn most_frequent(&self) -> Vec<(&str, u64)> {
        let mut values: Vec<(&str, u64)> = self.values.iter().map(|(value, count)| (value.as_str(), *count)).collect();
        values.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
        values
    }
}

impl Accumulator for Gathered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(array) = values.first() else { return Ok(()) };
        match self.kind {
            Kind::Top | Kind::Distribution => {
                let texts = cast(array, &DataType::Utf8)?;
                let texts = texts.as_any().downcast_ref::<StringArray>().into_iter().flat_map(StringArray::iter);
                texts.flatten().for_each(|text| self.held.add(text, 1));
            }
            Kind::Histogram => {
                let numbers = cast(array, &DataType::Float64)?;
                let numbers = numbers.as_any().downcast_ref::<Float64Array>().into_iter().flat_map(Float64Array::iter);
                numbers.flatten().for_each(|number| self.held.add_number(number));
            }
            Kind::Sparkline { from, to } => {
                let times = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
                let Some(times) = times.as_any().downcast_ref::<TimestampMicrosecondArray>() else { return Ok(()) };
                let width = i128::from(to).saturating_sub(i128::from(from)).max(1);
                for time in times.iter().flatten() {
                    let bar = (i128::from(time) - i128::from(from)) * BARS as i128 / width;
                    // The last moment belongs to the last bar.
                    let bar = if time == to { BARS as i128 - 1 } else { bar };
                    if let Ok(bar) = usize::try_from(bar) {
                        self.held.add_bar(bar, 1);
                    }
                }
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let text = match self.kind {
            Kind::Top => {
                let found = self.held.most_frequent();
                let mut shown: Vec<String> =
                    found.iter().take(SHOWN).map(|(value, count)| format!("{value} {count}")).collect();
                if found.len() > SHOWN || self.held.other > 0 {
                    shown.push(format!("… {} more", found.len().saturating_sub(SHOWN)));
                }
                shown.join(", ")
            }
            Kind::Distribution => {
                let total = self.held.total().max(1) as f64;
                let share = |count: u64| format!("{:.0}%", count as f64 * 100.0 / total);
                let found = self.held.most_frequent();
                let mut shown: Vec<String> =
                    found.iter().take(SHOWN + 2).map(|(value, count)| format!("{value} {}", share(*count))).collect();
                let rest = found.iter().skip(SHOWN + 2).map(|(_, count)| count).sum::<u64>() + self.held.other;
                if rest > 0 {
                    shown.push(format!("others {}", share(rest)));
                }
                shown.join(", ")
            }
            Kind::Histogram => histogram(&self.held.numbers),
            Kind::Sparkline { .. } => bars(&self.held.bars),
        };
        Ok(ScalarValue::Utf8((!text.is_empty()).then_some(text)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
            + self.held.values.keys().map(|key| key.len() + 48).sum::<usize>()
            + self.held.numbers.capacity() * 8
            + self.held.bars.capacity() * 8
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let held = std::mem::take(&mut self.held);
        let text = serde_json::to_string(&held).map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(vec![ScalarValue::Utf8(Some(text))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(states) = states.first().and_then(|array| array.as_any().downcast_ref::<StringArray>()) else {
            return Ok(());
        };
        for text in states.iter().flatten() {
            let other: Held = serde_json::from_str(text).map_err(|error| DataFusionError::External(Box::new(error)))?;
            other.values.iter().for_each(|(value, count)| self.held.add(value, *count));
            self.held.other += other.other;
            other.numbers.iter().for_each(|number| self.held.add_number(*number));
            other.bars.iter().enumerate().for_each(|(bar, count)| self.held.add_bar(bar, *count));
        }
        Ok(())
    }
}

fn histogram(numbers: &[f64]) -> String {
    let Some(least) = numbers.iter().copied().reduce(f64::min) else { return String::new() };
    let greatest = numbers.iter().copied().fold(least, f64::max);
    let mut counts = vec![0u64; BARS];
    for number in numbers {
        let place = if greatest > least { (number - least) / (greatest - least) * BARS as f64 } else { 0.0 };
        if let Some(count) = counts.get_mut((place as usize).min(BARS - 1)) {
            *count += 1;
        }
    }
    format!("{least} {} {greatest}", bars(&counts))
}

/// Counts as bars; nothing is a blank, and whatever is more shows.
pub fn bars(counts: &[u64]) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().unwrap_or(0);
    let bar = |count: &u64| match *count {
        0 => ' ',
        count => {
            let level = (u128::from(count) * 8).div_ceil(u128::from(most.max(1))).saturating_sub(1) as usize;
            LEVELS.get(level.min(7)).copied().unwrap_or('█')
        }
    };
    if most == 0 { String::new() } else { counts.iter().map(bar).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_show_what_there_is() {
        assert_eq!(bars(&[0, 1, 4, 8]), " ▁▄█");
        assert_eq!(bars(&[0, 0]), "");
        assert_eq!(histogram(&[1.0, 1.0, 2.0]).chars().filter(|c| *c == '█').count(), 1);
    }
}
