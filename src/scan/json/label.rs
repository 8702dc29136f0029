//! What a shape is called: `{trace_id:hex, device:{os, model}, items:[{sku}], tags:[str]}`. Types at the top level only.

use super::skeleton::{Piece, Token, Tokens, VARIABLE};
use super::types::Field;

/// Longest label; the rest is `…`.
const MAX_LABEL: usize = 2048;

/// The label of a shape whose top-level keys have these types. A cut record says so with `…`.
pub(super) fn label(skeleton: &[u8], piece: Piece, fields: &[Field]) -> String {
    let mut text = String::new();
    let mut tokens = Tokens(skeleton);
    let whole_front = matches!(piece, Piece::Whole | Piece::Head | Piece::Coarse);
    text.push('{');
    if whole_front {
        tokens.next();
    } else {
        text.push('…');
    }
    let names = Names { fields: if whole_front { fields } else { &[] } };
    pairs(&mut tokens, &mut text, Some(&names), !whole_front);
    if matches!(piece, Piece::Head | Piece::Middle | Piece::Coarse) && !text.ends_with('…') {
        text.push_str(if text.len() > 1 { ", …" } else { "…" });
    }
    text.push('}');
    text
}

/// The keys of a record without any types.
pub(super) fn keys_only(skeleton: &[u8]) -> String {
    let mut text = String::new();
    value(&mut Tokens(skeleton), &mut text);
    text
}

struct Names<'f> {
    fields: &'f [Field],
}

/// Writes the pairs up to the closing brace or the end. `names` are there at the top level.
fn pairs(tokens: &mut Tokens<'_>, text: &mut String, names: Option<&Names<'_>>, mut separate: bool) {
    let mut index = 0;
    while let Some(token) = tokens.next() {
        let Token::Key(key) = token else {
            // Brackets that were opened in an overwritten front end nothing that is visible here.
            if names.is_some() && separate && token != Token::Leaf {
                continue;
            }
            return;
        };
        if separate {
            text.push_str(", ");
        }
        separate = true;
        if text.len() > MAX_LABEL {
            text.push('…');
            return;
        }
        text.push_str(&String::from_utf8_lossy(key.strip_prefix(&[VARIABLE]).unwrap_or(key)));
        let field = names.and_then(|names| names.fields.get(index));
        index += 1;
        match (tokens.peek(), field) {
            (Some(Token::Leaf), Some(field)) => {
                text.push(':');
                text.push_str(&field.label());
                tokens.next();
            }
            (Some(Token::Leaf), None) => {
                tokens.next();
            }
            (Some(Token::List), Some(field)) => {
                let mut ahead = tokens.clone();
                ahead.next();
                if ahead.peek() == Some(Token::Leaf) {
                    text.push_str(":[");
                    text.push_str(&field.label());
                    text.push(']');
                    tokens.skip_value();
                } else {
                    text.push(':');
                    value(tokens, text);
                }
            }
            (Some(Token::Open), _) => {
                text.push(':');
                value(tokens, text);
            }
            (Some(Token::List), None) => nested_list(tokens, text),
            _ => {}
        }
    }
}

/// Below the top level a list is worth showing where objects are in it.
fn nested_list(tokens: &mut Tokens<'_>, text: &mut String) {
    let list = tokens.skip_value();
    if list.contains(&super::skeleton::OPEN) {
        text.push(':');
        value(&mut Tokens(list), text);
    }
}

/// Writes the value that comes next, keys only. Depth is bounded by the parser's.
fn value(tokens: &mut Tokens<'_>, text: &mut String) {
    match tokens.peek() {
        Some(Token::Open) => {
            tokens.next();
            text.push('{');
            pairs(tokens, text, None, false);
            text.push('}');
        }
        Some(Token::List) => {
            tokens.next();
            text.push('[');
            while !matches!(tokens.peek(), Some(Token::EndList) | None) {
                let before = tokens.0.len();
                value(tokens, text);
                if tokens.0.len() == before {
                    tokens.next();
                }
            }
            tokens.next();
            text.push(']');
        }
        Some(Token::Leaf) => {
            tokens.next();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::Scalar;
    use super::*;

    fn field(scalar: Scalar, text: &str) -> Field {
        let mut field = Field::default();
        field.note(scalar, text.as_bytes());
        field
    }

    #[test]
    fn nesting_lists_keys_only() {
        let skeleton = b"\x01\x05a\x06\x05d\x01\x05os\x06\x05screen\x01\x05w\x06\x02\x05t\x03\x06\x04\x02\x05items\x03\x01\x05sku\x06\x02\x04\x05tags\x03\x06\x04\x05e\x03\x04\x02";
        let fields =
            [field(Scalar::Int, "1"), Field::default(), Field::default(), field(Scalar::Plain, "x"), Field::default()];
        assert_eq!(
            label(skeleton, Piece::Whole, &fields),
            "{a:int, d:{os, screen:{w}, t}, items:[{sku}], tags:[str], e:[]}"
        );
        assert_eq!(label(&skeleton[..4], Piece::Head, &fields), "{a:int, …}");
        assert_eq!(label(b"\x05c\x06\x02\x05d\x06\x02", Piece::Tail, &[]), "{…, c, d}");
        assert_eq!(label(b"\x05c\x06\x05d", Piece::Middle, &[]), "{…, c, d, …}");
    }
}
