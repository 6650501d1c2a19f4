//! Markup that cannot be anything else than what this program wrote: tags are constants, everything else is escaped.

/// Characters of one text.
const LONGEST: usize = 8192;

/// A page in the making.
#[derive(Default)]
pub struct Html {
    out: String,
}

impl Html {
    /// Markup, as it stands.
    pub fn raw(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    /// Text of the target, or any other, at most `LONGEST` characters of it. Control characters show as symbols, so that none reorders or hides what
    /// stands beside it.
    pub fn text(&mut self, text: &str) {
        for (index, char) in text.chars().enumerate() {
            if index == LONGEST {
                self.out.push('…');
                break;
            }
            match char {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                '\t' | '\n' => self.out.push(char),
                '\0'..='\x1f' => self.out.push(char::from_u32(0x2400 + char as u32).unwrap_or('\u{fffd}')),
                '\x7f'..='\u{9f}' => self.out.push('\u{fffd}'),
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                    self.out.push('\u{fffd}');
                }
                _ => self.out.push(char),
            }
        }
    }

    /// An element around text: `<b>`, the text, `</b>`.
    pub fn element(&mut self, open: &'static str, text: &str, close: &'static str) {
        self.raw(open);
        self.text(text);
        self.raw(close);
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The page.
    pub fn into_string(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::Html;

    #[test]
    fn text_becomes_no_markup() {
        let mut html = Html::default();
        html.element("<b>", "</b><script>alert(\"1\" & '2')</script>\u{202e}\x1b[31m\0", "</b>");
        assert_eq!(
            html.into_string(),
            "<b>&lt;/b&gt;&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;\u{fffd}\u{241b}[31m\u{2400}</b>"
        );
    }
}
