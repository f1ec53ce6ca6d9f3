//! A global allocator for commands: it moves a pointer, and takes nothing back.
//!
//! A command ends soon, and its memory with it; so dropping a `Vec` or a `String` does nothing, and a compiler that sees that
//! leaves the code for it out (a thirtieth of the runtime). The last block grows in place, and a block that had to move
//! leaves its old place to others. What a process that stays needs time and again is a [`Buffer`].
//! After a fork out of a process with threads the child may find the lock held by a thread that it does not have: such a
//! child must not allocate, which [`seal`] turns from a rule into an exit.
//!
//! # Safety
//!
//! The state is touched only under the lock. A block lies in a chunk that is the allocator's alone, after everything handed out
//! before, or where something was given up for good; and chunks are never given up. So no two live blocks overlap.

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::Deref;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};
use linux_raw_sys::general as k;

/// Addresses: `at..end` is free; `last` is where the newest block begins.
struct State {
    at: usize,
    end: usize,
    last: usize,
    /// For each power of two the first free block that is at least so long, and shorter than the next; it holds the address of
    /// the next one.
    free: [usize; CLASSES],
}

/// 2^4 to 2^16 have a list.
const CLASSES: usize = 13;

/// Every block begins at a multiple of this.
const UNIT: usize = 16;

/// How long a block for so many bytes is: a power of two, so that it serves again for as many.
fn length(size: usize) -> Option<usize> {
    size.max(UNIT).checked_next_power_of_two()
}

/// The list of the blocks of 2^`power` bytes and more.
fn class(power: u32) -> Option<usize> {
    (power as usize).checked_sub(4).filter(|class| *class < CLASSES)
}

/// The allocator: `#[global_allocator] static A: Bump = Bump;`. For one thread; with more it is correct, and spins.
pub struct Bump;

struct Heap {
    locked: AtomicBool,
    state: UnsafeCell<State>,
    /// The first chunk: a part of the program that takes no room in its file, and no call to have.
    first: UnsafeCell<MaybeUninit<[u8; FIRST]>>,
}

static HEAP: Heap = Heap::new();

// SAFETY: the state is only reached through `with`, which holds the lock.
unsafe impl Sync for Heap {}

/// Bytes of the first chunk, enough for a command with an ordinary configuration.
const FIRST: usize = 1 << 18;

/// Address space asked for at a time; memory is used by the page, when it is touched.
const CHUNK: usize = 1 << 20;

/// The exit status of a process that allocates after [`seal`].
pub const SEALED_STATUS: i32 = 121;

static SEALED: AtomicBool = AtomicBool::new(false);

/// From now on an allocation writes a line to descriptor 2 and ends the process with [`SEALED_STATUS`]. A program that never
/// calls it pays nothing.
pub fn seal() {
    SEALED.store(true, Ordering::Relaxed);
}

/// Bytes whose memory serves others when they are dropped, which that of a plain `Vec` does not: for what a process that stays
/// needs time and again, and a loop over many.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Buffer(bytes)
    }
}

impl Buffer {
    /// The bytes, with room for so many more; as long as a block, which so becomes one of the same length again.
    pub fn room(&mut self, more: usize) -> &mut Vec<u8> {
        let needed = self.0.len().saturating_add(more);
        if needed > self.0.capacity() {
            let whole = length(needed).unwrap_or(needed);
            self.0.reserve_exact(whole.saturating_sub(self.0.len()));
        }
        &mut self.0
    }

    /// Adds bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).extend_from_slice(bytes);
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // Also right where another allocator is the program's: to that one the bytes are leaked, and they are in nobody's use.
        let mut bytes = ManuallyDrop::new(core::mem::take(&mut self.0));
        HEAP.with(|state| put(state, bytes.as_mut_ptr(), bytes.capacity()));
    }
}

impl Heap {
    const fn new() -> Self {
        Heap {
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

fn take(state: &mut State, layout: Layout) -> Option<*mut u8> {
    let length = length(layout.size())?;
    let power = length.trailing_zeros();
    if layout.align() <= UNIT
        && let Some(first) =
            class(power).and_then(|class| state.free.get_mut(class)).filter(|first| **first != 0)
    {
        let block: *mut u8 = core::ptr::with_exposed_provenance_mut(*first);
        // SAFETY: a free block, in which `put` has written the next one's address.
        *first = unsafe { block.cast::<usize>().read() };
        return Some(block);
    }
    let layout = Layout::from_size_align(length, layout.align().max(UNIT)).ok()?;
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

/// Puts memory that is nobody's any more into a list, as far as it is of use.
fn put(state: &mut State, block: *mut u8, size: usize) {
    let skipped = block.align_offset(UNIT);
    let power = size.checked_sub(skipped).and_then(usize::checked_ilog2);
    if let Some(first) = power.and_then(class).and_then(|class| state.free.get_mut(class)) {
        // SAFETY: in the block, behind whose new beginning there are at least 16 bytes.
        let block = unsafe { block.add(skipped) };
        // It must not grow in place: what lies behind it may be in use.
        if block.addr() == state.last {
            state.last = 0;
        }
        // SAFETY: as above, and aligned to as many.
        unsafe { block.cast::<usize>().write(*first) };
        *first = block.expose_provenance();
    }
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

// SAFETY: blocks are disjoint, aligned and long enough (`fit`, `put`); a moved block is copied by its old length.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP.alloc(layout)
    }

    // Chunks are fresh from the kernel, but a block may be one that was given back: so no alloc_zeroed without zeroing, which
    // is what the trait's own does.

    // Nothing at all, so that nothing is left of a drop.
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: this function's contract is the other's.
        unsafe { HEAP.realloc(block, layout, new_size) }
    }
}

impl Heap {
    fn alloc(&self, layout: Layout) -> *mut u8 {
        self.check_seal();
        self.with(|state| take(state, layout)).unwrap_or(null_mut())
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (Some(old), Some(new)) = (length(layout.size()), length(new_size)) else { return null_mut() };
        if new <= old {
            return block; // a shorter one stays where it is
        }
        self.check_seal();
        // SAFETY: `new_size` rounded up to the alignment does not overflow, by this function's contract.
        let larger = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let moved = self.with(|state| {
            let end = state.last.checked_add(new)?;
            if block.addr() == state.last && end <= state.end {
                state.at = end;
                return Some(block);
            }
            let moved = take(state, larger)?;
            // SAFETY: two blocks of at least the old size that do not overlap.
            unsafe { core::ptr::copy_nonoverlapping(block, moved, layout.size()) };
            put(state, block, old);
            Some(moved)
        });
        moved.unwrap_or(null_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::WaitStatus;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    /// A block filled with `byte`, and a check that it still is.
    struct Block(*mut u8, Layout, u8);

    impl Block {
        fn new(heap: &Heap, layout: Layout, byte: u8) -> Self {
            let block = heap.alloc(layout);
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
        let heap = Heap::new();
        let sizes = [1, 3, 8, 100, 4096, 70_000, CHUNK, 3 * CHUNK + 1];
        let mut blocks = Vec::new();
        for round in 0..20u8 {
            for (n, size) in sizes.iter().enumerate() {
                let align = 1 << ((n + usize::from(round)) % 14);
                blocks.push(Block::new(
                    &heap,
                    layout(*size, align),
                    round.wrapping_mul(8).wrapping_add(n as u8),
                ));
            }
        }
        assert!(blocks.iter().all(Block::intact));
    }

    #[test]
    fn the_last_block_grows_in_place_and_others_move() {
        let heap = Heap::new();
        let a = Block::new(&heap, layout(100, 8), 1);
        // SAFETY: a live block of this layout; so below.
        let grown = unsafe { heap.realloc(a.0, a.1, 200) };
        assert_eq!(grown, a.0);
        let b = Block::new(&heap, layout(10, 1), 2);
        // SAFETY: as above.
        let moved = Block(unsafe { heap.realloc(grown, layout(200, 8), 300) }, layout(100, 8), 1);
        assert!(moved.0 != grown && moved.intact() && b.intact());
        // SAFETY: as above. A shorter one stays where it is.
        let shrunk = unsafe { heap.realloc(moved.0, layout(300, 8), 104) };
        assert_eq!(shrunk, moved.0);
        let next = Block::new(&heap, layout(8, 8), 3);
        assert_eq!(next.0.addr(), shrunk.addr() + 512);
        assert!(moved.intact());
        // SAFETY: as above. A block that outgrows the chunk moves to a new one.
        let far = Block(unsafe { heap.realloc(next.0, next.1, 2 * CHUNK) }, next.1, 3);
        assert!(far.0 != next.0 && far.intact());
    }

    /// The memory of a block, as its owner gives it up.
    fn bytes(block: &Block) -> (*mut u8, usize) {
        (block.0, block.1.size())
    }

    #[test]
    fn what_was_given_back_comes_again_where_it_is_long_enough() {
        let heap = Heap::new();
        let give = |(block, size)| heap.with(|state| put(state, block, size));
        let (a, b) = (Block::new(&heap, layout(64, 8), 1), Block::new(&heap, layout(100, 8), 2));
        give(bytes(&a));
        let longer = Block::new(&heap, layout(65, 8), 9);
        let c = Block::new(&heap, layout(50, 8), 3);
        assert!(c.0 == a.0 && longer.0 > b.0 && b.intact() && longer.intact());
        // 100 bytes serve for 64, not for what 128 would be needed for.
        give(bytes(&b));
        let (d, e) = (Block::new(&heap, layout(70, 8), 4), Block::new(&heap, layout(64, 8), 5));
        assert!(d.0 != b.0 && e.0 == b.0 && d.intact() && e.intact());
        // What was given back comes again zeroed when asked for so.
        give(bytes(&e));
        struct Zeroed<'h>(&'h Heap);
        // SAFETY: the heap's blocks are as the trait wants them.
        unsafe impl GlobalAlloc for Zeroed<'_> {
            unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
                self.0.alloc(layout)
            }
            unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
        }
        // SAFETY: not of size zero.
        let zeroed = Block(unsafe { Zeroed(&heap).alloc_zeroed(layout(64, 8)) }, layout(64, 8), 0);
        assert!(zeroed.0 == e.0 && zeroed.intact());
    }

    #[test]
    fn a_part_that_is_given_back_does_not_grow_into_the_rest() {
        let heap = Heap::new();
        let whole = Block::new(&heap, layout(400, 8), 1);
        heap.with(|state| put(state, whole.0, 100));
        let part = Block::new(&heap, layout(40, 8), 2);
        assert_eq!(part.0, whole.0);
        // SAFETY: a live block of this layout.
        let grown = Block(unsafe { heap.realloc(part.0, part.1, 200) }, part.1, 2);
        assert!(grown.0.addr() >= whole.0.addr() + 400 && grown.intact());
        // What is not aligned is cut, and what is too short is left alone.
        heap.with(|state| put(state, whole.0.wrapping_add(201), 60));
        let inner = Block::new(&heap, layout(32, 8), 3);
        assert_eq!(inner.0.addr(), whole.0.addr() + 208);
        heap.with(|state| put(state, whole.0.wrapping_add(301), 18));
        assert!(Block::new(&heap, layout(16, 8), 4).0.addr() >= whole.0.addr() + 400);
    }

    #[test]
    fn a_block_that_moves_leaves_its_place_to_others() {
        let heap = Heap::new();
        let (a, b) = (Block::new(&heap, layout(64, 8), 1), Block::new(&heap, layout(64, 8), 2));
        // SAFETY: a live block of this layout.
        let moved = Block(unsafe { heap.realloc(a.0, a.1, 128) }, a.1, 1);
        let c = Block::new(&heap, layout(64, 8), 3);
        assert!(c.0 == a.0 && moved.intact() && b.intact() && c.intact());
    }

    #[test]
    fn threads_never_share_a_block() {
        static HEAP: Heap = Heap::new();
        let worker = |seed: u8| {
            move || {
                let blocks: Vec<_> = (0..2000usize)
                    .map(|n| Block::new(&HEAP, layout(1 + n % 97, 1 << (n % 5)), seed))
                    .collect();
                blocks.iter().all(Block::intact)
            }
        };
        let threads: Vec<_> = (1..5).map(|seed| std::thread::spawn(worker(seed))).collect();
        assert!(threads.into_iter().all(|t| t.join().unwrap()));
    }

    #[test]
    fn what_cannot_be_had_is_null() {
        let heap = Heap::new();
        let absurd = layout(isize::MAX as usize - 8, 8);
        // The first may be had where half of the addresses are the program's; two never.
        let blocks = [heap.alloc(absurd), heap.alloc(absurd)];
        assert!(blocks[1].is_null());
        assert!(Block::new(&heap, layout(8, 8), 1).intact());
    }

    #[test]
    fn an_allocation_after_the_seal_ends_the_process() {
        let heap = Heap::new();
        let block = Block::new(&heap, layout(8, 8), 1);
        let status = crate::testing::child(|| {
            seal();
            heap.with(|state| put(state, block.0, 8)); // goes on
            heap.alloc(layout(8, 8));
            Ok(true)
        });
        assert_eq!(status, WaitStatus::Exited(SEALED_STATUS));
        assert!(Block::new(&heap, layout(8, 8), 2).intact()); // the parent's is not sealed
    }
}
