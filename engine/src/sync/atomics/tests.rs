//! Atomics that count what they cost: read-modify-writes and full fences of this thread. Loads and
//! stores are plain moves on the machines at hand and are not counted.

use std::cell::Cell;
use std::sync::atomic;

use super::Ordering;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// Read-modify-writes and fences of this thread since the last call.
pub(in crate::sync) fn take() -> u64 {
    COUNT.take()
}

fn count() {
    COUNT.set(COUNT.get() + 1);
}

pub(in crate::sync) fn fence(order: Ordering) {
    if order == Ordering::SeqCst {
        count();
    }
    atomic::fence(order);
}

/// Wraps one of std's: what only reads or only writes, and what does both.
macro_rules! counted {
    ($name:ident($inner:ty) of $value:ty: $($both:ident($($argument:ident: $type:ty),*)
        -> $result:ty;)*) => {
        #[derive(Debug, Default)]
        pub(in crate::sync) struct $name($inner);

        #[allow(dead_code, reason = "no type has a user for each")]
        impl $name {
            pub(in crate::sync) fn new(value: $value) -> $name {
                $name(<$inner>::new(value))
            }

            pub(in crate::sync) fn load(&self, order: Ordering) -> $value {
                self.0.load(order)
            }

            pub(in crate::sync) fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
            }

            $(pub(in crate::sync) fn $both(&self, $($argument: $type),*) -> $result {
                count();
                self.0.$both($($argument),*)
            })*
        }
    };
}

counted! { AtomicBool(atomic::AtomicBool) of bool: swap(to: bool, order: Ordering) -> bool; }
counted! { AtomicU32(atomic::AtomicU32) of u32:
    fetch_add(by: u32, order: Ordering) -> u32;
    fetch_sub(by: u32, order: Ordering) -> u32;
    fetch_max(other: u32, order: Ordering) -> u32;
}
counted! { AtomicU64(atomic::AtomicU64) of u64: }
counted! { AtomicUsize(atomic::AtomicUsize) of usize:
    swap(to: usize, order: Ordering) -> usize;
    fetch_add(by: usize, order: Ordering) -> usize;
    fetch_sub(by: usize, order: Ordering) -> usize;
    compare_exchange_weak(from: usize, to: usize, done: Ordering, not: Ordering)
        -> Result<usize, usize>;
}
