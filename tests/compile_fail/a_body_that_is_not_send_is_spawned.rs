//! The future of a scope is `Send` when its body is, and only then.
use std::rc::Rc;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let work = umbel::scope(async |_: umbel::Scope<'static>| {
        let shared = Rc::new(7);
        tokio::task::yield_now().await;
        println!("{shared}");
    });
    let _ = tokio::spawn(work).await;
}
