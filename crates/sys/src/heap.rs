//! A heap for programs without a C library: dlmalloc over mmap(2). It gives nothing out until it is opened, so that
//! a role of a program that is not to allocate cannot do so unseen.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

use dlmalloc::{Allocator, Dlmalloc};
use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap, munmap};

use crate::start::Alone;

/// Defines the heap of a program that is entered by [`start!`](crate::start!), under this name.
#[macro_export]
macro_rules! heap {
    ($name:ident) => {
        /// Memory for the roles that may have some.
        #[global_allocator]
        static $name: $crate::heap::Heap = $crate::heap::Heap::closed();

        // The allocator can also live on a C library, and names these functions of it, which nobody calls here. Where
        // they are missing, a program that is not optimised is linked with the C library for their sake.

        /// Ends the program.
        #[allow(unsafe_code)] // a symbol that is named elsewhere
        #[unsafe(no_mangle)]
        extern "C" fn mmap() -> ! {
            $crate::clone::leave(125)
        }

        /// Ends the program.
        #[allow(unsafe_code)] // as above
        #[unsafe(no_mangle)]
        extern "C" fn munmap() -> ! {
            $crate::clone::leave(125)
        }

        /// Ends the program.
        #[allow(unsafe_code)] // as above
        #[unsafe(no_mangle)]
        extern "C" fn mremap() -> ! {
            $crate::clone::leave(125)
        }
    };
}

/// Bytes that are asked of the kernel at least: few, since what is mapped is not yet used, and many small programs
/// need no more.
const GRANULARITY: usize = 65_536;

/// The heap of a program with one thread; see [`start!`](crate::start!) for where such programs come from.
pub struct Heap {
    heap: UnsafeCell<Dlmalloc<Pages>>,
    is_open: AtomicBool,
}

// SAFETY: it is opened with an `Alone`, which only a program with one thread has; before that it touches nothing.
unsafe impl Sync for Heap {}

impl core::fmt::Debug for Heap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Heap")
    }
}

impl Heap {
    /// A heap that gives nothing out yet.
    #[must_use]
    pub const fn closed() -> Self {
        let mut heap = Dlmalloc::new_with_allocator(Pages);
        let _ = heap.set_granularity(GRANULARITY);
        Self { heap: UnsafeCell::new(heap), is_open: AtomicBool::new(false) }
    }

    /// From here on it gives memory out.
    pub fn open(&self, _: Alone) {
        self.is_open.store(true, Ordering::Relaxed);
    }

    fn opened(&self) -> Option<NonNull<Dlmalloc<Pages>>> {
        self.is_open.load(Ordering::Relaxed).then(|| NonNull::new(self.heap.get())).flatten()
    }
}

// SAFETY: dlmalloc keeps the contract; memory comes from it alone, and it is used by one thread (see `Sync`).
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(mut heap) = self.opened() else { return ptr::null_mut() };
        // SAFETY: one thread, and no allocation within an allocation: nobody else holds a reference.
        let heap = unsafe { heap.as_mut() };
        // SAFETY: the caller's promise about `layout` is dlmalloc's condition.
        unsafe { heap.malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(mut heap) = self.opened() else { return ptr::null_mut() };
        // SAFETY: as in `alloc`.
        let heap = unsafe { heap.as_mut() };
        // SAFETY: as in `alloc`.
        unsafe { heap.calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let Some(mut heap) = self.opened() else { return };
        // SAFETY: as in `alloc`.
        let heap = unsafe { heap.as_mut() };
        // SAFETY: by the caller's promise `memory` is of this heap, with this layout.
        unsafe { heap.free(memory, layout.size(), layout.align()) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(mut heap) = self.opened() else { return ptr::null_mut() };
        // SAFETY: as in `alloc`.
        let heap = unsafe { heap.as_mut() };
        // SAFETY: as in `dealloc`.
        unsafe { heap.realloc(memory, layout.size(), layout.align(), size) }
    }
}

/// Where the heap gets its memory: private anonymous pages.
struct Pages;

// SAFETY: what `alloc` returns is mapped, and nobody else's, until it is freed here.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: the kernel chooses the place, so that nothing is mapped over.
        match unsafe { mmap_anonymous(ptr::null_mut(), size, access, flags) } {
            Ok(memory) => (memory.cast(), size, 0),
            Err(_) => (ptr::null_mut(), 0, 0),
        }
    }

    fn remap(&self, memory: *mut u8, before: usize, after: usize, can_move: bool) -> *mut u8 {
        let flags = if can_move { MremapFlags::MAYMOVE } else { MremapFlags::empty() };
        // SAFETY: dlmalloc passes a mapping of its own, and uses the old place no more.
        unsafe { mremap(memory.cast(), before, after, flags) }.map_or(ptr::null_mut(), |memory| memory.cast())
    }

    fn free_part(&self, memory: *mut u8, before: usize, after: usize) -> bool {
        // SAFETY: dlmalloc passes a mapping of its own, of which it uses the end no more.
        unsafe { munmap(memory.wrapping_add(after).cast(), before - after) }.is_ok()
    }

    fn free(&self, memory: *mut u8, size: usize) -> bool {
        // SAFETY: as above, all of it.
        unsafe { munmap(memory.cast(), size) }.is_ok()
    }

    fn can_release_part(&self, _: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        4096
    }
}
