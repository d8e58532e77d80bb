//! A client that writes all the time, as fast as it is answered: its first acknowledged write after a fault says how
//! long nobody could write.

use super::ask::{Asker, Request};
use nexus_oracles::history::{Ask, SESSION_NOT_FOUND};
use reqwest::Method;
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// The pause between two writes of a prober.
const PAUSE: Duration = Duration::from_millis(10);

/// Claims a path of its own and gives it back, through one node after another, until it is stopped.
pub async fn probe(asker: Asker, agent: String, stop: Arc<AtomicBool>) {
    let path = vec![format!("probes/{}.rs", asker.number)];
    let (mut session, mut asked, mut holds) = (None::<String>, 0_usize, false);
    while !stop.load(Ordering::Relaxed) {
        asked += 1;
        let node = asked % asker.urls.len();
        let key = Some(format!("{agent}-{asked}"));
        let request = match (&session, holds) {
            (None, _) => Request {
                ask: Ask::StartSession,
                method: Method::POST,
                path: "/sessions".to_owned(),
                body: Some(json!({ "agent": agent })),
                key,
            },
            (Some(_), false) => Request {
                ask: Ask::Claim { paths: path.clone(), exclusive: true, feature: None },
                method: Method::POST,
                path: "/claims".to_owned(),
                body: Some(json!({ "paths": path, "mode": "exclusive" })),
                key,
            },
            (Some(_), true) => Request {
                ask: Ask::Unclaim { paths: Some(path.clone()) },
                method: Method::DELETE,
                path: "/claims".to_owned(),
                body: Some(json!({ "paths": path })),
                key,
            },
        };
        let heard = asker.ask(node, session.as_deref(), &request).await;
        match request.ask {
            Ask::StartSession if heard.is_ok() => {
                session = heard.data["id"].as_str().map(str::to_owned);
                holds = false;
            }
            Ask::Claim { .. } if heard.is_ok() => holds = true,
            Ask::Unclaim { .. } if heard.is_ok() => holds = false,
            // Its lease has run out.
            _ if heard.code() == SESSION_NOT_FOUND => session = None,
            _ => {}
        }
        sleep(PAUSE).await;
    }
}
