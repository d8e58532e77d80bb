use crate::{entries::Scribe, node::Node};
use nexus_raft_store::storage::Rocks;
use std::time::Instant;
fn rss() -> String {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .filter(|l| l.starts_with("VmRSS") || l.starts_with("RssAnon"))
        .collect::<Vec<_>>()
        .join(" ")
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore]
async fn measure() {
    let folder = tempfile::TempDir::new_in("/root").unwrap();
    println!("start {}", rss());
    let mut node = Node::start(Rocks::open(folder.path()).unwrap()).await;
    println!("opened {}", rss());
    let mut scribe = Scribe::new();
    node.run(scribe.beginning()).await;
    println!("few {}", rss());
    let t = Instant::now();
    for _ in 0..200 {
        node.append(vec![scribe.blank()]).await.unwrap();
    }
    println!("single durable append {:?}", t.elapsed() / 200);
    let f0 = node.handle.flush_stats().flushes();
    let t = Instant::now();
    let mut w = Vec::new();
    for _ in 0..20_000 {
        w.push(node.begin_append(vec![scribe.blank()]).await.unwrap());
    }
    for w in w {
        w.await.unwrap();
    }
    println!(
        "20000 pipelined appends {:?}, {} flushes",
        t.elapsed(),
        node.handle.flush_stats().flushes() - f0
    );
    let next = 4 + 200 + 20_000;
    let _ = next;
    let entries = scribe.features(3000);
    let n = entries.len();
    let t = Instant::now();
    node.append(entries.clone()).await.unwrap();
    println!("append {n} real entries at once {:?}", t.elapsed());
    let t = Instant::now();
    node.apply(entries).await.unwrap();
    println!("apply {n} entries {:?} = {:?} each; {}", t.elapsed(), t.elapsed() / n as u32, rss());
    let t = Instant::now();
    let snap = node.build_snapshot().await;
    println!("snapshot {} bytes {:?}", snap.snapshot.length(), t.elapsed());
    let t = Instant::now();
    node.machine.verify().unwrap();
    println!("verify {:?} {}", t.elapsed(), rss());
    let folder2 = tempfile::TempDir::new_in("/root").unwrap();
    let mut f = Node::start(Rocks::open(folder2.path()).unwrap()).await;
    let t = Instant::now();
    let mut s2 = snap.clone();
    s2.snapshot = node.send_snapshot(&snap.snapshot, &f, |_| {}).await.unwrap();
    f.install(s2).await.unwrap();
    println!("install {:?}", t.elapsed());
    drop(snap);
    println!("usage {:?}", node.handle.usage().await);
    f.stop().await;
    node.stop().await;
    println!("stopped {}", rss());
    let t = Instant::now();
    let node = Node::start(Rocks::open(folder.path()).unwrap()).await;
    println!("reopen {:?} {}", t.elapsed(), rss());
    drop(node);
}
