//! tmp
use super::cast::*;
use crate::peer::{service::*, tcp::*, *};
use futures::{StreamExt, stream};
use nexus_raft_store::*;
use openraft::{
    EntryPayload, RaftNetworkFactory, RaftNetworkV2, network::RPCOption, raft::AppendEntriesRequest,
};
use std::{sync::Arc, time::Instant};
fn entry(index: u64, n: usize) -> Entry {
    use nexus_domain::{Acting, Actor, Command, Proposal, SessionId, Stamp};
    let command = Command::Heartbeats { beats: vec![SessionId::MAX; n], touches: Vec::new() };
    let acting = Acting::Session(SessionId::MIN);
    let proposal = Proposal { command, actor: Actor::System, acting, request: None, stamp: Stamp::default() };
    Entry {
        log_id: log_id(index),
        payload: EntryPayload::Normal(nexus_raft_store::Command(Arc::new(proposal))),
    }
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore]
async fn speed() {
    let listen = TcpListen::bind("127.0.0.1:0").await.unwrap();
    let addr = listen.local_addr().unwrap().to_string();
    let called = Peer::start(listen, TcpDial, member(2), true);
    let caller = Peer::start(TcpListen::bind("127.0.0.1:0").await.unwrap(), TcpDial, member(1), true);
    let to = Member { peer_addr: addr.clone(), client_addr: String::new(), instance: member(2).instance };
    let mut net = PeerNetworkFactory::new(caller.client.clone()).new_client(2, &to).await;
    for (batch, n, count) in
        [(1usize, 16usize, 200_000usize), (64, 16, 20_000), (256, 16, 5_000), (16, 4096, 1000)]
    {
        let t = Instant::now();
        let proto: Vec<Entry> = (0..batch as u64).map(|i| entry(i, n)).collect();
        let reqs = stream::iter(
            (0..count).map(move |_| AppendEntriesRequest { entries: proto.clone(), ..append(1) }),
        );
        let answers = net.stream_append(reqs, RPCOption::new(AMPLE)).await.unwrap();
        let got = answers.filter(|a| std::future::ready(a.is_ok())).count().await;
        let s = t.elapsed().as_secs_f64();
        let e = (batch * count) as f64;
        println!(
            "batch {batch} x ~{} B: {} answers, {:.0} req/s {:.0} entries/s {:.0} MB/s",
            n * 17 + 40,
            got,
            count as f64 / s,
            e / s,
            e * (n * 17 + 40) as f64 / s / 1e6
        );
        called.raft.appended.lock().unwrap().clear();
    }
    let target = target(&addr, &member(2));
    for conc in [1usize, 64, 1024] {
        let t = Instant::now();
        let total = if conc == 1 { 20_000 } else { 200_000 };
        let hs: Vec<_> = (0..conc)
            .map(|_| {
                let c = caller.client.clone();
                let to = target.clone();
                tokio::spawn(async move {
                    for _ in 0..total / conc {
                        c.request(&to, ServiceRequest::ReadIndex, AMPLE).await.unwrap();
                    }
                })
            })
            .collect();
        for h in hs {
            h.await.unwrap();
        }
        println!("{conc} callers: {:.0} requests/s", total as f64 / t.elapsed().as_secs_f64());
    }
}
