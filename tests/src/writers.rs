//! Agents that write while something happens to the cluster, and notice nothing of it: each write is sent to one node
//! after another, under one key, until it is done.

use crate::{Team, eventually};
use reqwest::Method;
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use tokio::task::JoinSet;

/// Agents that write until they are stopped.
pub struct Writers {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    agents: JoinSet<()>,
}

impl Writers {
    /// Starts this many agents, which write through these nodes.
    pub fn start(team: &Team, urls: &[String], count: usize) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut agents = JoinSet::new();
        for agent in 0..count {
            agents.spawn(write(team.clone(), urls.to_vec(), agent, stop.clone(), done.clone()));
        }
        Self { stop, done, agents }
    }

    /// Stops them, and returns the number of their writes.
    ///
    /// # Panics
    /// When a write failed.
    pub async fn stop(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.agents.join_next().await {
            ended.expect("no write failed");
        }
        self.done.load(Ordering::Relaxed)
    }

    /// The number of writes so far.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }
}

async fn write(team: Team, urls: Vec<String>, agent: usize, stop: Arc<AtomicBool>, done: Arc<AtomicUsize>) {
    let (mut number, mut asked) = (0, agent);
    while !stop.load(Ordering::Relaxed) {
        let body = json!({ "slug": format!("of-{agent}-{number}"), "title": "t", "spec": "s" });
        let admin = team.admin.under_key(format!("write-{agent}-{number}"));
        eventually("one of the nodes takes the write", || {
            let (via, path) = (admin.via(&urls[asked % urls.len()]), team.path("/features"));
            asked += 1;
            let body = &body;
            async move {
                let answer = via.send(Method::POST, &path, Some(body)).await.ok()?;
                assert!(answer.status == 201 || answer.status == 503, "{answer:?}");
                (answer.status == 201).then_some(())
            }
        })
        .await;
        number += 1;
        done.fetch_add(1, Ordering::Relaxed);
    }
}
