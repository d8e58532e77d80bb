//! A client that writes all the time, while nodes come and go.

use crate::team::Team;
use reqwest::Method;
use serde_json::json;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Writes one feature after the other through all nodes, until it is stopped. What is cut off is sent again under its
/// idempotency key through the next node.
pub struct Writer {
    stop: Arc<AtomicBool>,
    urls: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<(Vec<String>, usize, Duration)>,
}

impl Writer {
    /// Begins to write. The slugs of the features begin with the name.
    pub fn start(team: &Team, urls: Vec<String>, name: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let urls = Arc::new(Mutex::new(urls));
        let (stopped, known, team) = (stop.clone(), urls.clone(), team.clone());
        let task = tokio::spawn(async move {
            let (mut written, mut longest, mut last) = (Vec::new(), Duration::ZERO, Instant::now());
            let (mut number, mut settled) = (0_usize, 0);
            while !stopped.load(Ordering::Relaxed) {
                let slug = format!("{name}-{number}");
                let body = json!({ "slug": slug, "title": "t", "spec": "s" });
                let client = team.admin.under_key(format!("{name}-{number}-key"));
                let mut tries = number;
                loop {
                    let url = {
                        let known = known.lock().unwrap_or_else(PoisonError::into_inner);
                        known[tries % known.len()].clone()
                    };
                    let sent = client.via(url).send(Method::POST, &team.path("/features"), Some(&body)).await;
                    match sent {
                        Ok(answer) if answer.status == 201 => break,
                        Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.body),
                        Err(_) => {}
                    }
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                settled += usize::from(tries > number);
                longest = longest.max(last.elapsed());
                last = Instant::now();
                written.push(slug);
                number += 1;
            }
            (written, settled, longest)
        });
        Self { stop, urls, task }
    }

    /// Sets the nodes through which it writes.
    pub fn knows(&self, urls: Vec<String>) {
        *self.urls.lock().unwrap_or_else(PoisonError::into_inner) = urls;
    }

    /// Stops, checks that each node has all acknowledged writes, and prints the longest time between two of them.
    ///
    /// # Panics
    /// When a node lacks one.
    pub async fn finish(self, team: &Team, urls: &[String]) {
        self.stop.store(true, Ordering::Relaxed);
        let (written, settled, longest) = self.task.await.expect("the writer only panics on wrong answers");
        println!(
            "{} writes acknowledged, {settled} of them by a retry, the longest gap {longest:?}",
            written.len()
        );
        assert!(!written.is_empty());
        for url in urls {
            let client = team.admin.via(url);
            for slug in &written {
                let found = client.get(&team.path(&format!("/features/{slug}"))).await;
                assert_eq!(found.data()["slug"], slug.as_str());
            }
        }
    }
}
