//! Numbered slots for data of a request that does not fit into its state.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

const CHUNKS: usize = 64;
const CHUNK: usize = 1_024;

/// The number of slots, so that each number fits in 16 bits.
const CAPACITY: u32 = (CHUNKS * CHUNK) as u32;

/// A bounded pool of numbered slots. Released slots form a stack, so that taking and releasing a
/// slot needs no lock and takes a constant number of steps.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    chunks: [OnceLock<Box<[Slot<T>]>>; CHUNKS],
    /// The lower half is a [`Link`] to the released slot on top of the stack. The upper half counts
    /// changes, which prevents the ABA problem.
    top: AtomicU64,
    /// The lowest number of a slot that has never been taken.
    first_unused: AtomicU32,
}

#[derive(Debug, Default)]
struct Slot<T> {
    value: T,
    /// The released slot below this one.
    below: AtomicU32,
}

/// A slot's number plus one; 0 is the bottom of the stack.
type Link = u32;

impl<T: Default> Slots<T> {
    pub(crate) fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
            top: AtomicU64::new(0),
            first_unused: AtomicU32::new(0),
        }
    }

    /// Takes a slot, with the value that it had when it was released. Returns `None` if all slots
    /// are taken.
    pub(crate) fn take(&self) -> Option<(u16, &T)> {
        let number = self.pop().or_else(|| {
            let next = |unused| (unused < CAPACITY).then_some(unused + 1);
            self.first_unused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()
        })?;
        let number = u16::try_from(number).ok()?;
        Some((number, &self.slot(number).value))
    }

    /// Returns the value of a taken slot.
    pub(crate) fn get(&self, number: u16) -> &T {
        &self.slot(number).value
    }

    /// Releases a slot. Each [`take`](Self::take) allows one release.
    pub(crate) fn release(&self, number: u16) {
        let slot = self.slot(number);
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            slot.below.store(top as Link, Ordering::Relaxed);
            match self.swap_top(top, Link::from(number) + 1) {
                Ok(()) => return,
                Err(found) => top = found,
            }
        }
    }

    fn pop(&self) -> Option<u32> {
        let mut top = self.top.load(Ordering::Acquire);
        loop {
            let number = (top as Link).checked_sub(1)?;
            let below = self.slot(number as u16).below.load(Ordering::Relaxed);
            match self.swap_top(top, below) {
                Ok(()) => return Some(number),
                Err(found) => top = found,
            }
        }
    }

    fn swap_top(&self, top: u64, link: Link) -> Result<(), u64> {
        let changed = (top >> 32).wrapping_add(1) << 32 | u64::from(link);
        self.top
            .compare_exchange_weak(top, changed, Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
    }

    fn slot(&self, number: u16) -> &Slot<T> {
        #[cfg(test)]
        tests::VISITED.set(tests::VISITED.get() + 1);
        let number = usize::from(number);
        let chunk = self.chunks[number / CHUNK]
            .get_or_init(|| (0..CHUNK).map(|_| Slot::default()).collect());
        &chunk[number % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::HashSet, sync::Mutex, thread};

    use super::*;

    thread_local! {
        /// Counts this thread's accesses to slots.
        pub(super) static VISITED: Cell<u64> = const { Cell::new(0) };
    }

    fn visits(action: impl FnOnce()) -> u64 {
        let before = VISITED.get();
        action();
        VISITED.get() - before
    }

    #[test]
    fn take_and_release_cost_the_same_with_65_000_slots_taken() {
        let slots = Slots::<AtomicU32>::new();
        let take_and_release = || {
            let (number, _) = slots.take().unwrap();
            slots.release(number);
        };
        take_and_release();
        let steps = visits(take_and_release);
        let taken: Vec<u16> = (0..65_000).map(|_| slots.take().unwrap().0).collect();
        take_and_release();
        assert_eq!(visits(take_and_release), steps);
        assert!(steps < 5, "{steps} steps");

        // Gaps between the taken slots cost nothing, either.
        taken.iter().step_by(2).for_each(|number| slots.release(*number));
        assert_eq!(visits(take_and_release), steps);
    }

    #[test]
    fn a_number_is_reused_only_after_its_release() {
        let slots = Slots::<AtomicU32>::new();
        let taken: HashSet<u16> = (0..CAPACITY).map(|_| slots.take().unwrap().0).collect();
        assert_eq!(taken.len(), 1 << 16);
        assert!(slots.take().is_none());
        slots.release(4_711);
        assert_eq!(slots.take().unwrap().0, 4_711);
        assert!(slots.take().is_none());
    }

    #[test]
    fn racing_threads_never_hold_the_same_slot() {
        let slots = Slots::<Mutex<()>>::new();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..5_000 {
                        let held: Vec<_> = (0..=round % 3).map(|_| slots.take().unwrap()).collect();
                        // A second holder would find the slot locked.
                        let locks: Vec<_> =
                            held.iter().map(|(_, slot)| slot.try_lock().unwrap()).collect();
                        drop(locks);
                        held.iter().for_each(|(number, _)| slots.release(*number));
                    }
                });
            }
        });
        assert!(slots.first_unused.into_inner() <= 12);
    }
}
