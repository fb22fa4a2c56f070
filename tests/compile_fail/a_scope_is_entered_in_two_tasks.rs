//! Nor can a scope be entered in two tasks.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let work = umbel::scope(async |_: umbel::Scope<'static>| 1);
    tokio::spawn(async { drop(work.await) });
    let _ = work.await;
}
