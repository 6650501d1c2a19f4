//! A JSON writer into a byte buffer: no tree, no intermediate strings.
//!
//! The caller opens and closes objects and arrays; the writer places the commas. Debug builds check the nesting.

/// A JSON document (or a part of one) being written.
#[derive(Default)]
pub struct Json {
    out: Vec<u8>,
    /// Whether a comma comes before the next key or element.
    comma: bool,
    depth: usize,
}

impl Json {
    /// An empty document.
    pub fn new() -> Json {
        Json::default()
    }

    /// An empty document in a buffer that was used before.
    pub fn reusing(mut buffer: Vec<u8>) -> Json {
        buffer.clear();
        Json { out: buffer, ..Json::default() }
    }

    /// A part that continues an array of which elements were already written elsewhere.
    pub fn continuing(comma: bool) -> Json {
        Json { out: Vec::new(), comma, depth: 0 }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// What was written so far.
    pub fn bytes(&self) -> &[u8] {
        &self.out
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    /// `{`, as a value.
    pub fn begin_object(&mut self) {
        self.open(b'{');
    }

    /// `}`.
    pub fn end_object(&mut self) {
        self.close(b'}');
    }

    /// `[`, as a value.
    pub fn begin_array(&mut self) {
        self.open(b'[');
    }

    /// `]`.
    pub fn end_array(&mut self) {
        self.close(b']');
    }

    fn open(&mut self, bracket: u8) {
        self.separate();
        self.out.push(bracket);
        self.comma = false;
        self.depth += 1;
    }

    fn close(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.comma = true;
        self.depth = self.depth.saturating_sub(1);
    }

    /// A key of an object. Keys are this program's own words and need no escapes.
    pub fn key(&mut self, key: &'static str) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.comma = false;
    }

    /// `null`.
    pub fn null(&mut self) {
        self.raw(b"null");
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.raw(if value { b"true" } else { b"false" });
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.separate();
        self.out.extend_from_slice(bytes);
    }

    /// A whole document that was written before.
    pub fn document(&mut self, document: &[u8]) {
        self.raw(document.trim_ascii_end());
    }

    /// A number that is not negative.
    pub fn uint(&mut self, value: u128) {
        self.separate();
        self.digits(value);
    }

    /// A number.
    pub fn int(&mut self, value: i128) {
        self.separate();
        if value < 0 {
            self.out.push(b'-');
        }
        self.digits(value.unsigned_abs());
    }

    fn digits(&mut self, value: u128) {
        let Ok(mut rest) = u64::try_from(value) else {
            return self.out.extend_from_slice(value.to_string().as_bytes());
        };
        let mut text = [0; 20];
        let mut at = text.len();
        loop {
            at -= 1;
            text[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&text[at..]);
    }

    /// A finite number as JSON has it; JSON has no others, so they become `"nan"`, `"inf"`, `"-inf"`.
    pub fn float(&mut self, value: f64) {
        if value.is_nan() {
            return self.string("nan");
        }
        if value.is_infinite() {
            return self.string(if value > 0.0 { "inf" } else { "-inf" });
        }
        self.separate();
        self.out.extend_from_slice(format!("{value:?}").as_bytes());
    }

    /// An address, pc, offset or register value: `"0x7f12"`.
    pub fn hex(&mut self, value: u64) {
        self.separate();
        self.out.extend_from_slice(b"\"0x");
        let digits = (64 - value.leading_zeros()).div_ceil(4).max(1);
        for position in (0..digits).rev() {
            self.out.push(b"0123456789abcdef"[(value >> (4 * position) & 15) as usize]);
        }
        self.out.push(b'"');
    }

    /// Bytes as lower-case hex digits, without 0x (a build-id).
    pub fn hex_bytes(&mut self, bytes: &[u8]) {
        self.separate();
        self.out.push(b'"');
        for byte in bytes {
            self.out.push(b"0123456789abcdef"[usize::from(byte >> 4)]);
            self.out.push(b"0123456789abcdef"[usize::from(byte & 15)]);
        }
        self.out.push(b'"');
    }

    /// Text.
    pub fn string(&mut self, text: &str) {
        self.separate();
        self.out.push(b'"');
        self.escaped(text);
        self.out.push(b'"');
    }

    /// Bytes of the program that are text; what is no UTF-8 is shown as `\xNN`.
    pub fn program_text(&mut self, bytes: &[u8]) {
        self.separate();
        self.out.push(b'"');
        for chunk in bytes.utf8_chunks() {
            self.escaped(chunk.valid());
            for byte in chunk.invalid() {
                self.out.extend_from_slice(format!("\\\\x{byte:02x}").as_bytes());
            }
        }
        self.out.push(b'"');
    }

    fn escaped(&mut self, text: &str) {
        let bytes = text.as_bytes();
        // Almost no text needs escapes; this loop becomes vector instructions.
        let plain = bytes
            .iter()
            .fold(true, |plain, byte| plain & (*byte >= 0x20) & (*byte != b'"') & (*byte != b'\\') & (*byte != 0x7f));
        if plain {
            self.out.extend_from_slice(bytes);
            return;
        }
        let mut written = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            let escape: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                b'\t' => b"\\t",
                0..=0x1f | 0x7f => b"",
                _ => continue,
            };
            self.out.extend_from_slice(&bytes[written..at]);
            written = at + 1;
            if escape.is_empty() {
                self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            } else {
                self.out.extend_from_slice(escape);
            }
        }
        self.out.extend_from_slice(&bytes[written..]);
    }

    /// A key with text, or with null.
    pub fn field_string(&mut self, key: &'static str, value: Option<&str>) {
        self.key(key);
        match value {
            Some(text) => self.string(text),
            None => self.null(),
        }
    }

    /// A key with a number, or with null.
    pub fn field_uint(&mut self, key: &'static str, value: Option<u64>) {
        self.key(key);
        match value {
            Some(number) => self.uint(number.into()),
            None => self.null(),
        }
    }

    /// A key with an address, or with null.
    pub fn field_hex(&mut self, key: &'static str, value: Option<u64>) {
        self.key(key);
        match value {
            Some(number) => self.hex(number),
            None => self.null(),
        }
    }

    /// A key with true or false.
    pub fn field_bool(&mut self, key: &'static str, value: bool) {
        self.key(key);
        self.bool(value);
    }

    /// A key with bytes as hex digits, or with null.
    pub fn field_hex_bytes(&mut self, key: &'static str, value: Option<&[u8]>) {
        self.key(key);
        match value {
            Some(bytes) => self.hex_bytes(bytes),
            None => self.null(),
        }
    }

    /// Elements that a [`Json::continuing`] part wrote.
    pub fn append_elements(&mut self, elements: &[u8]) {
        self.out.extend_from_slice(elements);
        self.comma |= !elements.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Json)) -> String {
        let mut json = Json::new();
        write(&mut json);
        String::from_utf8(json.into_bytes()).unwrap()
    }

    #[test]
    fn numbers_of_any_width_are_exact() {
        assert_eq!(written(|json| json.int(i128::MIN)), "-170141183460469231731687303715884105728");
        assert_eq!(written(|json| json.uint(u128::MAX)), "340282366920938463463374607431768211455");
        assert_eq!(written(|json| json.int(-1)), "-1");
        assert_eq!(written(|json| json.uint(0)), "0");
        assert_eq!(written(|json| json.uint(u64::MAX.into())), "18446744073709551615");
        assert_eq!(written(|json| json.hex(0)), "\"0x0\"");
        assert_eq!(written(|json| json.hex(0xdead_beef)), "\"0xdeadbeef\"");
        assert_eq!(written(|json| json.hex(u64::MAX)), "\"0xffffffffffffffff\"");
    }

    #[test]
    fn floats_are_numbers_where_json_has_them() {
        assert_eq!(written(|json| json.float(1.5)), "1.5");
        assert_eq!(written(|json| json.float(1e300)), "1e300");
        assert_eq!(written(|json| json.float(f64::NAN)), "\"nan\"");
        assert_eq!(written(|json| json.float(f64::NEG_INFINITY)), "\"-inf\"");
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(written(|json| json.string("a\"\\\n\u{1}é")), r#""a\"\\\n\u0001é""#);
        assert_eq!(written(|json| json.program_text(b"ok\xff\xc3(")), r#""ok\\xff\\xc3(""#);
    }

    #[test]
    fn commas_fall_between_elements_alone() {
        let text = written(|json| {
            json.begin_object();
            json.field_string("a", None);
            json.key("b");
            json.begin_array();
            json.uint(1);
            json.uint(2);
            json.begin_object();
            json.end_object();
            json.end_array();
            json.field_bool("c", true);
            json.end_object();
        });
        assert_eq!(text, r#"{"a":null,"b":[1,2,{}],"c":true}"#);
    }
}
