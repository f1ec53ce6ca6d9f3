//! Bytes of the program behind a pointer of one word. Hundreds of places name what the program says, and a pointer with a length
//! is two registers in each of them.
//!
//! # Safety
//!
//! The byte that is pointed to says how many follow it in the same static.

use core::fmt;
use core::ptr::NonNull;

/// A pointer to bytes that say how many they are.
#[derive(Clone, Copy)]
pub struct Counted(NonNull<u8>);

impl Counted {
    /// Points to a static whose first byte is the number of the others.
    pub const fn new<const N: usize>(bytes: &'static [u8; N]) -> Self {
        assert!(matches!(bytes.as_slice(), [count, rest @ ..] if *count as usize == rest.len()));
        Counted(NonNull::from_ref(bytes).cast())
    }

    /// The others.
    pub fn bytes(self) -> &'static [u8] {
        // SAFETY: `new` saw that as many follow, and they live for ever.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr().add(1), usize::from(self.0.read())) }
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().fmt(f)
    }
}

// SAFETY: the bytes are only read.
unsafe impl Send for Counted {}
// SAFETY: as above.
unsafe impl Sync for Counted {}

#[cfg(test)]
mod tests {
    use super::Counted;

    #[test]
    fn the_first_byte_counts_the_others() {
        assert_eq!(Counted::new(b"\0").bytes(), b"");
        assert_eq!(Counted::new(b"\x03abc").bytes(), b"abc");
        assert!(std::panic::catch_unwind(|| Counted::new(b"\x04abc")).is_err());
        assert!(std::panic::catch_unwind(|| Counted::new(b"")).is_err());
    }
}
