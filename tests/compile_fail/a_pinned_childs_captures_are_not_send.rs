//! What a pinned child is made of crosses to its thread.
use std::rc::Rc;

fn main() {
    umbel::block_on(umbel::scope(async |s| {
        let shared = Rc::new(7);
        s.spawn_pinned(move || async move { *shared });
    }))
    .unwrap();
}
