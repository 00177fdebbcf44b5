//! Values to bytes and back: integers little-endian, texts and lists behind their length in four
//! bytes, records behind theirs.
//!
//! A record's length is what lets formats grow: a reader passes over fields that it does not know
//! at a record's end, and takes defaults for those that an older writer did not have. No common
//! crate for serialization that is compact has both, and the codec is smaller than the glue around
//! one.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::HandoverError;

/// Writes values one behind the other. It first only measures, so that the buffer never grows: what
/// is secret in it would stay behind in the old ones.
#[derive(Default)]
pub(super) struct ByteWriter {
    /// `None` while it measures.
    bytes: Option<Zeroizing<Vec<u8>>>,
    len: usize,
}

/// Reads values from a buffer of any content.
pub(super) struct ByteReader<'a>(&'a [u8]);

/// A value with an encoding.
pub(super) trait Coded: Sized {
    fn put(&self, to: &mut ByteWriter);

    /// # Errors
    /// [`HandoverError`] when the bytes are no such value.
    fn take(from: &mut ByteReader<'_>) -> Result<Self, HandoverError>;
}

/// Bytes of what `put` writes, in a buffer of exactly their size.
pub(super) fn encode(put: impl Fn(&mut ByteWriter)) -> Zeroizing<Vec<u8>> {
    let mut measured = ByteWriter::default();
    put(&mut measured);
    let buffer = Zeroizing::new(Vec::with_capacity(measured.len));
    let mut writer = ByteWriter { bytes: Some(buffer), len: 0 };
    put(&mut writer);
    assert_eq!(writer.len, measured.len, "both passes write the same");
    writer.bytes.unwrap_or_default()
}

impl ByteWriter {
    pub(super) fn put_bytes(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        if let Some(out) = &mut self.bytes {
            out.extend_from_slice(bytes);
        }
    }

    /// Writes bytes behind their length.
    pub(super) fn put_block(&mut self, bytes: &[u8]) {
        length(bytes.len()).put(self);
        self.put_bytes(bytes);
    }

    pub(super) fn put_list<T: Coded>(&mut self, list: &[T]) {
        length(list.len()).put(self);
        list.iter().for_each(|item| item.put(self));
    }

    /// Begins a record: its fields are written next.
    pub(super) fn begin_record(&mut self) -> usize {
        0_u32.put(self);
        self.len
    }

    /// Ends the record that began there.
    pub(super) fn end_record(&mut self, start: usize) {
        let len = length(self.len - start);
        if let Some(out) = &mut self.bytes {
            out[start - 4..start].copy_from_slice(&len.to_le_bytes());
        }
    }
}

/// A length of a value in memory, which four bytes hold: none has 4 GiB.
fn length(len: usize) -> u32 {
    u32::try_from(len).expect("no list or text of a shard has 4 GiB")
}

impl<'a> ByteReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> ByteReader<'a> {
        ByteReader(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take_bytes(&mut self, len: usize) -> Result<&'a [u8], HandoverError> {
        self.0.split_off(..len).ok_or(HandoverError::Truncated)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], HandoverError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(HandoverError::Truncated)?;
        self.0 = rest;
        Ok(*array)
    }

    /// Takes bytes behind their length.
    pub(super) fn take_block(&mut self) -> Result<&'a [u8], HandoverError> {
        let len = u32::take(self)?;
        self.take_bytes(len as usize)
    }

    /// Takes the fields of a record: what is left of them is passed over.
    pub(super) fn take_record(&mut self) -> Result<ByteReader<'a>, HandoverError> {
        Ok(ByteReader(self.take_block()?))
    }

    /// Takes a field that older writers did not have.
    pub(super) fn take_later<T: Coded + Default>(&mut self) -> Result<T, HandoverError> {
        if self.is_empty() { Ok(T::default()) } else { T::take(self) }
    }

    fn take_text(&mut self) -> Result<&'a str, HandoverError> {
        let bytes = self.take_block()?;
        std::str::from_utf8(bytes).map_err(|_| HandoverError::Malformed("a text is not UTF-8"))
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl Coded for $integer {
            fn put(&self, to: &mut ByteWriter) {
                to.put_bytes(&self.to_le_bytes());
            }

            fn take(from: &mut ByteReader<'_>) -> Result<Self, HandoverError> {
                Ok(<$integer>::from_le_bytes(from.take_array()?))
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 u128 i32 i64);

/// A record's encoding: its fields, in the order of the format. `later` are those that older
/// writers did not have.
macro_rules! record {
    ($name:ident { $($field:ident),* $(,)? } $(later { $($new:ident),* $(,)? })?) => {
        impl Coded for $name {
            fn put(&self, to: &mut ByteWriter) {
                let start = to.begin_record();
                $(self.$field.put(to);)*
                $($(self.$new.put(to);)*)?
                to.end_record(start);
            }

            fn take(from: &mut ByteReader<'_>) -> Result<Self, HandoverError> {
                let mut fields = from.take_record()?;
                Ok($name {
                    $($field: Coded::take(&mut fields)?,)*
                    $($($new: fields.take_later()?,)*)?
                })
            }
        }
    };
}

/// The encoding of a value that is one of several: a number, and what is in it.
macro_rules! choice {
    ($name:ident { $($tag:literal => $variant:ident $(($inner:ident))?),* $(,)? }) => {
        impl Coded for $name {
            fn put(&self, to: &mut ByteWriter) {
                match self {
                    $($name::$variant $(($inner))? => {
                        let tag: u8 = $tag;
                        tag.put(to);
                        $($inner.put(to);)?
                    })*
                }
            }

            fn take(from: &mut ByteReader<'_>) -> Result<Self, HandoverError> {
                match u8::take(from)? {
                    $($tag => {
                        $(let $inner = Coded::take(from)?;)?
                        Ok($name::$variant $(($inner))?)
                    })*
                    _ => Err(HandoverError::Malformed(concat!("unknown ", stringify!($name)))),
                }
            }
        }
    };
}

pub(super) use {choice, record};

impl Coded for bool {
    fn put(&self, to: &mut ByteWriter) {
        u8::from(*self).put(to);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<bool, HandoverError> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(HandoverError::Malformed("neither yes nor no")),
        }
    }
}

impl<T: Coded> Coded for Option<T> {
    fn put(&self, to: &mut ByteWriter) {
        self.is_some().put(to);
        self.iter().for_each(|value| value.put(to));
    }

    fn take(from: &mut ByteReader<'_>) -> Result<Option<T>, HandoverError> {
        if bool::take(from)? { Ok(Some(T::take(from)?)) } else { Ok(None) }
    }
}

impl<T: Coded> Coded for Vec<T> {
    fn put(&self, to: &mut ByteWriter) {
        to.put_list(self);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<Vec<T>, HandoverError> {
        // Grows with what is there: a length alone reserves nothing.
        let mut list = Vec::new();
        for _ in 0..u32::take(from)? {
            list.push(T::take(from)?);
        }
        Ok(list)
    }
}

impl<T: Coded, U: Coded> Coded for (T, U) {
    fn put(&self, to: &mut ByteWriter) {
        self.0.put(to);
        self.1.put(to);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<(T, U), HandoverError> {
        Ok((T::take(from)?, U::take(from)?))
    }
}

impl<T: Coded, U: Coded, V: Coded> Coded for (T, U, V) {
    fn put(&self, to: &mut ByteWriter) {
        self.0.put(to);
        self.1.put(to);
        self.2.put(to);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<(T, U, V), HandoverError> {
        Ok((T::take(from)?, U::take(from)?, V::take(from)?))
    }
}

impl<T: Coded> Coded for Arc<T> {
    fn put(&self, to: &mut ByteWriter) {
        (**self).put(to);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<Arc<T>, HandoverError> {
        T::take(from).map(Arc::new)
    }
}

impl Coded for String {
    fn put(&self, to: &mut ByteWriter) {
        to.put_block(self.as_bytes());
    }

    fn take(from: &mut ByteReader<'_>) -> Result<String, HandoverError> {
        from.take_text().map(Into::into)
    }
}

impl Coded for Box<str> {
    fn put(&self, to: &mut ByteWriter) {
        to.put_block(self.as_bytes());
    }

    fn take(from: &mut ByteReader<'_>) -> Result<Box<str>, HandoverError> {
        from.take_text().map(Into::into)
    }
}

impl Coded for Arc<str> {
    fn put(&self, to: &mut ByteWriter) {
        to.put_block(self.as_bytes());
    }

    fn take(from: &mut ByteReader<'_>) -> Result<Arc<str>, HandoverError> {
        from.take_text().map(Into::into)
    }
}

impl Coded for Box<[u8]> {
    fn put(&self, to: &mut ByteWriter) {
        to.put_block(self);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<Box<[u8]>, HandoverError> {
        from.take_block().map(Into::into)
    }
}

impl Coded for [u8; 4] {
    fn put(&self, to: &mut ByteWriter) {
        to.put_bytes(self);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<[u8; 4], HandoverError> {
        from.take_array()
    }
}

impl Coded for SocketAddr {
    /// As IPv6 in 16 bytes, IPv4 mapped, and the port.
    fn put(&self, to: &mut ByteWriter) {
        let ip = match self.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        ip.to_bits().put(to);
        self.port().put(to);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<SocketAddr, HandoverError> {
        let ip = IpAddr::from(u128::take(from)?.to_be_bytes()).to_canonical();
        Ok(SocketAddr::new(ip, u16::take(from)?))
    }
}
