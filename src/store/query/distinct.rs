//! How many different texts: `hosts`, `distinct:X`. DataFusion's own keeps a set of texts for each group; here each text has a
//! number, and each group a bit for it: less memory, and states that are merged by numbers.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use deltalake::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, MAX_INLINE_VIEW_LEN, StringViewArray,
    StringViewBuilder,
};
use deltalake::arrow::buffer::OffsetBuffer;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Field, FieldRef};
use deltalake::datafusion::common::{ScalarValue, exec_err};
use deltalake::datafusion::error::Result;
use deltalake::datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use deltalake::datafusion::logical_expr::utils::format_state_name;
use deltalake::datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, Signature, Volatility,
    cast as cast_to,
};

/// How many different values an expression has, nulls apart.
pub fn distinct(of: Expr) -> Expr {
    function().call(vec![cast_to(of, DataType::Utf8View)])
}

/// The aggregate.
pub fn function() -> AggregateUDF {
    AggregateUDF::new_from_impl(Distinct {
        signature: Signature::exact(vec![DataType::Utf8View], Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Distinct {
    signature: Signature,
}

fn item() -> FieldRef {
    Arc::new(Field::new("item", DataType::Utf8View, true))
}

impl AggregateUDFImpl for Distinct {
    fn name(&self) -> &str {
        "distinct_texts"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OfAll(Pairs::default())))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Field::new(format_state_name(args.name, "texts"), DataType::List(item()), true).into()])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Pairs::default()))
    }
}

/// For views of texts: whoever chooses texts does not know the seed.
#[derive(Clone)]
struct Mixing(u64);

impl Default for Mixing {
    fn default() -> Mixing {
        Mixing(std::hash::RandomState::new().hash_one(0u8))
    }
}

impl BuildHasher for Mixing {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        Mixed(self.0)
    }
}

struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // The finaliser of MurmurHash3 (Appleby, 2011).
        let mut mixed = self.0 ^ number;
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        self.0 = mixed ^ (mixed >> 33);
    }

    fn write_u128(&mut self, number: u128) {
        self.write_u64(number as u64);
        self.write_u64((number >> 64) as u64);
    }
}

/// Numbers that a group has, of those below [`NEAR`].
#[derive(Clone)]
enum Near {
    /// The first so many of these.
    Few([u16; FEW], u8),
    /// A bit each.
    Many(Vec<u64>),
}

/// What a few are at most: a group then takes 32 bytes.
const FEW: usize = 14;
/// Numbers below this are bits of their group's own, 512 bytes at most; others are pairs in one table.
const NEAR: u32 = 1 << 12;

impl Default for Near {
    fn default() -> Near {
        Near::Few([0; FEW], 0)
    }
}

impl Near {
    /// Whether it was not there.
    fn add(&mut self, number: u16) -> bool {
        match self {
            Near::Few(numbers, count) => {
                let known = numbers.get(..usize::from(*count)).unwrap_or_default();
                if known.contains(&number) {
                    return false;
                }
                match numbers.get_mut(usize::from(*count)) {
                    Some(place) => {
                        *place = number;
                        *count += 1;
                        true
                    }
                    None => {
                        let mut bits = Vec::new();
                        for number in numbers.iter().copied().chain([number]) {
                            set(&mut bits, number);
                        }
                        *self = Near::Many(bits);
                        true
                    }
                }
            }
            Near::Many(bits) => set(bits, number),
        }
    }

    fn each(&self, then: &mut dyn FnMut(u32)) {
        match self {
            Near::Few(numbers, count) => {
                numbers.iter().take(usize::from(*count)).for_each(|number| then(u32::from(*number)));
            }
            Near::Many(bits) => bits.iter().enumerate().for_each(|(at, bits)| each_bit(at as u32, *bits, then)),
        }
    }

    fn size(&self) -> usize {
        match self {
            Near::Few(..) => 0,
            Near::Many(bits) => bits.capacity() * 8,
        }
    }
}

fn set(bits: &mut Vec<u64>, number: u16) -> bool {
    let at = usize::from(number >> 6);
    if at >= bits.len() {
        bits.resize(at + 1, 0);
    }
    let Some(word) = bits.get_mut(at) else { return false };
    let is_new = *word >> (number & 63) & 1 == 0;
    *word |= 1 << (number & 63);
    is_new
}

fn each_bit(at: u32, mut bits: u64, then: &mut dyn FnMut(u32)) {
    while bits != 0 {
        then(at << 6 | bits.trailing_zeros());
        bits &= bits - 1;
    }
}

#[derive(Default)]
struct Pairs {
    numbers: HashMap<Arc<str>, u32>,
    /// The same of texts of 12 bytes and less, by their view: a view has such a text in itself.
    short: HashMap<u128, u32, Mixing>,
    texts: Vec<Arc<str>>,
    /// Bytes of the texts.
    bytes: usize,
    /// What each group has.
    near: Vec<Near>,
    /// Bytes of those beside themselves.
    near_bytes: usize,
    /// Sixty-four larger numbers of a group: the group in the key's upper half, a sixty-fourth of the number in the lower.
    bits: HashMap<u64, u64, Mixing>,
    /// Different texts of each group.
    counts: Vec<i64>,
}

/// What was taken out: how many each group has, and which, small numbers and others.
type Taken = (Vec<i64>, Vec<Near>, Vec<(u64, u64)>);

impl Pairs {
    fn number(&mut self, text: &str) -> Result<u32> {
        if let Some(number) = self.numbers.get(text) {
            return Ok(*number);
        }
        let Ok(number) = u32::try_from(self.texts.len()) else {
            return exec_err!("more than 4 billion different texts");
        };
        let text: Arc<str> = text.into();
        self.bytes += text.len();
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        Ok(number)
    }

    fn add(&mut self, group: usize, number: u32) {
        let is_new = match u16::try_from(number).ok().filter(|_| number < NEAR) {
            Some(near) => self.near.get_mut(group).is_some_and(|set| {
                let before = set.size();
                let is_new = set.add(near);
                self.near_bytes += set.size() - before;
                is_new
            }),
            None => {
                let bits = self.bits.entry((group as u64) << 32 | u64::from(number >> 6)).or_default();
                let bit = 1 << (number & 63);
                let is_new = *bits & bit == 0;
                *bits |= bit;
                is_new
            }
        };
        if is_new && let Some(count) = self.counts.get_mut(group) {
            *count += 1;
        }
    }

    fn add_texts(&mut self, texts: &StringViewArray, groups: &[usize], filter: Option<&BooleanArray>) -> Result<()> {
        for (row, group) in groups.iter().enumerate() {
            let is_meant = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if !is_meant || !texts.is_valid(row) {
                continue;
            }
            let view = texts.views().get(row).copied().filter(|view| *view as u32 <= MAX_INLINE_VIEW_LEN);
            let number = match view.and_then(|view| self.short.get(&view)) {
                Some(number) => *number,
                None => {
                    let number = self.number(texts.value(row))?;
                    self.short.extend(view.map(|view| (view, number)));
                    number
                }
            };
            self.add(*group, number);
        }
        Ok(())
    }

    fn grow(&mut self, groups: usize) -> Result<()> {
        if groups > u32::MAX as usize {
            return exec_err!("more than 4 billion groups");
        }
        self.counts.resize(groups.max(self.counts.len()), 0);
        self.near.resize(groups.max(self.near.len()), Near::default());
        Ok(())
    }

    /// Takes the first groups out, or all; what is left begins at group 0.
    fn take(&mut self, emit: EmitTo) -> Taken {
        let counts = emit.take_needed(&mut self.counts);
        let near = emit.take_needed(&mut self.near);
        self.near_bytes = self.near_bytes.saturating_sub(near.iter().map(Near::size).sum());
        let first = counts.len() as u64;
        let taken: Vec<(u64, u64)> = match emit {
            EmitTo::All => std::mem::take(&mut self.bits).into_iter().collect(),
            EmitTo::First(_) => {
                let (taken, left): (Vec<_>, Vec<_>) = self.bits.drain().partition(|(key, _)| key >> 32 < first);
                self.bits.extend(left.into_iter().map(|(key, bits)| (key - (first << 32), bits)));
                taken
            }
        };
        (counts, near, taken)
    }

    /// Their texts, as a list for each group.
    fn lists(&mut self, emit: EmitTo) -> Result<ListArray> {
        let (counts, near, mut pairs) = self.take(emit);
        pairs.sort_unstable();
        let mut pairs = pairs.into_iter().peekable();
        let mut values = StringViewBuilder::with_capacity(counts.iter().map(|count| *count as usize).sum());
        let mut append = |number: u32| values.append_option(self.texts.get(number as usize).map(|text| text.as_ref()));
        for (group, near) in near.iter().enumerate() {
            near.each(&mut append);
            while let Some((key, bits)) = pairs.next_if(|(key, _)| key >> 32 == group as u64) {
                each_bit(key as u32, bits, &mut append);
            }
        }
        let lengths = counts.iter().map(|count| usize::try_from(*count).unwrap_or(0));
        Ok(ListArray::try_new(item(), OffsetBuffer::from_lengths(lengths), Arc::new(values.finish()), None)?)
    }

    fn add_lists(&mut self, lists: &ArrayRef, groups: &[usize]) -> Result<()> {
        let Some(lists) = lists.as_list_opt::<i32>() else { return exec_err!("distinct_texts: no lists") };
        for (row, group) in groups.iter().enumerate().filter(|(row, _)| lists.is_valid(*row)) {
            let values = lists.value(row);
            let Some(texts) = values.as_string_view_opt() else { return exec_err!("distinct_texts: no texts") };
            self.add_texts(texts, &vec![*group; texts.len()], None)?;
        }
        Ok(())
    }
}

impl GroupsAccumulator for Pairs {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.grow(total)?;
        let Some(array) = values.first() else { return Ok(()) };
        let array = cast(array, &DataType::Utf8View)?;
        self.add_texts(array.as_string_view(), groups, filter)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let (counts, ..) = self.take(emit);
        Ok(Arc::new(Int64Array::from(counts)))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![Arc::new(self.lists(emit)?)])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.grow(total)?;
        values.first().map_or(Ok(()), |lists| self.add_lists(lists, groups))
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let Some(array) = values.first() else { return exec_err!("distinct_texts: no argument") };
        let groups: Vec<usize> = (0..array.len()).collect();
        let mut each = Pairs::default();
        each.update_batch(values, &groups, filter, array.len())?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        size_of_val(self)
            + self.bytes
            + self.texts.capacity() * (size_of::<Arc<str>>() * 2 + 32)
            + self.short.capacity() * 33
            + self.bits.capacity() * 17
            + self.near.capacity() * size_of::<Near>()
            + self.near_bytes
            + self.counts.capacity() * 8
    }
}

/// Without groups.
struct OfAll(Pairs);

impl std::fmt::Debug for OfAll {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "OfAll({})", self.0.texts.len())
    }
}

impl Accumulator for OfAll {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |array| array.len());
        self.0.update_batch(values, &vec![0; rows], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, |array| array.len());
        self.0.merge_batch(states, &vec![0; rows], 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(self.0.counts.first().copied().unwrap_or(0))))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.grow(1)?;
        Ok(vec![ScalarValue::List(Arc::new(self.0.lists(EmitTo::All)?))])
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[Option<&str>]) -> Vec<ArrayRef> {
        vec![Arc::new(texts.iter().copied().collect::<StringViewArray>())]
    }

    fn counts(array: &ArrayRef) -> Vec<i64> {
        array.as_primitive::<deltalake::arrow::datatypes::Int64Type>().values().to_vec()
    }

    #[test]
    fn groups_are_counted_in_parts_and_merged() {
        let mut one = Pairs::default();
        let rows = texts(&[Some("a"), Some("b"), Some("a"), None, Some("a longer text than a view holds"), Some("b")]);
        one.update_batch(&rows, &[0, 0, 0, 0, 2, 2], None, 3).unwrap();
        let mut other = Pairs::default();
        let filter = BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]);
        other
            .update_batch(&texts(&[Some("c"), Some("d"), Some("e"), Some("a")]), &[0, 0, 0, 1], Some(&filter), 2)
            .unwrap();
        let mut merged = Pairs::default();
        // The first group leaves; those behind move up.
        let first = one.state(EmitTo::First(1)).unwrap();
        merged.merge_batch(&first, &[0], 3).unwrap();
        merged.merge_batch(&one.state(EmitTo::All).unwrap(), &[1, 2], 3).unwrap();
        merged.merge_batch(&other.state(EmitTo::All).unwrap(), &[0, 1], 3).unwrap();
        assert_eq!(counts(&merged.evaluate(EmitTo::First(2)).unwrap()), [3, 1]);
        assert_eq!(counts(&merged.evaluate(EmitTo::All).unwrap()), [2]);
        let each = Pairs::default().convert_to_state(&texts(&[Some("a"), None]), None).unwrap();
        assert_eq!(each[0].as_list::<i32>().value_length(0), 1);
        assert_eq!(each[0].as_list::<i32>().value_length(1), 0);
    }

    /// Few and many, small numbers and large ones, in parts: as a set of texts counts them.
    #[test]
    fn many_different_texts_are_counted_in_every_way() {
        let mut merged = Pairs::default();
        let mut expected = vec![std::collections::HashSet::new(); 5];
        for part in 0..3u64 {
            let mut pairs = Pairs::default();
            let rows: Vec<(usize, String)> = (0..20_000u64)
                .map(|row| {
                    let mixed = (row + part * 7919).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
                    let group = (mixed % 5) as usize;
                    // Of the first group a dozen, of the last about all.
                    (group, format!("host{}", mixed / 5 % [12, 40, 500, 5000, 50_000][group]))
                })
                .collect();
            let values: StringViewArray = rows.iter().map(|(_, text)| Some(text.as_str())).collect();
            let groups: Vec<usize> = rows.iter().map(|(group, _)| *group).collect();
            for (group, text) in rows {
                expected[group].insert(text);
            }
            pairs.update_batch(&[Arc::new(values)], &groups, None, 5).unwrap();
            let first = pairs.state(EmitTo::First(2)).unwrap();
            merged.merge_batch(&first, &[0, 1], 5).unwrap();
            merged.merge_batch(&pairs.state(EmitTo::All).unwrap(), &[2, 3, 4], 5).unwrap();
        }
        let expected: Vec<i64> = expected.iter().map(|texts| texts.len() as i64).collect();
        assert!(expected[0] == 12 && expected[4] > i64::from(NEAR), "{expected:?}");
        assert_eq!(counts(&merged.evaluate(EmitTo::All).unwrap()), expected);
    }

    #[test]
    fn all_rows_are_one_group() {
        let mut all = OfAll(Pairs::default());
        assert_eq!(all.evaluate().unwrap(), ScalarValue::Int64(Some(0)));
        Accumulator::update_batch(&mut all, &texts(&[Some("a"), Some("a"), Some("b")])).unwrap();
        let state = Accumulator::state(&mut all).unwrap().remove(0).to_array().unwrap();
        let mut merged = OfAll(Pairs::default());
        Accumulator::merge_batch(&mut merged, &[state]).unwrap();
        assert_eq!(Accumulator::evaluate(&mut merged).unwrap(), ScalarValue::Int64(Some(2)));
    }
}
