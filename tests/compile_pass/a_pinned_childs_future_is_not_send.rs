//! What is made there stays there, and need not be `Send`.
use std::rc::Rc;

fn main() {
    umbel::block_on(umbel::scope(async |s| {
        s.spawn_pinned(move || async move {
            let shared = Rc::new(7);
            tokio::task::yield_now().await;
            *shared
        });
    }))
    .unwrap();
}
