//! Numbers at the end of a text, without the formatting's machinery: most of a backtrace's values are numbers and
//! addresses.

/// `4052a0`, at least `width` digits.
pub fn push_hex(out: &mut String, number: u64, width: usize) {
    let mut digits = [b'0'; 16];
    let mut rest = number;
    let mut start = digits.len();
    while rest != 0 {
        start -= 1;
        digits[start] = b"0123456789abcdef"[(rest & 15) as usize];
        rest >>= 4;
    }
    let start = start.min(digits.len() - width.clamp(1, digits.len()));
    out.push_str(std::str::from_utf8(&digits[start..]).unwrap_or_default());
}

/// `0x4052a0`
pub fn push_address(out: &mut String, address: u64) {
    out.push_str("0x");
    push_hex(out, address, 1);
}

/// `-17`
pub fn push_decimal(out: &mut String, number: impl itoa::Integer) {
    out.push_str(itoa::Buffer::new().format(number));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_formatting_writes_them() {
        for number in [0, 1, 9, 15, 16, 255, 0x4052a0, u64::MAX >> 1, u64::MAX] {
            for width in [0, 1, 2, 8, 16] {
                let mut out = String::new();
                push_hex(&mut out, number, width);
                assert_eq!(out, format!("{number:0width$x}"));
            }
            let mut out = String::new();
            push_address(&mut out, number);
            push_decimal(&mut out, -i128::from(number));
            assert_eq!(out, format!("{number:#x}{}", -i128::from(number)));
        }
    }
}
