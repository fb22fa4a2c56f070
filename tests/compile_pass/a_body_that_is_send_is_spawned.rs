//! In all the ways in which a body can be written.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let work = umbel::scope(async |s: umbel::Scope<'static>| s.spawn(async { 1 }).await);
    tokio::spawn(work).await.unwrap().unwrap().unwrap();
    let work = umbel::scope(|s| async move { s.fork(async { 1 }).await });
    tokio::spawn(work).await.unwrap().unwrap().unwrap();
    let nested = async {
        let mut halves = [1, 2, 3, 4];
        let (left, right) = halves.split_at_mut(2);
        umbel::scope(async |s| {
            s.fork(async move { left.reverse() });
            umbel::scope(async |inner| {
                inner.fork(async move { right.reverse() });
            })
            .await
            .unwrap();
        })
        .await
        .unwrap();
        halves
    };
    assert_eq!(tokio::spawn(nested).await.unwrap(), [2, 1, 4, 3]);
}
