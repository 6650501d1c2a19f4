//! Sorting with one sort for elements of every type. The standard library's is compiled anew for each: a twelfth of the
//! program's code, of which most orders a handful of elements. What sorts millions calls that one all the same.

use std::cmp::Ordering;

/// Slices whose elements are put in order by way of their places. Stable.
pub trait Order<T> {
    /// Sorts by `compare`.
    fn order_by(&mut self, compare: impl FnMut(&T, &T) -> Ordering);

    /// Sorts by the elements' own order.
    fn order(&mut self)
    where
        T: Ord,
    {
        self.order_by(T::cmp);
    }

    /// Sorts by a key, which is asked for at each comparison.
    fn order_by_key<K: Ord>(&mut self, mut key: impl FnMut(&T) -> K) {
        self.order_by(|one, other| key(one).cmp(&key(other)));
    }
}

impl<T> Order<T> for [T] {
    fn order_by(&mut self, mut compare: impl FnMut(&T, &T) -> Ordering) {
        let mut goals = goals(self.len(), &mut |one, other| compare(&self[one], &self[other]));
        for at in 0..self.len() {
            while goals[at] != at {
                let goal = goals[at];
                self.swap(at, goal);
                goals.swap(at, goal);
            }
        }
    }
}

/// For each place the one that its element goes to.
fn goals(count: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut ordered: Vec<usize> = (0..count).collect();
    ordered.sort_by(|one, other| compare(*one, *other));
    let mut goals = vec![0; count];
    for (goal, from) in ordered.into_iter().enumerate() {
        goals[from] = goal;
    }
    goals
}

#[cfg(test)]
mod tests {
    use super::Order;

    #[test]
    fn equal_elements_keep_their_order() {
        let mut words = ["pear", "fig", "apple", "kiwi", "plum", "date", "nut", "a"].map(str::to_owned);
        let mut expected = words.clone();
        words.order_by_key(|word| word.len());
        expected.sort_by_key(|word| word.len());
        assert_eq!(words, expected);
        words.order_by(|one, other| other.cmp(one));
        expected.sort_by(|one, other| other.cmp(one));
        assert_eq!(words, expected);
    }

    #[test]
    fn what_is_empty_or_single_stays() {
        let mut none: [u8; 0] = [];
        none.order_by_key(|_| 0);
        let mut one = [7];
        one.order_by_key(|_| 0);
        assert_eq!(one, [7]);
    }
}
