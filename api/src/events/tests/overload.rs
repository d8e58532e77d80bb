//! A node that is full of requests still hears signs of life.

use super::stage::Stage;
use crate::{
    api::{MAX_HEARTBEATS, MAX_IN_FLIGHT},
    service::router,
};
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use tower::ServiceExt;
use uuid::Uuid;

#[tokio::test]
async fn signs_of_life_have_places_of_their_own() {
    let api = Stage::set().api();
    let ask = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        router(api.clone()).oneshot(request).await.unwrap().status()
    };
    let beat = format!("/api/projects/{0}/sessions/{0}/heartbeat", Uuid::nil());
    let _all = api.slots.acquire_many(u32::try_from(MAX_IN_FLIGHT).unwrap()).await.unwrap();
    assert_eq!(ask("GET", "/api/projects").await, StatusCode::SERVICE_UNAVAILABLE);
    // Heard: it lacks a key, which is looked at later.
    assert_eq!(ask("POST", &beat).await, StatusCode::UNAUTHORIZED);
    let _beats = api.heartbeats.acquire_many(u32::try_from(MAX_HEARTBEATS).unwrap()).await.unwrap();
    assert_eq!(ask("POST", &beat).await, StatusCode::SERVICE_UNAVAILABLE);
}
