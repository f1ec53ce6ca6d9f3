//! A global allocator for small processes: it moves a pointer, takes back the last block, and keeps the others for their size.
//!
//! Blocks are as long as a power of two from 16 bytes on; a growing `Vec` that was allocated last grows in place. What is freed
//! up to 64 KiB waits in a list of its length for the next of that length, so a process that stays does not grow; longer
//! blocks are given back only as the last. After a fork out of a process with threads the child may find the lock held by
//! a thread that it does not have: such a child must not allocate, which [`seal`] turns from a rule into an exit.
//!
//! # Safety
//!
//! The state is touched only under the lock. A block lies in a chunk that is the allocator's alone, after everything handed out before,
//! and chunks are never given up; so no two live blocks overlap.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};
use linux_raw_sys::general as k;

/// Addresses: `at..end` is free; `last` is where the newest block begins.
struct State {
    at: usize,
    end: usize,
    last: usize,
    /// The first free block of each length, which holds the address of the next.
    free: [usize; CLASSES],
}

/// Lengths of 2^4 to 2^16 have a list.
const CLASSES: usize = 13;
const SHORTEST: usize = 16;

/// How long a block for so many bytes is.
fn length(size: usize) -> Option<usize> {
    size.max(SHORTEST).checked_next_power_of_two()
}

/// Which list blocks of this length wait in.
fn class(length: usize) -> Option<usize> {
    let class = (length.trailing_zeros() as usize).checked_sub(4)?;
    (class < CLASSES).then_some(class)
}

/// The allocator: `#[global_allocator] static A: Bump = Bump::new();`. For one thread; with more it is correct, and spins.
pub struct Bump {
    locked: AtomicBool,
    state: UnsafeCell<State>,
    /// The first chunk: a part of the program that takes no room in its file, and no call to have.
    first: UnsafeCell<MaybeUninit<[u8; FIRST]>>,
}

// SAFETY: the state is only reached through `with`, which holds the lock.
unsafe impl Sync for Bump {}

/// Bytes of the first chunk, enough for a command with an ordinary configuration.
const FIRST: usize = 1 << 18;

/// Address space asked for at a time; memory is used by the page, when it is touched.
const CHUNK: usize = 1 << 20;

/// The exit status of a process that allocates after [`seal`].
pub const SEALED_STATUS: i32 = 121;

static SEALED: AtomicBool = AtomicBool::new(false);

/// From now on an allocation writes a line to descriptor 2 and ends the process with [`SEALED_STATUS`]. Freeing goes on. A program
/// that never calls it pays nothing.
pub fn seal() {
    SEALED.store(true, Ordering::Relaxed);
}

impl Bump {
    /// Empty. Once it has given out a block it must stay where it is.
    pub const fn new() -> Self {
        Bump {
            locked: AtomicBool::new(false),
            state: UnsafeCell::new(State { at: 0, end: 0, last: 0, free: [0; CLASSES] }),
            first: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        while self.locked.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            core::hint::spin_loop();
        }
        // SAFETY: the lock is held, and `f` does not come back here.
        let state = unsafe { &mut *self.state.get() };
        if state.end == 0 {
            state.at = self.first.get().expose_provenance();
            state.end = state.at.saturating_add(FIRST);
        }
        let result = f(state);
        self.locked.store(false, Ordering::Release);
        result
    }

    // Before the lock, so that it also speaks where the lock is held for ever.
    fn check_seal(&self) {
        if SEALED.load(Ordering::Relaxed) {
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
    let length = length(layout.size())?;
    if layout.align() <= SHORTEST
        && let Some(first) =
            class(length).and_then(|class| state.free.get_mut(class)).filter(|first| **first != 0)
    {
        let block: *mut u8 = core::ptr::with_exposed_provenance_mut(*first);
        // SAFETY: a free block of this length, in which `dealloc` has written the next one's address.
        *first = unsafe { block.cast::<usize>().read() };
        return Some(block);
    }
    let layout = Layout::from_size_align(length, layout.align().max(SHORTEST)).ok()?;
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

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.with(|state| {
            if block.addr() == state.last {
                state.at = state.last;
                return;
            }
            let first = length(layout.size()).and_then(class).and_then(|class| state.free.get_mut(class));
            if let Some(first) = first {
                // SAFETY: the block is nobody's any more, at least 16 bytes long and aligned to as many.
                unsafe { block.cast::<usize>().write(*first) };
                *first = block.expose_provenance();
            }
        });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (old, new) = (length(layout.size()), length(new_size));
        // A shorter one stays where it is, and is from then on a block of its new length.
        if new.is_some() && new <= old {
            return block;
        }
        self.check_seal();
        let grown = self.with(|state| {
            let end = state.last.checked_add(new?)?;
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
            unsafe { core::ptr::copy_nonoverlapping(block, new, layout.size().min(new_size)) };
            // SAFETY: the old block, which nobody uses any more.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::WaitStatus;
    use std::vec::Vec;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    /// A block filled with `byte`, and a check that it still is.
    struct Block(*mut u8, Layout, u8);

    impl Block {
        fn new(bump: &Bump, layout: Layout, byte: u8) -> Self {
            // SAFETY: not of size zero.
            let block = unsafe { bump.alloc(layout) };
            assert!(!block.is_null() && block.addr().is_multiple_of(layout.align()));
            // SAFETY: just given out, of this size.
            unsafe { block.write_bytes(byte, layout.size()) };
            Block(block, layout, byte)
        }

        fn intact(&self) -> bool {
            // SAFETY: a live block of this size, written by `new`.
            unsafe { core::slice::from_raw_parts(self.0, self.1.size()) }.iter().all(|b| *b == self.2)
        }
    }

    #[test]
    fn blocks_are_aligned_and_apart_over_many_chunks() {
        let bump = Bump::new();
        let sizes = [1, 3, 8, 100, 4096, 70_000, CHUNK, 3 * CHUNK + 1];
        let mut blocks = Vec::new();
        for round in 0..20u8 {
            for (n, size) in sizes.iter().enumerate() {
                let align = 1 << ((n + usize::from(round)) % 14);
                blocks.push(Block::new(
                    &bump,
                    layout(*size, align),
                    round.wrapping_mul(8).wrapping_add(n as u8),
                ));
            }
        }
        assert!(blocks.iter().all(Block::intact));
    }

    #[test]
    fn the_last_block_grows_in_place_and_others_move() {
        let bump = Bump::new();
        let a = Block::new(&bump, layout(100, 8), 1);
        // SAFETY: a live block of this layout; so below.
        let grown = unsafe { bump.realloc(a.0, a.1, 200) };
        assert_eq!(grown, a.0);
        let b = Block::new(&bump, layout(10, 1), 2);
        // SAFETY: as above.
        let moved = Block(unsafe { bump.realloc(grown, layout(200, 8), 300) }, layout(100, 8), 1);
        assert!(moved.0 != grown && moved.intact() && b.intact());
        // SAFETY: as above. A shorter one stays where it is.
        let shrunk = unsafe { bump.realloc(moved.0, layout(300, 8), 104) };
        assert_eq!(shrunk, moved.0);
        let next = Block::new(&bump, layout(8, 8), 3);
        assert_eq!(next.0.addr(), shrunk.addr() + 512);
        assert!(moved.intact());
        // SAFETY: as above. A block that outgrows the chunk moves to a new one.
        let far = Block(unsafe { bump.realloc(next.0, next.1, 2 * CHUNK) }, next.1, 3);
        assert!(far.0 != next.0 && far.intact());
    }

    #[test]
    fn what_was_given_back_comes_again_for_its_length() {
        let bump = Bump::new();
        let (a, b) = (Block::new(&bump, layout(64, 8), 1), Block::new(&bump, layout(64, 8), 2));
        // SAFETY: live blocks of these layouts.
        unsafe { bump.dealloc(a.0, a.1) };
        let other = Block::new(&bump, layout(65, 8), 9);
        let c = Block::new(&bump, layout(50, 8), 3);
        assert!(c.0 == a.0 && other.0 > b.0 && b.intact() && other.intact());
        // SAFETY: as above.
        unsafe { bump.dealloc(c.0, c.1) };
        let d = Block::new(&bump, layout(64, 8), 4);
        assert_eq!(d.0, c.0);
        // SAFETY: as above; what was given back comes again, and zeroed when asked for so.
        let zeroed = unsafe {
            bump.dealloc(d.0, d.1);
            Block(bump.alloc_zeroed(d.1), d.1, 0)
        };
        assert!(zeroed.0 == d.0 && zeroed.intact());
    }

    #[test]
    fn threads_never_share_a_block() {
        static BUMP: Bump = Bump::new();
        let worker = |seed: u8| {
            move || {
                let blocks: Vec<_> = (0..2000usize)
                    .map(|n| Block::new(&BUMP, layout(1 + n % 97, 1 << (n % 5)), seed))
                    .collect();
                blocks.iter().all(Block::intact)
            }
        };
        let threads: Vec<_> = (1..5).map(|seed| std::thread::spawn(worker(seed))).collect();
        assert!(threads.into_iter().all(|t| t.join().unwrap()));
    }

    #[test]
    fn what_cannot_be_had_is_null() {
        let bump = Bump::new();
        let absurd = layout(isize::MAX as usize - 8, 8);
        // SAFETY: a valid layout. The first may be had where half of the addresses are the program's; two never.
        let blocks = unsafe { [bump.alloc(absurd), bump.alloc(absurd)] };
        assert!(blocks[1].is_null());
        assert!(Block::new(&bump, layout(8, 8), 1).intact());
    }

    #[test]
    fn an_allocation_after_the_seal_ends_the_process() {
        let bump = Bump::new();
        let block = Block::new(&bump, layout(8, 8), 1);
        let status = crate::testing::child(|| {
            seal();
            // SAFETY: a live block of this layout, then a new one.
            unsafe {
                bump.dealloc(block.0, block.1);
                bump.alloc(layout(8, 8));
            }
            Ok(true)
        });
        assert_eq!(status, WaitStatus::Exited(SEALED_STATUS));
        assert!(Block::new(&bump, layout(8, 8), 2).intact()); // the parent's is not sealed
    }
}
