//! A global allocator for a process that ends soon: it moves a pointer, and gives back only the last block.
//!
//! # Safety
//!
//! The state is touched only under the lock. A block lies in a chunk mapped for it, after everything handed out before, and chunks are
//! never unmapped; so no two live blocks overlap.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};
use linux_raw_sys::general as k;

/// Addresses: `at..end` is free; `last` is where the newest block begins.
struct State {
    at: usize,
    end: usize,
    last: usize,
}

/// The allocator: `#[global_allocator] static A: Bump = Bump::new();`. For one thread; with more it is correct, and spins.
pub struct Bump {
    locked: AtomicBool,
    sealed: AtomicBool,
    state: UnsafeCell<State>,
}

// SAFETY: the state is only reached through `with`, which holds the lock.
unsafe impl Sync for Bump {}

/// Address space asked for at a time; memory is used by the page, when it is touched.
const CHUNK: usize = 1 << 20;

/// The exit status of a process that allocates after [`Bump::seal`].
pub const SEALED_STATUS: i32 = 121;

impl Bump {
    /// Empty: the first allocation maps a chunk.
    pub const fn new() -> Self {
        Bump {
            locked: AtomicBool::new(false),
            sealed: AtomicBool::new(false),
            state: UnsafeCell::new(State { at: 0, end: 0, last: 0 }),
        }
    }

    /// From now on an allocation writes a line to descriptor 2 and ends the process with [`SEALED_STATUS`]. Freeing goes on.
    pub fn seal(&self) {
        self.sealed.store(true, Ordering::Relaxed);
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        while self.locked.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            core::hint::spin_loop();
        }
        // SAFETY: the lock is held, and `f` does not come back here.
        let result = f(unsafe { &mut *self.state.get() });
        self.locked.store(false, Ordering::Release);
        result
    }

    fn check_seal(&self) {
        if self.sealed.load(Ordering::Relaxed) {
            let message = b"allocation after seal\n";
            // SAFETY: reads `message`. Its failure cannot be told to anyone.
            unsafe { sys!(k::__NR_write, 2i32, message.as_ptr(), message.len()) };
            crate::process::exit_group(SEALED_STATUS);
        }
    }
}

impl Default for Bump {
    fn default() -> Self {
        Bump::new()
    }
}

fn take(state: &mut State, layout: Layout) -> Option<*mut u8> {
    if let Some(block) = fit(state, layout) {
        return Some(block);
    }
    // A page's worth of slack covers any alignment up to a page; larger ones add themselves.
    let size = layout.size().checked_add(layout.align())?.max(CHUNK).checked_next_multiple_of(CHUNK)?;
    let chunk = map(size)?;
    state.at = chunk;
    state.end = chunk.checked_add(size)?;
    fit(state, layout)
}

fn fit(state: &mut State, layout: Layout) -> Option<*mut u8> {
    let start = state.at.checked_next_multiple_of(layout.align())?;
    let end = start.checked_add(layout.size())?;
    if state.at == 0 || end > state.end {
        return None;
    }
    state.last = start;
    state.at = end;
    Some(core::ptr::with_exposed_provenance_mut(start))
}

/// Anonymous private memory; its address as the kernel gave it.
fn map(size: usize) -> Option<usize> {
    #[cfg(target_pointer_width = "64")]
    use k::__NR_mmap as MMAP;
    #[cfg(target_pointer_width = "32")]
    use k::__NR_mmap2 as MMAP;
    let protection = k::PROT_READ | k::PROT_WRITE;
    let flags = k::MAP_PRIVATE | k::MAP_ANONYMOUS | k::MAP_NORESERVE;
    // SAFETY: new memory at an address of the kernel's choice.
    let raw = unsafe { sys!(MMAP, 0usize, size, protection, flags, -1i32, 0usize) };
    crate::call::ret(raw).ok()
}

// SAFETY: blocks are disjoint, aligned and long enough (`fit`); a moved block is copied by its old length.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.check_seal();
        self.with(|state| take(state, layout)).unwrap_or(null_mut())
    }

    // Chunks are fresh from the kernel, but a block may reuse one that was given back: so no alloc_zeroed without zeroing,
    // which is what the trait's own does.

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        self.with(|state| {
            if block.addr() == state.last {
                state.at = state.last;
            }
        });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if new_size <= layout.size() {
            self.with(|state| {
                if block.addr() == state.last {
                    state.at = state.last.saturating_add(new_size);
                }
            });
            return block;
        }
        self.check_seal();
        let grown = self.with(|state| {
            let end = state.last.checked_add(new_size)?;
            (block.addr() == state.last && end <= state.end).then(|| state.at = end)
        });
        if grown.is_some() {
            return block;
        }
        // SAFETY: `new_size` rounded up to the alignment does not overflow, by this function's contract.
        let layout_new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let new = self.with(|state| take(state, layout_new)).unwrap_or(null_mut());
        if !new.is_null() {
            // SAFETY: two blocks of at least the old size that do not overlap.
            unsafe { core::ptr::copy_nonoverlapping(block, new, layout.size()) };
        }
        new
    }
}
