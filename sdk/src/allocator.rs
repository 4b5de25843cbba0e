//! The global allocator of plugins, which is faster than that of the standard library.
//!
//! Growing the memory of an instance costs the host system calls, so what most runs need is there from the start.

use core::alloc::Layout;
use core::arch::wasm32::memory_grow;
use core::mem::MaybeUninit;
use core::ptr::{NonNull, with_exposed_provenance_mut};

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

/// Bytes of a page of linear memory.
const PAGE: usize = 64 << 10;
/// Bytes of the first heap.
const FIRST_HEAP: usize = 256 << 10;
/// Bytes that a heap and an allocation take besides what was asked for, at most.
const OVERHEAD: usize = 64;

#[global_allocator]
static ALLOCATOR: TalcSyncCell<LinearMemory, WasmBinning> = TalcSyncCell::new_wasm(LinearMemory {
    has_first_heap: false,
    end: None,
});

/// The source of the allocator's heaps: a part of the memory that is there from the start, then one heap that grows by
/// pages.
#[derive(Debug)]
struct LinearMemory {
    has_first_heap: bool,
    /// The end of the heap that grows.
    end: Option<NonNull<u8>>,
}

#[expect(unsafe_code, reason = "heaps are pieces of memory that nothing else uses")]
// SAFETY: it allocates nothing by itself, and uses nothing but the allocator that it is given.
unsafe impl Source for LinearMemory {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        if !core::mem::replace(&mut talc.source.has_first_heap, true) {
            let (start, bytes) = first_heap();
            // SAFETY: nothing else uses it, for as long as the instance lives.
            return unsafe { talc.claim(start, bytes) }.map(drop).ok_or(());
        }
        let (start, bytes) = new_pages(layout).ok_or(())?;
        let end = talc.source.end.filter(|end| end.as_ptr() == start);
        talc.source.end = match end {
            // SAFETY: this is where the heap ends, and nothing else uses the new pages.
            Some(end) => Some(unsafe { talc.extend(end, start.wrapping_add(bytes)) }),
            // SAFETY: nothing else uses the new pages, for as long as the instance lives.
            None => unsafe { talc.claim(start, bytes) },
        };
        talc.source.end.map(drop).ok_or(())
    }
}

fn first_heap() -> (*mut u8, usize) {
    static mut FIRST: [MaybeUninit<u8>; FIRST_HEAP] = [MaybeUninit::uninit(); FIRST_HEAP];
    ((&raw mut FIRST).cast(), FIRST_HEAP)
}

/// Pages for an allocation that no heap has room for; `None` if the memory must not grow further.
fn new_pages(layout: Layout) -> Option<(*mut u8, usize)> {
    let bytes = layout.size().checked_add(layout.align())?.checked_add(OVERHEAD)?;
    let pages = bytes.div_ceil(PAGE);
    let before = memory_grow::<0>(pages);
    (before != usize::MAX).then(|| (with_exposed_provenance_mut(before * PAGE), pages * PAGE))
}
