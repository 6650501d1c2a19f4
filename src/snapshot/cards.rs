//! Whether digits are a payment card's number.

/// Issuers: the first digits of their numbers (lowest and highest, as many digits), and how long a number may be.
/// ISO/IEC 7812-1 and the schemes' own ranges: Visa, Mastercard, American Express, Discover, JCB, Diners Club, UnionPay,
/// Maestro.
const ISSUERS: &[(u32, u32, &[usize])] = &[
    (4, 4, &[13, 16, 19]),
    (51, 55, &[16]),
    (2221, 2720, &[16]),
    (34, 34, &[15]),
    (37, 37, &[15]),
    (6011, 6011, &[16, 19]),
    (644, 649, &[16, 19]),
    (65, 65, &[16, 19]),
    (3528, 3589, &[16, 17, 18, 19]),
    (300, 305, &[14, 16, 19]),
    (3095, 3095, &[14, 16, 19]),
    (36, 36, &[14, 16, 19]),
    (38, 39, &[14, 16, 19]),
    (62, 62, &[16, 17, 18, 19]),
    (5018, 5018, &[13, 16, 19]),
    (5020, 5020, &[13, 16, 19]),
    (5038, 5038, &[13, 16, 19]),
    (5893, 5893, &[13, 16, 19]),
    (6304, 6304, &[13, 16, 19]),
    (6759, 6759, &[13, 16, 19]),
    (6761, 6763, &[13, 16, 19]),
];

/// How numbers are written in groups.
const GROUPS: &[&[usize]] =
    &[&[4, 4, 4, 4], &[4, 4, 4, 4, 3], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 1], &[4, 4, 5], &[6, 13], &[4, 4, 4, 2]];

/// Whether these bytes are one: an issuer's first digits, as many digits as that one's have, in groups as they are
/// written or in none, and with the right last digit. Digits that happen to lie side by side rarely are all that.
/// `around` is the byte before and the one behind.
pub fn is_card(text: &[u8], around: (Option<u8>, Option<u8>)) -> bool {
    let digits: Vec<u32> =
        text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0')).collect();
    is_apart(around) && is_grouped(text) && has_issuer(&digits) && passes_luhn(&digits)
}

/// Neither a fraction nor a part of a longer number.
fn is_apart((before, behind): (Option<u8>, Option<u8>)) -> bool {
    !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'_'))
        && !behind.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_grouped(text: &[u8]) -> bool {
    let Some(separator) = text.iter().copied().find(|byte| !byte.is_ascii_digit()) else { return true };
    let groups: Vec<&[u8]> = text.split(|byte| *byte == separator).collect();
    let all_digits = groups.iter().all(|group| group.iter().all(u8::is_ascii_digit));
    let sizes: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    all_digits && GROUPS.contains(&sizes.as_slice())
}

fn has_issuer(digits: &[u32]) -> bool {
    ISSUERS.iter().any(|(lowest, highest, lengths)| {
        let prefix = digits.iter().take(lowest.ilog10() as usize + 1).fold(0, |number, digit| number * 10 + digit);
        (*lowest..=*highest).contains(&prefix) && lengths.contains(&digits.len())
    })
}

/// ISO/IEC 7812-1, annex B.
fn passes_luhn(digits: &[u32]) -> bool {
    let weighted = digits.iter().rev().enumerate().map(|(index, digit)| match (index % 2, digit * 2) {
        (0, _) => *digit,
        (_, doubled) => doubled / 10 + doubled % 10,
    });
    weighted.sum::<u32>().is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_issuers_are_cards() {
        // The numbers that the schemes give for tests.
        for number in [
            "4111111111111111",
            "4222222222222",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "6011111111111117",
            "3530111333300000",
            "30569309025904",
            "3056 930902 5904",
            "6200000000000005",
            "6759649826438453",
        ] {
            assert!(is_card(number.as_bytes(), (None, Some(b' '))), "{number}");
        }
    }

    #[test]
    fn other_digits_are_none() {
        for number in [
            "4111111111111112",     // the last digit
            "411111111111111117",   // 18 digits
            "7111111111111117",     // no issuer's
            "41 1111 1111 1111 11", // no groups of a card
            "4111 1111-1111 1111",
            "4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1",
            "3552713678800501", // digits of a power of 5
        ] {
            assert!(!is_card(number.as_bytes(), (Some(b' '), None)), "{number}");
        }
        let number = b"4111111111111111";
        assert!(!is_card(number, (Some(b'.'), None)), "a fraction");
        assert!(!is_card(number, (None, Some(b'1'))) && !is_card(number, (Some(b'x'), None)), "part of more");
        assert!(is_card(number, (Some(0x80), Some(0))) && is_card(number, (Some(b'='), Some(b'.'))));
    }
}
