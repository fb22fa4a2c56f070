//! A fork's value may be taken after the body is gone, so it cannot point into the body.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let child = umbel::scope(async |s| {
        let inside = String::from("inside");
        let reference = &inside;
        s.fork(async move { reference })
    })
    .await
    .unwrap();
    println!("{}", child.await.unwrap());
}
