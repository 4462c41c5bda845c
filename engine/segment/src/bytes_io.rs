//! Reading and writing the primitive pieces of our own formats: big-endian integers, LEB128 varints, slices.
//!
//! Promises: a [`Reader`] never reads past its bytes and never allocates; what it cannot read is an error that names the piece.
//! Never: a length from outside is believed before it was compared with what is there.

/// A piece could not be read; the text says which.
pub type ReadError = String;

/// Reads from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of all of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// If fewer are left.
    pub fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], ReadError> {
        if len > self.rest.len() {
            return Err(format!("it ends inside {what} ({len} bytes wanted, {} left)", self.rest.len()));
        }
        let (head, tail) = self.rest.split_at(len);
        self.rest = tail;
        Ok(head)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// If fewer are left.
    pub fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ReadError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    /// One byte.
    ///
    /// # Errors
    /// If none is left.
    pub fn u8(&mut self, what: &str) -> Result<u8, ReadError> {
        Ok(self.array::<1>(what)?[0])
    }

    /// A big-endian 16-bit number.
    ///
    /// # Errors
    /// If fewer bytes are left.
    pub fn u16(&mut self, what: &str) -> Result<u16, ReadError> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    /// A big-endian 32-bit number.
    ///
    /// # Errors
    /// If fewer bytes are left.
    pub fn u32(&mut self, what: &str) -> Result<u32, ReadError> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    /// A big-endian 64-bit number.
    ///
    /// # Errors
    /// If fewer bytes are left.
    pub fn u64(&mut self, what: &str) -> Result<u64, ReadError> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    /// A big-endian 32-bit length, checked against what is left.
    ///
    /// # Errors
    /// If it says more than is left.
    pub fn block(&mut self, what: &str) -> Result<&'a [u8], ReadError> {
        let len = self.u32(what)? as usize;
        self.take(len, what)
    }

    /// An unsigned LEB128 number, in its shortest form.
    ///
    /// # Errors
    /// If it is cut off, does not fit 64 bits, or is longer than it must be.
    pub fn varint(&mut self, what: &str) -> Result<u64, ReadError> {
        let mut value = 0u64;
        for i in 0..10 {
            let byte = self.u8(what)?;
            let bits = u64::from(byte & 0x7F);
            if i == 9 && bits > 1 {
                return Err(format!("{what} does not fit 64 bits"));
            }
            value |= bits << (7 * i);
            if byte & 0x80 == 0 {
                if byte == 0 && i > 0 {
                    return Err(format!("{what} is not in its shortest form"));
                }
                return Ok(value);
            }
        }
        Err(format!("{what} does not fit 64 bits"))
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// If something is.
    pub fn end(&self, what: &str) -> Result<(), ReadError> {
        match self.rest.len() {
            0 => Ok(()),
            n => Err(format!("{n} bytes too many after {what}")),
        }
    }
}

/// Appends an unsigned LEB128 number in its shortest form.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let byte = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// What every sealed part is bound to besides its key: `"firn" ‖ 0 ‖ namespace UUID ‖ kind ‖ 0 ‖ name`.
/// Kinds are `wal`, `sst` and `dv`; the name is the object's key inside the namespace.
#[must_use]
pub fn object_aad(namespace: firn_manifest::ids::NamespaceId, kind: &str, name: &str) -> Vec<u8> {
    let mut aad = Vec::with_capacity(22 + kind.len() + name.len());
    aad.extend_from_slice(b"firn\0");
    aad.extend_from_slice(namespace.0.as_bytes());
    aad.extend_from_slice(kind.as_bytes());
    aad.push(0);
    aad.extend_from_slice(name.as_bytes());
    aad
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_one_form() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut r = Reader::new(&out);
            assert_eq!(r.varint("n"), Ok(value));
            assert_eq!(r.remaining(), 0);
            assert!(Reader::new(&out[..out.len() - 1]).varint("n").is_err());
        }
        assert!(Reader::new(&[0x80, 0x00]).varint("n").is_err());
        assert!(Reader::new(&[0xFF; 10]).varint("n").is_err());
        assert!(Reader::new(&[0xFF; 11]).varint("n").is_err());
    }

    #[test]
    fn a_length_is_not_believed() {
        let mut r = Reader::new(&[0xFF, 0xFF, 0xFF, 0xFF, 1]);
        assert!(r.block("section").unwrap_err().contains("section"));
    }
}
