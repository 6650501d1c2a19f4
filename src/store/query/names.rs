//! Names in questions: columns as they are, everything else an attribute, a variable or a figure.
//!
//! ```text
//! host                 a column
//! tenant, attr.tenant  the attribute `tenant`
//! var.req.user_id      the variable
//! figure.threads       a figure of the environment
//! ```
//!
//! Compared with a number, an attribute or a variable counts as a number.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deltalake::datafusion::common::tree_node::{Transformed, TreeNode};
use deltalake::datafusion::common::{Column, DFSchema, ScalarValue};
use deltalake::datafusion::error::Result;
use deltalake::datafusion::logical_expr::{BinaryExpr, Expr, Operator, lit, try_cast};
use deltalake::datafusion::prelude::SessionContext;
use deltalake::datafusion::sql::sqlparser::dialect::GenericDialect;
use deltalake::datafusion::sql::sqlparser::keywords::Keyword;
use deltalake::datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::functions::{Kind, udf};
use crate::store::StoreError;
use crate::store::promoted::Promoted;

/// Reads expressions over columns of a schema.
pub struct Names<'a> {
    context: &'a SessionContext,
    schema: SchemaRef,
    /// What is no column is looked up in the maps.
    has_maps: bool,
    /// Attributes that are columns.
    promoted: &'a [Promoted],
}

/// Where a name that is no column leads.
struct Derived {
    name: String,
    kind: DataType,
    expression: Expr,
}

impl<'a> Names<'a> {
    /// Names of a table of crashes.
    pub fn of_crashes(context: &'a SessionContext, schema: SchemaRef, promoted: &'a [Promoted]) -> Names<'a> {
        Names { context, schema, has_maps: true, promoted }
    }

    /// Names of an answer's columns alone.
    pub fn of_answer(context: &'a SessionContext, schema: SchemaRef) -> Names<'a> {
        Names { context, schema, has_maps: false, promoted: &[] }
    }

    /// Reads an expression. `numeric`: an attribute or variable in it counts as a number.
    pub fn read(&self, text: &str, numeric: bool) -> std::result::Result<Expr, StoreError> {
        let failed = |problem: String| StoreError::Usage(format!("{text}: {problem}"));
        let dialect = GenericDialect {};
        let tokens = Tokenizer::new(&dialect, text).tokenize().map_err(|error| failed(error.to_string()))?;
        let mut derived: BTreeMap<String, Derived> = BTreeMap::new();
        let mut sql = String::with_capacity(text.len() + 16);
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let Token::Word(word) = token else {
                sql.push_str(&token.to_string());
                at += 1;
                continue;
            };
            let (chain, end) = chain(&tokens, at);
            let is_call = matches!(next(&tokens, end), Some(Token::LParen));
            let single = chain.len() == 1;
            if single && self.schema.field_with_name(&word.value).is_ok() {
                sql.push_str(&quoted(&word.value));
            } else if single && !is_call && self.schema.field_with_name(&word.value.to_lowercase()).is_ok() {
                sql.push_str(&quoted(&word.value.to_lowercase()));
            } else if self.schema.field_with_name(&chain.join(".")).is_ok() {
                sql.push_str(&quoted(&chain.join(".")));
            } else if is_call || single && word.quote_style.is_none() && is_syntax(&tokens, at, word.keyword) {
                tokens.get(at..end).unwrap_or_default().iter().for_each(|token| sql.push_str(&token.to_string()));
            } else if self.has_maps {
                let found = derive(&chain, numeric || is_compared_with_number(&tokens, at, end), self.promoted);
                sql.push_str(&quoted(&found.name));
                derived.insert(found.name.clone(), found);
            } else {
                let known: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
                return Err(failed(format!("no column {}; there are {}", chain.join("."), known.join(", "))));
            }
            at = end;
        }
        let mut fields: Vec<Arc<Field>> = self.schema.fields().iter().cloned().collect();
        fields.extend(derived.values().map(|found| Arc::new(Field::new(&found.name, found.kind.clone(), true))));
        let schema = DFSchema::try_from(Schema::new(fields))?;
        let expression = self.context.parse_sql_expr(&sql, &schema).map_err(|error| failed(error.to_string()))?;
        let replaced = expression.transform_up(|expression| match &expression {
            Expr::Column(column) => match derived.get(column.name()) {
                Some(found) => Ok(Transformed::yes(found.expression.clone())),
                None => Ok(Transformed::no(expression)),
            },
            _ => Ok(Transformed::no(expression)),
        });
        Ok(by_version(replaced?.data)?)
    }

    /// One name or expression, as a number.
    pub fn number(&self, text: &str) -> std::result::Result<Expr, StoreError> {
        Ok(try_cast(self.read(text, true)?, DataType::Float64))
    }
}

/// Whether a word is of SQL's grammar where it stands. Its other keywords are names that attributes may have.
fn is_syntax(tokens: &[Token], at: usize, keyword: Keyword) -> bool {
    use Keyword as K;
    let is_word = matches!(
        keyword,
        K::AND
            | K::OR
            | K::NOT
            | K::XOR
            | K::IN
            | K::IS
            | K::NULL
            | K::LIKE
            | K::ILIKE
            | K::SIMILAR
            | K::TO
            | K::ESCAPE
            | K::BETWEEN
            | K::TRUE
            | K::FALSE
            | K::UNKNOWN
            | K::CASE
            | K::WHEN
            | K::THEN
            | K::ELSE
            | K::END
            | K::AS
            | K::FROM
            | K::DISTINCT
            | K::EXISTS
            | K::ANY
            | K::ALL
            | K::INTERVAL
            | K::ASC
            | K::DESC
            | K::CURRENT_DATE
            | K::CURRENT_TIMESTAMP
    );
    let before = tokens.get(..at).unwrap_or_default().iter().rev().find(|token| !matches!(token, Token::Whitespace(_)));
    let names_a_type = match before {
        Some(Token::DoubleColon) => true,
        Some(Token::Word(word)) => word.keyword == K::AS,
        // INTERVAL '1' DAY
        Some(Token::SingleQuotedString(_)) => true,
        _ => false,
    };
    // DATE '2026-11-26'
    let is_literal = matches!(keyword, K::DATE | K::TIME | K::TIMESTAMP)
        && matches!(next(tokens, at + 1), Some(Token::SingleQuotedString(_)));
    keyword != K::NoKeyword && (is_word || names_a_type || is_literal)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `a.b.c`, and where it ends.
fn chain(tokens: &[Token], start: usize) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    let mut at = start;
    while let Some(Token::Word(word)) = tokens.get(at) {
        names.push(word.value.clone());
        at += 1;
        match (tokens.get(at), tokens.get(at + 1)) {
            (Some(Token::Period), Some(Token::Word(_))) => at += 1,
            _ => break,
        }
    }
    (names, at)
}

fn next(tokens: &[Token], from: usize) -> Option<&Token> {
    tokens.get(from..)?.iter().find(|token| !matches!(token, Token::Whitespace(_)))
}

fn is_compared_with_number(tokens: &[Token], start: usize, end: usize) -> bool {
    let significant = |token: &&Token| !matches!(token, Token::Whitespace(_));
    let is_operator = |token: Option<&Token>| {
        matches!(
            token,
            Some(
                Token::Eq
                    | Token::Neq
                    | Token::Lt
                    | Token::Gt
                    | Token::LtEq
                    | Token::GtEq
                    | Token::Plus
                    | Token::Minus
                    | Token::Mul
                    | Token::Div
                    | Token::Mod
            )
        ) || matches!(token, Some(Token::Word(word)) if word.keyword == Keyword::BETWEEN)
    };
    let is_number = |token: Option<&Token>| matches!(token, Some(Token::Number(..) | Token::Minus));
    let mut behind = tokens.get(end..).unwrap_or_default().iter().filter(significant);
    let mut before = tokens.get(..start).unwrap_or_default().iter().rev().filter(significant);
    is_operator(behind.next()) && is_number(behind.next()) || is_operator(before.next()) && is_number(before.next())
}

fn derive(chain: &[String], numeric: bool, promoted: &[Promoted]) -> Derived {
    let (map, key) = match chain.split_first() {
        Some((first, rest)) if !rest.is_empty() => match first.to_lowercase().as_str() {
            "attr" | "attrs" => ("attrs", rest.join(".")),
            "var" | "vars" => ("vars", rest.join(".")),
            "figure" | "figures" => ("figures", rest.join(".")),
            "attrs_num" => ("attrs_num", rest.join(".")),
            _ => ("attrs", chain.join(".")),
        },
        _ => ("attrs", chain.join(".")),
    };
    let map = if map == "attrs" && numeric { "attrs_num" } else { map };
    let is_number = map == "attrs_num";
    let own = promoted.iter().filter(|_| matches!(map, "attrs" | "attrs_num"));
    let value = match own.into_iter().find(|one| one.key == key && one.is_number == is_number) {
        Some(promoted) => column(&promoted.column),
        None => udf(Kind::MapGet).call(vec![column(map), lit(key.as_str())]),
    };
    let name = format!("{map}.{key}{}", if numeric { "#" } else { "" });
    match map {
        "attrs_num" | "figures" => Derived { name, kind: DataType::Float64, expression: value },
        _ if numeric => Derived { name, kind: DataType::Float64, expression: try_cast(value, DataType::Float64) },
        _ => Derived { name, kind: DataType::Utf8View, expression: value },
    }
}

/// A column, by its exact name.
pub fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// Versions compare as versions do.
fn by_version(expression: Expr) -> Result<Expr> {
    let is_version = |expression: &Expr| matches!(expression, Expr::Column(column) if column.name() == "version");
    let key = |expression: Expr| udf(Kind::VersionKey).call(vec![expression]);
    let replaced = expression.transform_up(|expression| match expression {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
                && (is_version(&left) || is_version(&right)) =>
        {
            let (left, right) = (Box::new(key(*left)), Box::new(key(*right)));
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
        }
        Expr::Between(mut between) if is_version(&between.expr) => {
            between.expr = Box::new(key(*between.expr));
            between.low = Box::new(key(*between.low));
            between.high = Box::new(key(*between.high));
            Ok(Transformed::yes(Expr::Between(between)))
        }
        expression => Ok(Transformed::no(expression)),
    });
    Ok(replaced?.data)
}

/// A text, as a literal.
pub fn text(value: &str) -> Expr {
    Expr::Literal(ScalarValue::Utf8View(Some(value.to_owned())), None)
}
