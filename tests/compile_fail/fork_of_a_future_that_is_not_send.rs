//! A fork is polled where the scope's future is, which may be sent.
use std::rc::Rc;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let shared = Rc::new(7);
    umbel::scope(async |s| {
        s.fork(async { println!("{shared}") });
    })
    .await
    .unwrap();
}
