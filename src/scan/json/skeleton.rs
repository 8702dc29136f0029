//! The skeleton of a record: its keys in order and its nesting as a string of tokens, values left out.
//! Skeletons of cut records are prefixes, suffixes or infixes of whole ones, byte for byte. Knows the tokens and how
//! to walk them; how records are read is `parse`'s business.

/// An object begins.
pub(super) const OPEN: u8 = 1;
/// An object ends.
pub(super) const CLOSE: u8 = 2;
/// An array begins; the shape of one element may follow.
pub(super) const LIST: u8 = 3;
/// An array ends.
pub(super) const END_LIST: u8 = 4;
/// A key; its bytes as written follow, none of them below a space.
pub(super) const KEY: u8 = 5;
/// A value that is neither object nor array.
pub(super) const LEAF: u8 = 6;
/// In place of the first byte of a key: keys of this object vary, the name of their type follows.
pub(super) const VARIABLE: u8 = 7;

/// Longest skeleton; what comes after it in a record is not part of the shape.
pub(super) const MAX_SKELETON: usize = 4096;

/// How much of a record is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Piece {
    /// From brace to brace.
    Whole,
    /// Cut before its end.
    Head,
    /// Overwritten at the front.
    Tail,
    /// Both.
    Middle,
    /// Counted by its first key alone: the table was full.
    Coarse,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    Open,
    Close,
    List,
    EndList,
    Key(&'s [u8]),
    Leaf,
}

/// The tokens of a skeleton. Bytes that are no token end it.
#[derive(Clone)]
pub(super) struct Tokens<'s>(pub(super) &'s [u8]);

impl<'s> Tokens<'s> {
    /// Skips the value that comes next, nested ones whole; returns what was skipped.
    pub(super) fn skip_value(&mut self) -> &'s [u8] {
        let before = self.0;
        let mut depth = 0usize;
        loop {
            let mut ahead = self.clone();
            match ahead.next() {
                Some(Token::Open | Token::List) => depth += 1,
                Some(Token::Close | Token::EndList) if depth == 0 => break,
                Some(Token::Close | Token::EndList) => depth -= 1,
                Some(Token::Key(_)) if depth == 0 => break,
                Some(Token::Key(_)) => {
                    *self = ahead;
                    continue;
                }
                Some(Token::Leaf) => {}
                None => break,
            }
            *self = ahead;
            if depth == 0 {
                break;
            }
        }
        &before[..before.len() - self.0.len()]
    }

    /// The next token, left where it is.
    pub(super) fn peek(&self) -> Option<Token<'s>> {
        self.clone().next()
    }
}

impl<'s> Iterator for Tokens<'s> {
    type Item = Token<'s>;

    fn next(&mut self) -> Option<Token<'s>> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(match first {
            OPEN => Token::Open,
            CLOSE => Token::Close,
            LIST => Token::List,
            END_LIST => Token::EndList,
            LEAF => Token::Leaf,
            KEY => {
                let length = rest.iter().position(|&byte| byte <= LEAF).unwrap_or(rest.len());
                let (key, rest) = rest.split_at(length);
                self.0 = rest;
                Token::Key(key)
            }
            _ => return None,
        })
    }
}

/// The keys at the top level.
pub(super) fn top_keys(skeleton: &[u8]) -> Vec<&[u8]> {
    let mut tokens = Tokens(skeleton);
    let mut keys = Vec::new();
    if tokens.peek() == Some(Token::Open) {
        tokens.next();
    }
    while let Some(Token::Key(key)) = tokens.next() {
        keys.push(key);
        tokens.skip_value();
    }
    keys
}

/// How many keys there are at any depth.
pub(super) fn key_count(skeleton: &[u8]) -> usize {
    skeleton.iter().filter(|&&byte| byte == KEY).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_nested_values() {
        let skeleton = b"\x01\x05a\x06\x05b\x01\x05c\x03\x06\x04\x02\x05d\x03\x04\x02";
        assert_eq!(top_keys(skeleton), [&b"a"[..], b"b", b"d"]);
        assert_eq!(key_count(skeleton), 4);
        let mut tokens = Tokens(&skeleton[6..]);
        assert_eq!(tokens.skip_value(), b"\x01\x05c\x03\x06\x04\x02");
        assert_eq!(Tokens(b"\x02").skip_value(), b"");
        assert_eq!(Tokens(b"\x01\x05a").skip_value(), b"\x01\x05a");
    }
}
