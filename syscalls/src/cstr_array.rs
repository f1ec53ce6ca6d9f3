//! `argv` and `envp`: a NULL-terminated array of pointers to C strings, built in the parent and read by the kernel.
//!
//! # Safety
//!
//! Each pointer but the last is that of a string which lives for ever. The last is NULL.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char};

/// C strings in the form that execve wants. The only type of this crate that allocates.
pub struct CStrArray {
    pointers: Vec<*mut c_char>,
}

impl CStrArray {
    /// No strings yet.
    pub fn new() -> Self {
        CStrArray::with_capacity(0)
    }

    /// No strings yet, and room for `strings` of them.
    pub fn with_capacity(strings: usize) -> Self {
        let mut pointers = Vec::with_capacity(strings.saturating_add(1));
        pointers.push(core::ptr::null_mut());
        CStrArray { pointers }
    }

    /// Appends one.
    pub fn push(&mut self, string: &'static CStr) {
        let last = self.len();
        self.pointers.push(core::ptr::null_mut());
        if let Some(slot) = self.pointers.get_mut(last) {
            *slot = string.as_ptr().cast_mut(); // only ever read
        }
    }

    /// Makes room for more strings, which are then appended without allocating.
    pub fn reserve(&mut self, strings: usize) {
        self.pointers.reserve(strings);
    }

    /// How many strings.
    pub fn len(&self) -> usize {
        self.pointers.len().saturating_sub(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &CStr> {
        // SAFETY: all but the last are live strings.
        self.pointers.iter().take(self.len()).map(|&p| unsafe { CStr::from_ptr(p) })
    }

    pub(crate) fn as_ptr(&self) -> *const *mut c_char {
        self.pointers.as_ptr()
    }
}

impl Default for CStrArray {
    fn default() -> Self {
        CStrArray::new()
    }
}

impl Extend<&'static CStr> for CStrArray {
    fn extend<I: IntoIterator<Item = &'static CStr>>(&mut self, strings: I) {
        for string in strings {
            self.push(string);
        }
    }
}

impl FromIterator<&'static CStr> for CStrArray {
    fn from_iter<I: IntoIterator<Item = &'static CStr>>(strings: I) -> Self {
        let mut array = CStrArray::new();
        array.extend(strings);
        array
    }
}

impl core::fmt::Debug for CStrArray {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

// SAFETY: the strings are only read.
unsafe impl Send for CStrArray {}
// SAFETY: as above.
unsafe impl Sync for CStrArray {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_array_ends_in_null_at_every_length() {
        let mut array = CStrArray::new();
        for n in 0..40 {
            assert_eq!((array.len(), array.is_empty()), (n, n == 0));
            // SAFETY: `len + 1` pointers, the last of which is NULL.
            assert!(unsafe { *array.as_ptr().add(n) }.is_null());
            assert_eq!(array.iter().count(), n);
            array.push(c"string");
        }
        assert!(array.iter().all(|s| s == c"string"));
        let mut one = CStrArray::with_capacity(1);
        one.push(c"own");
        one.reserve(1);
        let there = one.as_ptr();
        one.push(c"one more");
        assert!(one.iter().eq([c"own", c"one more"]));
        assert_eq!(one.as_ptr(), there);
        let two: CStrArray = [c"a", c""].into_iter().collect();
        assert_eq!(std::format!("{two:?}"), r#"["a", ""]"#);
    }
}
