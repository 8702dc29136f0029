//! Stacks as a pprof profile (github.com/google/pprof, proto/profile.proto), which `go tool pprof` and others open:
//! a protobuf message, compressed with gzip. Two values a stack: bytes still there, and bytes ever got.

use std::collections::HashMap;
use std::hash::Hash;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Allocations, FrameRow, StackRow};
use crate::units::ByteCount;

/// The name of growth that no stack accounts for.
pub const UNSEEN: &str = "[not seen]";

/// Writes the profile of all that was seen in so many `seconds`.
///
/// # Errors
/// Those of `out`.
pub fn write(allocations: &Allocations, seconds: f64, out: &mut dyn Write) -> io::Result<()> {
    let mut gzip = GzEncoder::new(out, Compression::default());
    gzip.write_all(&profile(allocations, seconds))?;
    gzip.finish().map(|_| ())
}

/// Field numbers of the messages.
mod field {
    pub const SAMPLE_TYPE: u64 = 1;
    pub const SAMPLE: u64 = 2;
    pub const MAPPING: u64 = 3;
    pub const LOCATION: u64 = 4;
    pub const FUNCTION: u64 = 5;
    pub const STRINGS: u64 = 6;
    pub const DURATION: u64 = 10;
}

fn profile(allocations: &Allocations, seconds: f64) -> Vec<u8> {
    let mut tables = Tables::default();
    tables.text("");
    let mut message = Message::default();
    for (kind, unit) in [("space", "bytes"), ("got_space", "bytes")] {
        let (kind, unit) = (tables.text(kind), tables.text(unit));
        message.message(field::SAMPLE_TYPE, &Message::default().number(1, kind).number(2, unit));
    }
    // The first mapping is taken for the program.
    let outermost = |stack: &StackRow| stack.frames.iter().rev().find(|frame| !frame.allocates).cloned();
    if let Some(FrameRow { module: Some(module), build_id, .. }) = allocations.stacks.first().and_then(outermost) {
        tables.mapping(&module, build_id.as_deref());
    }
    // As in the folded stacks: what no stack accounts for is part of the whole.
    let unseen = FrameRow { text: UNSEEN.into(), name: UNSEEN.into(), ..FrameRow::default() };
    let unseen = StackRow { bytes: allocations.unseen_bytes, frames: vec![unseen], ..StackRow::default() };
    let unseen = Some(&unseen).filter(|unseen| unseen.bytes > ByteCount::ZERO);
    for stack in allocations.stacks.iter().chain(unseen) {
        message.message(field::SAMPLE, &sample(stack, &mut tables));
    }
    let (mappings, locations) = (&tables.mappings.messages, &tables.locations.messages);
    for (field, messages) in
        [(field::MAPPING, mappings), (field::LOCATION, locations), (field::FUNCTION, &tables.functions.messages)]
    {
        messages.iter().for_each(|inner| message.message(field, inner));
    }
    tables.strings.keys.iter().for_each(|text| message.bytes(field::STRINGS, text.as_bytes()));
    message.number(field::DURATION, (seconds * 1e9) as u64).0
}

fn sample(stack: &StackRow, tables: &mut Tables) -> Message {
    let mut locations = Message::default();
    stack.frames.iter().for_each(|frame| locations.varint(tables.location(frame)));
    let mut values = Message::default();
    values.varint(stack.bytes.0);
    values.varint(stack.mapped_bytes.0);
    let mut sample = Message::default();
    sample.message(1, &locations);
    sample.message(2, &values);
    sample
}

/// What samples refer to by number.
#[derive(Default)]
struct Tables {
    strings: Numbered<String>,
    mappings: Numbered<String>,
    functions: Numbered<(String, Option<String>)>,
    locations: Numbered<(String, u64)>,
}

/// Things by number, from 1, with their messages; strings count from 0.
struct Numbered<K> {
    numbers: HashMap<K, u64>,
    keys: Vec<K>,
    messages: Vec<Message>,
}

impl<K> Default for Numbered<K> {
    fn default() -> Numbered<K> {
        Numbered { numbers: HashMap::new(), keys: Vec::new(), messages: Vec::new() }
    }
}

impl<K: Hash + Eq + Clone> Numbered<K> {
    /// The number of `key`, and whether it is new.
    fn of(&mut self, key: &K) -> (u64, bool) {
        if let Some(number) = self.numbers.get(key) {
            return (*number, false);
        }
        self.keys.push(key.clone());
        let number = self.keys.len() as u64;
        self.numbers.insert(key.clone(), number);
        (number, true)
    }
}

impl Tables {
    fn text(&mut self, text: &str) -> u64 {
        self.strings.of(&text.to_owned()).0 - 1
    }

    fn location(&mut self, frame: &FrameRow) -> u64 {
        let (id, new) = self.locations.of(&(frame.text.clone(), frame.address.0));
        if new {
            let mapping = frame.module.as_ref().map_or(0, |module| self.mapping(module, frame.build_id.as_deref()));
            let function = self.function(frame);
            let line = Message::default().number(1, function).number(2, u64::from(frame.line.unwrap_or(0)));
            let mut location = Message::default().number(1, id).number(2, mapping).number(3, frame.address.0);
            location.message(4, &line);
            self.locations.messages.push(location);
        }
        id
    }

    fn mapping(&mut self, module: &str, build_id: Option<&str>) -> u64 {
        let (id, new) = self.mappings.of(&module.to_owned());
        if new {
            let (file, build) = (self.text(module), self.text(build_id.unwrap_or_default()));
            // has_functions: names are given, nothing is left to look up.
            let mapping = Message::default().number(1, id).number(5, file).number(6, build).number(7, 1);
            self.mappings.messages.push(mapping);
        }
        id
    }

    fn function(&mut self, frame: &FrameRow) -> u64 {
        let (id, new) = self.functions.of(&(frame.name.clone(), frame.file.clone()));
        if new {
            let (name, file) = (self.text(&frame.name), self.text(frame.file.as_deref().unwrap_or_default()));
            let function = Message::default().number(1, id).number(2, name).number(3, name).number(4, file);
            self.functions.messages.push(function);
        }
        id
    }
}

/// A protobuf message under construction (protobuf.dev, "Encoding").
#[derive(Clone, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A number; zero is what a missing field means.
    fn number(mut self, field: u64, value: u64) -> Message {
        if value != 0 {
            self.varint(field << 3);
            self.varint(value);
        }
        self
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn message(&mut self, field: u64, message: &Message) {
        self.bytes(field, &message.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_protobuf_has_them() {
        let mut message = Message::default().number(1, 150).number(2, 0);
        message.bytes(2, b"testing");
        assert_eq!(message.0, [&[0x08, 0x96, 0x01, 0x12, 0x07][..], b"testing"].concat());
    }

    #[test]
    fn equal_frames_are_one_location() {
        let frame =
            FrameRow { text: "f (m)".into(), name: "f".into(), module: Some("m".into()), ..FrameRow::default() };
        let mut tables = Tables::default();
        assert_eq!((tables.location(&frame), tables.location(&frame)), (1, 1));
        assert_eq!((tables.mappings.messages.len(), tables.functions.messages.len()), (1, 1));
    }
}
