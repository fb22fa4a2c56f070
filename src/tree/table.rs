//! The words of a tree's nodes: index to word, without a lock.
//!
//! The first few stand in the tree itself; the rest in chunks that double in size, are made when
//! first needed, and never move, so that a reader needs no lock while the table grows.

use std::sync::OnceLock;

use super::word::AtomicWord;

/// Words inside the tree: one cache line. Fewer in models, where each atomic costs time.
const NEAR: u32 = if cfg!(any(umbel_loom, loom)) { 4 } else { 8 };
/// Chunk `k` holds `NEAR << k` words, so this many cover every `u32`.
const CHUNKS: usize = 32;

type Chunk = OnceLock<Box<[AtomicWord]>>;

pub(super) struct Table {
    near: [AtomicWord; NEAR as usize],
    /// A box of its own, so that a small tree does not carry thirty empty chunks.
    far: OnceLock<Box<[Chunk; CHUNKS]>>,
}

/// Where a word beyond the near ones stands: chunk, and place in it.
#[inline]
fn place(index: u32) -> (usize, usize) {
    let chunk = (index / NEAR).ilog2();
    (chunk as usize, (index - (NEAR << chunk)) as usize)
}

impl Table {
    pub(super) fn new() -> Self {
        Self { near: std::array::from_fn(|_| AtomicWord::new()), far: OnceLock::new() }
    }

    /// The word of an index that is about to be given out, made if there is none. Called under the
    /// tree's lock.
    #[inline]
    pub(super) fn reserve(&self, index: u32) -> &AtomicWord {
        if index < NEAR {
            return &self.near[index as usize];
        }
        let (chunk, offset) = place(index);
        let far = self.far.get_or_init(|| Box::new([const { OnceLock::new() }; CHUNKS]));
        let words =
            far[chunk].get_or_init(|| (0..NEAR << chunk).map(|_| AtomicWord::new()).collect());
        &words[offset]
    }

    /// The word of an index that was given out.
    #[inline]
    pub(super) fn word(&self, index: u32) -> &AtomicWord {
        if index < NEAR {
            return &self.near[index as usize];
        }
        self.far_word(index)
    }

    #[inline]
    fn far_word(&self, index: u32) -> &AtomicWord {
        let (chunk, offset) = place(index);
        let chunk = self.far.get().and_then(|far| far[chunk].get());
        // INVARIANT: `reserve` came first, and the index reached this thread after that.
        &chunk.expect("a node has a word")[offset]
    }
}

#[cfg(all(test, not(any(umbel_loom, loom, umbel_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn places_are_dense_and_in_range() {
        let mut expected = (0, 0);
        for index in NEAR..100_000 {
            assert_eq!(place(index), expected);
            expected.1 += 1;
            if expected.1 == (NEAR as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        let (chunk, offset) = place(u32::MAX);
        assert!(chunk < CHUNKS && offset < (NEAR as usize) << chunk);
    }
}
