//! What is shown of a group: `count`, `p95:latency`, `top:host`.

use deltalake::datafusion::functions_aggregate::expr_fn::{approx_percentile_cont, avg, count, max, min, stddev, sum};
use deltalake::datafusion::logical_expr::{Expr, lit};

use super::distinct::distinct;
use super::names::{Names, column};
use super::summaries::{Kind, udaf};
use crate::store::StoreError;

/// Spans of time that crashes can be grouped by.
pub const BUCKETS: &[&str] = &["second", "minute", "hour", "day", "week", "month", "quarter", "year"];

/// One thing to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// As it was written; the column's heading.
    pub title: String,
    /// The aggregate and what it is of; `None` for a column or an expression.
    pub aggregate: Option<(Aggregate, Option<String>)>,
}

/// An aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// Crashes, or those in which something is not null.
    Count,
    /// Different values; of hosts where it says nothing.
    Distinct,
    /// The earliest, by time or by what it says.
    First,
    /// The latest.
    Last,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The arithmetic mean.
    Mean,
    /// The sum.
    Sum,
    /// A percentile, by t-digest.
    Percentile(u8),
    /// The sample's standard deviation.
    Stddev,
    /// The most frequent values.
    Top,
    /// Shares of values.
    Distribution,
    /// A histogram.
    Histogram,
    /// Crashes over time.
    Sparkline,
}

impl Shown {
    /// Reads `p95:latency`, `p95(latency)`, `count`; what is none of these is a column or an expression.
    pub fn parse(text: &str) -> Shown {
        let called = text.strip_suffix(')').and_then(|text| text.split_once('('));
        let (name, of) = match called.or_else(|| text.split_once(':')) {
            Some((name, of)) => (name.trim(), Some(of.trim().to_owned()).filter(|of| !of.is_empty() && of != "*")),
            None => (text, None),
        };
        let aggregate = match (name.to_ascii_lowercase().as_str(), &of) {
            ("count", _) => Aggregate::Count,
            ("hosts", None) | ("distinct", Some(_)) => Aggregate::Distinct,
            ("first", _) => Aggregate::First,
            ("last", _) => Aggregate::Last,
            ("min", Some(_)) => Aggregate::Min,
            ("max", Some(_)) => Aggregate::Max,
            ("mean" | "avg", Some(_)) => Aggregate::Mean,
            ("sum", Some(_)) => Aggregate::Sum,
            ("stddev", Some(_)) => Aggregate::Stddev,
            ("top", Some(_)) => Aggregate::Top,
            ("distribution", Some(_)) => Aggregate::Distribution,
            ("histogram", Some(_)) => Aggregate::Histogram,
            ("sparkline", None) => Aggregate::Sparkline,
            (name, Some(_)) => match name.strip_prefix('p').and_then(|number| number.parse().ok()) {
                Some(number @ 1..=99) => Aggregate::Percentile(number),
                _ => return Shown { title: text.to_owned(), aggregate: None },
            },
            _ => return Shown { title: text.to_owned(), aggregate: None },
        };
        Shown { title: text.to_owned(), aggregate: Some((aggregate, of)) }
    }

    /// Whether it needs to know from when to when.
    pub fn is_sparkline(&self) -> bool {
        matches!(self.aggregate, Some((Aggregate::Sparkline, _)))
    }

    /// As the query engine has it; `range` in microseconds since 1970, for a sparkline.
    pub fn expression(&self, names: &Names<'_>, range: (i64, i64)) -> Result<Expr, StoreError> {
        let Some((aggregate, of)) = &self.aggregate else {
            let problem = "is no aggregate; beside --group write count, p95:latency, top:host and such";
            return Err(StoreError::Usage(format!("{}: {problem}", self.title)));
        };
        let number = || names.number(of.as_deref().unwrap_or_default());
        let value = || names.read(of.as_deref().unwrap_or_default(), false);
        let summary = |kind: Kind, of: Expr| udaf(kind).call(vec![of]);
        Ok(match aggregate {
            Aggregate::Count if of.is_none() => count(lit(1i64)),
            Aggregate::Count => count(value()?),
            Aggregate::Distinct if of.is_none() => distinct(column("host")),
            Aggregate::Distinct => distinct(value()?),
            Aggregate::First if of.is_none() => min(column("time")),
            Aggregate::Last if of.is_none() => max(column("time")),
            Aggregate::First => min(value()?),
            Aggregate::Last => max(value()?),
            Aggregate::Min => min(number()?),
            Aggregate::Max => max(number()?),
            Aggregate::Mean => avg(number()?),
            Aggregate::Sum => sum(number()?),
            Aggregate::Stddev => stddev(number()?),
            Aggregate::Percentile(percent) => {
                approx_percentile_cont(number()?.sort(true, false), lit(f64::from(*percent) / 100.0), None)
            }
            Aggregate::Top => summary(Kind::Top, value()?),
            Aggregate::Distribution => summary(Kind::Distribution, value()?),
            Aggregate::Histogram => summary(Kind::Histogram, number()?),
            Aggregate::Sparkline => summary(Kind::Sparkline { from: range.0, to: range.1 }, column("time")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_are_read_in_both_ways() {
        let parsed = |text: &str| Shown::parse(text).aggregate;
        assert_eq!(parsed("count"), Some((Aggregate::Count, None)));
        assert_eq!(parsed("count(*)"), Some((Aggregate::Count, None)));
        assert_eq!(parsed("p95:attr.latency"), Some((Aggregate::Percentile(95), Some("attr.latency".into()))));
        assert_eq!(parsed("top(host)"), Some((Aggregate::Top, Some("host".into()))));
        assert_eq!(parsed("host"), None);
        assert_eq!(parsed("upper(host)"), None);
        assert_eq!(parsed("p100:x"), None);
    }
}
