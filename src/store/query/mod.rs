//! Questions about a fleet's crashes: which, grouped by what, with which figures.

pub mod distinct;
pub mod functions;
pub mod names;
pub mod output;
pub mod show;
pub mod summaries;
pub mod time;

use std::sync::Arc;
use std::time::Instant;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::ScalarValue;
use deltalake::datafusion::execution::context::SQLOptions;
use deltalake::datafusion::functions_aggregate::expr_fn::{max, min};
use deltalake::datafusion::logical_expr::{Expr, SortExpr, lit};
use deltalake::datafusion::physical_plan::displayable;
use deltalake::datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use jiff::Timestamp;

use self::functions::{Kind, udf};
use self::names::{Names, column, text};
use self::show::Shown;
use super::scan::{self, Crashes, Read, Reader};
use super::{Bucket, StoreError};

/// Columns of a list of crashes.
const LISTED: &[&str] =
    &["time", "id", "application", "version", "host", "signal", "class", "fingerprint", "top_frame"];

/// A question.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Question {
    /// Crashes since then: 30m, 24h, 7d, 2w, 2026-11-26, 2026-11-26T02:42:56Z
    #[arg(long, value_name = "TIME", help_heading = "Which crashes")]
    pub since: Option<String>,
    /// Crashes before then
    #[arg(long, value_name = "TIME", help_heading = "Which crashes")]
    pub until: Option<String>,
    /// Crashes for which this SQL expression is true (may repeat); a name that is no column is an attribute
    #[arg(long = "where", value_name = "EXPR", help_heading = "Which crashes")]
    pub filter: Vec<String>,
    /// Crashes with such a function on the crashed thread's stack: 'parse_*' (may repeat)
    #[arg(long, value_name = "PATTERN", help_heading = "Which crashes")]
    pub frame: Vec<String>,
    /// Crashes with such functions on the stack in this order, innermost first: 'A..B..C' (may repeat)
    #[arg(long, value_name = "PATTERNS", help_heading = "Which crashes")]
    pub frames: Vec<String>,
    /// Crashes where a variable of the program's own frames was so: 'req.user_id=42', also != < <= > >= (may repeat)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Which crashes")]
    pub var: Vec<String>,
    /// Group by: a column, an attribute, var.NAME, an expression, or minute, hour, day, week, month (may repeat)
    #[arg(long, value_name = "KEY", help_heading = "What of them")]
    pub group: Vec<String>,
    /// Show: count, hosts, first, last, sparkline; min, max, mean, sum, p50, p95, p99, stddev, top, distribution or
    /// histogram of something, as p95:latency; without aggregates, columns (may repeat)
    #[arg(long, value_name = "WHAT", help_heading = "What of them")]
    pub show: Vec<String>,
    /// Groups for which this expression over the shown columns is true
    #[arg(long, value_name = "EXPR", help_heading = "What of them")]
    pub having: Option<String>,
    /// Sort by a shown column; with - in front, or desc behind, descending (may repeat)
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true, help_heading = "What of them")]
    pub sort: Vec<String>,
    /// Show at most N rows [default: 50 in a table, else all]
    #[arg(long, value_name = "N", help_heading = "What of them")]
    pub limit: Option<usize>,
    /// Ask in SQL; the table is called crashes
    #[arg(long, value_name = "SQL", conflicts_with_all = ["since", "until", "filter", "frame", "frames", "var", "group",
        "show", "having", "sort"])]
    pub sql: Option<String>,
}

/// An answer.
pub struct Answer {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
    /// The answer had more rows than were asked for.
    pub cut: bool,
    /// What was read.
    pub read: Read,
    /// The plan, where it was asked for.
    pub plan: Option<String>,
    /// Milliseconds: planning, and computing.
    pub took_ms: (f64, f64),
}

/// An opened store, for questions.
pub struct Engine {
    context: SessionContext,
    crashes: Arc<Crashes>,
}

impl Engine {
    /// Opens table and inbox as they are now.
    pub async fn open(bucket: &Bucket) -> Result<Engine, StoreError> {
        Engine::with(bucket, SessionContext::new_with_config(config()), Reader::Here).await
    }

    /// The same, for questions that a cluster answers.
    #[cfg(feature = "ballista")]
    pub async fn on(bucket: &Bucket, scheduler: &super::cluster::Address) -> Result<Engine, StoreError> {
        Engine::with(bucket, super::cluster::context(config(), scheduler)?, Reader::Cluster).await
    }

    async fn with(bucket: &Bucket, context: SessionContext, reader: Reader) -> Result<Engine, StoreError> {
        functions::register(&context);
        let crashes = scan::register(bucket, &context, reader).await?;
        Ok(Engine { context, crashes })
    }

    /// What was read so far.
    pub fn read(&self) -> Read {
        self.crashes.read()
    }

    /// The query engine's context.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Names in questions about crashes.
    pub fn names(&self) -> Names<'_> {
        Names::of_crashes(&self.context, self.crashes.schema(), self.crashes.promoted())
    }

    /// Answers a question. `limit`: at most so many rows where it does not say how many.
    pub async fn ask(&self, question: &Question, limit: Option<usize>, explain: bool) -> Result<Answer, StoreError> {
        let start = Instant::now();
        let frame = match &question.sql {
            Some(sql) => self.sql(sql).await?,
            None => self.frame(question).await?,
        };
        let limit = question.limit.or(limit);
        // One more says whether there is more.
        let frame = match limit {
            Some(limit) => frame.limit(0, Some(limit.saturating_add(1)))?,
            None => frame,
        };
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let task = Arc::new(frame.task_ctx());
        self.crashes.start();
        let plan = frame.create_physical_plan().await?;
        let planned = start.elapsed();
        let batches = deltalake::datafusion::physical_plan::collect(plan.clone(), task).await?;
        let took_ms = (planned.as_secs_f64() * 1e3, (start.elapsed() - planned).as_secs_f64() * 1e3);
        let mut answer = Answer { schema, batches, cut: false, read: self.read(), plan: None, took_ms };
        if let Some(limit) = limit {
            answer.cut_to(limit);
        }
        if explain {
            answer.plan = Some(displayable_plan(plan.as_ref()));
        }
        Ok(answer)
    }

    /// A table as it is asked for by the rest of the store.
    pub async fn sql(&self, sql: &str) -> Result<DataFrame, StoreError> {
        let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        Ok(self.context.sql_with_options(sql, options).await?)
    }

    /// Rows of SQL.
    pub async fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>, StoreError> {
        Ok(self.sql(sql).await?.collect().await?)
    }

    /// The crashes that are meant, all columns.
    pub async fn selected(&self, question: &Question) -> Result<DataFrame, StoreError> {
        let mut frame = self.context.table("crashes").await?;
        for filter in filters(&self.names(), question, Timestamp::now())? {
            frame = frame.filter(filter)?;
        }
        Ok(frame)
    }

    async fn frame(&self, question: &Question) -> Result<DataFrame, StoreError> {
        let frame = self.selected(question).await?;
        let names = self.names();
        let shown: Vec<Shown> = split(&question.show).map(Shown::parse).collect();
        let keys = split(&question.group).map(|key| group_key(&names, key)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() && shown.iter().all(|shown| shown.aggregate.is_none()) {
            return self.list(frame, &names, question, &shown);
        }
        let mut aggregates = Vec::new();
        let usual = || ["count", "hosts", "first", "last"].into_iter().map(Shown::parse).collect();
        let shown: Vec<Shown> = if shown.is_empty() { usual() } else { shown };
        let mut range = None;
        for wanted in &shown {
            if wanted.is_sparkline() && range.is_none() {
                range = Some(self.range(&frame, question).await?);
            }
            aggregates.push(wanted.expression(&names, range.unwrap_or_default())?.alias(&wanted.title));
        }
        let titles: Vec<String> = aggregates.iter().map(|expression| expression.schema_name().to_string()).collect();
        let frame = frame.aggregate(keys, aggregates)?;
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let names = Names::of_answer(&self.context, schema.clone());
        let frame = match &question.having {
            Some(having) => frame.filter(names.read(having, false)?)?,
            None => frame,
        };
        let mut order = sort_keys(&names, &question.sort)?;
        if order.is_empty() {
            // A course of time in its order, else the most first; equal ones by their keys.
            let buckets = schema.fields().iter().filter(|field| show::BUCKETS.contains(&field.name().as_str()));
            order.extend(buckets.map(|field| column(field.name()).sort(true, false)));
            order.extend(titles.first().map(|title| column(title).sort(false, false)));
            let keys = schema.fields().len().saturating_sub(titles.len());
            order.extend(schema.fields().iter().take(keys).map(|field| column(field.name()).sort(true, false)));
        }
        Ok(frame.sort(order)?)
    }

    fn list(
        &self,
        frame: DataFrame,
        names: &Names<'_>,
        question: &Question,
        shown: &[Shown],
    ) -> Result<DataFrame, StoreError> {
        if question.having.is_some() {
            return Err(StoreError::Usage("--having needs --group or an aggregate in --show".to_owned()));
        }
        let columns = match shown {
            [] => LISTED.iter().map(|name| Ok(column(name))).collect::<Result<Vec<_>, StoreError>>()?,
            shown => shown
                .iter()
                .map(|shown| Ok(names.read(&shown.title, false)?.alias(&shown.title)))
                .collect::<Result<_, StoreError>>()?,
        };
        let mut order = sort_keys(names, &question.sort)?;
        if order.is_empty() {
            order = vec![column("time").sort(false, false), column("id").sort(true, false)];
        }
        Ok(frame.sort(order)?.select(columns)?)
    }

    /// From when to when, in microseconds since 1970.
    pub async fn range(&self, frame: &DataFrame, question: &Question) -> Result<(i64, i64), StoreError> {
        let now = Timestamp::now();
        let given = |text: &Option<String>| {
            let time = text.as_deref().map(|text| time::parse(text, now)).transpose().map_err(StoreError::Usage)?;
            Ok::<_, StoreError>(time.map(|time| time.as_microsecond()))
        };
        let (since, until) = (given(&question.since)?, given(&question.until)?);
        if let (Some(since), Some(until)) = (since, until.or_else(|| since.map(|_| now.as_microsecond()))) {
            return Ok((since, until));
        }
        let bounds = vec![min(column("time")), max(column("time"))];
        let batches = frame.clone().aggregate(Vec::new(), bounds)?.collect().await?;
        let bound = |index: usize| {
            let batch = batches.first().filter(|batch| batch.num_rows() > 0)?;
            match ScalarValue::try_from_array(batch.columns().get(index)?, 0).ok()? {
                ScalarValue::TimestampMicrosecond(value, _) => value,
                _ => None,
            }
        };
        let (least, greatest) = (bound(0).unwrap_or(0), bound(1).unwrap_or(0));
        Ok((since.unwrap_or(least), until.unwrap_or(greatest)))
    }
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new().with_information_schema(false);
    // Which files may evaluate conditions while they are decoded, `scan` says file by file.
    config.options_mut().execution.parquet.pushdown_filters = false;
    config.options_mut().execution.collect_statistics = false;
    config.options_mut().sql_parser.enable_ident_normalization = true;
    config
}

impl Answer {
    /// Rows.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    fn cut_to(&mut self, limit: usize) {
        let mut left = limit;
        for batch in &mut self.batches {
            if batch.num_rows() > left {
                self.cut = true;
                *batch = batch.slice(0, left);
            }
            left -= batch.num_rows();
        }
    }
}

fn displayable_plan(plan: &dyn deltalake::datafusion::physical_plan::ExecutionPlan) -> String {
    use deltalake::datafusion::physical_plan::display::DisplayableExecutionPlan;
    let _ = displayable;
    DisplayableExecutionPlan::with_metrics(plan).indent(false).to_string()
}

/// Conditions that the question's flags say.
fn filters(names: &Names<'_>, question: &Question, now: Timestamp) -> Result<Vec<Expr>, StoreError> {
    let mut filters = Vec::new();
    let moment = |text: &String| time::parse(text, now).map(micros).map_err(StoreError::Usage);
    if let Some(since) = &question.since {
        filters.push(column("time").gt_eq(moment(since)?));
    }
    if let Some(until) = &question.until {
        filters.push(column("time").lt(moment(until)?));
    }
    for filter in &question.filter {
        filters.push(names.read(filter, false)?);
    }
    for pattern in &question.frame {
        filters.push(udf(Kind::HasFrame).call(vec![column("frames"), text(pattern)]));
    }
    for patterns in &question.frames {
        filters.push(udf(Kind::HasFrames).call(vec![column("frames"), text(patterns)]));
    }
    for condition in &question.var {
        filters.push(variable(condition)?);
    }
    Ok(filters)
}

fn micros(time: Timestamp) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(time.as_microsecond()), Some("UTC".into())))
}

/// `name=value` and its like; a name alone: that there is such a variable.
fn variable(condition: &str) -> Result<Expr, StoreError> {
    use deltalake::arrow::datatypes::DataType;
    use deltalake::datafusion::logical_expr::try_cast;
    let get = |name: &str| udf(Kind::MapGet).call(vec![column("vars"), text(name.trim())]);
    let Some(at) = condition.find(['=', '!', '<', '>']) else { return Ok(get(condition).is_not_null()) };
    let (name, rest) = condition.split_at(at);
    let operator = ["!=", "<=", ">=", "==", "=", "<", ">"].into_iter().find(|operator| rest.starts_with(operator));
    let Some(operator) = operator else {
        return Err(StoreError::Usage(format!("{condition}: write NAME=VALUE, or != < <= > >=")));
    };
    let value = rest.get(operator.len()..).unwrap_or_default().trim();
    if let "=" | "==" | "!=" = operator {
        let equal = get(name).eq(text(value));
        return Ok(if operator == "!=" { get(name).not_eq(text(value)) } else { equal });
    }
    let number: f64 = value.parse().map_err(|_| StoreError::Usage(format!("{condition}: {value} is not a number")))?;
    let variable = try_cast(get(name), DataType::Float64);
    Ok(match operator {
        "<" => variable.lt(lit(number)),
        "<=" => variable.lt_eq(lit(number)),
        ">" => variable.gt(lit(number)),
        _ => variable.gt_eq(lit(number)),
    })
}

/// Arguments, and the parts of those that commas divide; commas inside of brackets or quotes do not.
fn split(arguments: &[String]) -> impl Iterator<Item = &str> {
    arguments.iter().flat_map(|argument| {
        let (mut depth, mut quote, mut start) = (0i32, None, 0);
        let mut parts = Vec::new();
        for (at, c) in argument.char_indices() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, '(' | '[') => depth += 1,
                (None, ')' | ']') => depth -= 1,
                (None, ',') if depth == 0 => {
                    parts.push(&argument[start..at]);
                    start = at + 1;
                }
                _ => {}
            }
        }
        parts.push(&argument[start..]);
        parts.into_iter().map(str::trim).filter(|part| !part.is_empty())
    })
}

fn group_key(names: &Names<'_>, key: &str) -> Result<Expr, StoreError> {
    if show::BUCKETS.contains(&key) && key != "day" {
        let truncated = deltalake::datafusion::functions::expr_fn::date_trunc(lit(key), column("time"));
        return Ok(truncated.alias(key));
    }
    Ok(names.read(key, false)?.alias(key))
}

fn sort_keys(names: &Names<'_>, keys: &[String]) -> Result<Vec<SortExpr>, StoreError> {
    let key = |key: &str| {
        let lower = key.to_ascii_lowercase();
        let (name, ascending) = if let Some(name) = key.strip_prefix('-') {
            (name, false)
        } else if lower.ends_with(" desc") {
            (key.get(..key.len() - 5).unwrap_or(key), false)
        } else if lower.ends_with(" asc") {
            (key.get(..key.len() - 4).unwrap_or(key), true)
        } else {
            (key, true)
        };
        Ok(names.read(name.trim(), false)?.sort(ascending, false))
    };
    split(keys).map(key).collect()
}
