//! A look at the bytes before the parser reads them.
//!
//! The parser trusts lengths and nesting: a declared length of an exabyte is
//! allocated, a graph in an attribute of a graph in an attribute is a recursion,
//! and a number without end is read forever. Here every message that it will read
//! is walked once, without allocating, and what is not sound is refused.

/// The most fields that the messages of a model may have together.
pub const MAX_FIELDS: usize = 1 << 20;
/// How deep messages may be nested: a tensor in an attribute of a graph is at 4.
pub const MAX_DEPTH: usize = 16;

/// Why bytes are not the messages of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A number or a message does not end where it must.
    #[error("byte {offset}: a {what} goes on beyond its end")]
    Truncated {
        /// Where it begins.
        offset: usize,
        /// What it is.
        what: &'static str,
    },
    /// A number has more than ten bytes, or a field a type that does not exist.
    #[error("byte {offset}: no {what}")]
    Malformed {
        /// Where it begins.
        offset: usize,
        /// What it should be.
        what: &'static str,
    },
    /// More than [`MAX_DEPTH`].
    #[error("byte {offset}: messages are nested more than {MAX_DEPTH} deep")]
    Depth {
        /// Where the message begins.
        offset: usize,
    },
    /// More than [`MAX_FIELDS`].
    #[error("byte {offset}: the model has more than {MAX_FIELDS} fields")]
    Fields {
        /// Where the field begins.
        offset: usize,
    },
}

/// The messages that the parser reads; it skips all others.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Sequence,
    Leaf,
}

/// What a field of variable length holds.
enum Content {
    Message(Message),
    Numbers,
    Fixed(usize),
    Bytes,
}

impl Message {
    /// The numbers of `onnx.proto`.
    fn content(self, field: u64) -> Content {
        use Message as M;
        let message = match (self, field) {
            (M::Model, 7) | (M::Attribute, 6) => M::Graph,
            (M::Model, 8 | 14) | (M::Tensor, 13) | (M::Shape, 1) => M::Leaf,
            (M::Graph, 1) => M::Node,
            (M::Graph, 5) | (M::Attribute, 5) => M::Tensor,
            (M::Graph, 11..=13) => M::ValueInfo,
            (M::Node, 5) => M::Attribute,
            (M::ValueInfo, 2) | (M::Sequence, 1) => M::Type,
            (M::Type, 1) => M::TensorType,
            (M::Type, 4) => M::Sequence,
            (M::TensorType, 2) => M::Shape,
            (M::Tensor, 5 | 7) => return Content::Numbers,
            (M::Tensor, 4) => return Content::Fixed(4),
            (M::Tensor, 10) => return Content::Fixed(8),
            _ => return Content::Bytes,
        };
        Content::Message(message)
    }
}

/// Checks the bytes of a model.
pub(super) fn check(bytes: &[u8]) -> Result<(), WireError> {
    let mut walker = Walker { bytes, offset: 0, fields: 0 };
    walker.message(Message::Model, bytes.len(), 0)
}

struct Walker<'a> {
    bytes: &'a [u8],
    offset: usize,
    fields: usize,
}

impl Walker<'_> {
    fn message(&mut self, message: Message, end: usize, depth: usize) -> Result<(), WireError> {
        if depth > MAX_DEPTH {
            return Err(WireError::Depth { offset: self.offset });
        }
        while self.offset < end {
            let offset = self.offset;
            self.fields += 1;
            if self.fields > MAX_FIELDS {
                return Err(WireError::Fields { offset });
            }
            let tag = self.varint(end)?;
            match tag & 7 {
                0 => {
                    self.varint(end)?;
                }
                1 => self.skip(8, end, "number")?,
                5 => self.skip(4, end, "number")?,
                2 => {
                    let start = self.offset;
                    let length = usize::try_from(self.varint(end)?).unwrap_or(usize::MAX);
                    let stop = self.offset.checked_add(length).filter(|stop| *stop <= end);
                    let what = "field";
                    let stop = stop.ok_or(WireError::Truncated { offset: start, what })?;
                    self.content(message.content(tag >> 3), stop, depth)?;
                }
                _ => return Err(WireError::Malformed { offset, what: "type of a field" }),
            }
        }
        Ok(())
    }

    fn content(&mut self, content: Content, stop: usize, depth: usize) -> Result<(), WireError> {
        match content {
            Content::Message(message) => self.message(message, stop, depth + 1)?,
            Content::Numbers => {
                while self.offset < stop {
                    self.varint(stop)?;
                }
            }
            Content::Fixed(size) if !(stop - self.offset).is_multiple_of(size) => {
                return Err(WireError::Truncated { offset: self.offset, what: "list of numbers" });
            }
            Content::Fixed(_) | Content::Bytes => {}
        }
        self.offset = stop;
        Ok(())
    }

    fn skip(&mut self, size: usize, end: usize, what: &'static str) -> Result<(), WireError> {
        if end - self.offset < size {
            return Err(WireError::Truncated { offset: self.offset, what });
        }
        self.offset += size;
        Ok(())
    }

    /// Seven bits a byte, at most 64 in all.
    fn varint(&mut self, end: usize) -> Result<u64, WireError> {
        let start = self.offset;
        let mut value = 0;
        for (index, byte) in self.bytes[start..end].iter().take(10).enumerate() {
            if index == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.offset = start + index + 1;
                return Ok(value);
            }
        }
        if end - start < 10 {
            return Err(WireError::Truncated { offset: start, what: "number" });
        }
        Err(WireError::Malformed { offset: start, what: "number of 64 bits" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parser_would_trust_is_refused() {
        assert_eq!(check(&[]), Ok(()));
        // A graph of 2^40 bytes.
        let long = check(&[0x3a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]);
        assert_eq!(long, Err(WireError::Truncated { offset: 1, what: "field" }));
        // A number without end.
        let endless = check(&[&[0x08][..], &[0xff; 20]].concat());
        assert_eq!(endless, Err(WireError::Malformed { offset: 1, what: "number of 64 bits" }));
        assert!(matches!(check(&[0x0b]), Err(WireError::Malformed { .. })));
        assert!(matches!(check(&[0x08, 0x80]), Err(WireError::Truncated { .. })));
        assert!(matches!(check(&[0x3a, 2, 0x2a, 3]), Err(WireError::Truncated { .. })));
        // In a tensor: three bytes of floats; a packed number that is cut.
        assert!(matches!(
            check(&[0x3a, 7, 0x2a, 5, 0x22, 3, 0, 0, 0]),
            Err(WireError::Truncated { .. })
        ));
        assert!(matches!(
            check(&[0x3a, 5, 0x2a, 3, 0x3a, 1, 0x80]),
            Err(WireError::Truncated { .. })
        ));
    }

    #[test]
    fn nesting_and_fields_are_limited() {
        // A graph in an attribute of a node of a graph.
        let mut graph: Vec<u8> = Vec::new();
        for _ in 0..10 {
            for tag in [0x32, 0x2a, 0x0a] {
                graph.splice(0..0, [tag, u8::try_from(graph.len()).unwrap()]);
            }
        }
        graph.splice(0..0, [0x3a, u8::try_from(graph.len()).unwrap()]);
        assert!(matches!(check(&graph), Err(WireError::Depth { .. })));
        assert!(matches!(check(&[0x08, 0].repeat(MAX_FIELDS + 1)), Err(WireError::Fields { .. })));
    }
}
