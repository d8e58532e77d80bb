//! A node at its limits still takes heartbeats, answers health checks, and has permits for other engineers.

use super::stage::{ANA, BEN, Stage};
use crate::{
    concurrency::{
        MAX_HEARTBEATS, MAX_HEARTBEATS_OF_ENGINEER, MAX_IN_FLIGHT, MAX_OF_ENGINEER, MAX_READS_OF_ENGINEER,
    },
    service::router,
};
use axum::{
    body::{Body, Bytes},
    http::{Request, StatusCode, header},
};
use nexus_domain::EngineerId;
use tower::ServiceExt;
use uuid::Uuid;

#[tokio::test]
async fn heartbeats_have_a_limit_of_their_own() {
    let api = Stage::set().api();
    let ask = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        router(api.clone()).oneshot(request).await.unwrap().status()
    };
    let heartbeat = format!("/api/projects/{0}/sessions/{0}/heartbeat", Uuid::nil());
    let _all = api.handler_permits.acquire_many(u32::try_from(MAX_IN_FLIGHT).unwrap()).await.unwrap();
    assert_eq!(ask("GET", "/api/projects").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask("GET", "/api/health/live").await, StatusCode::OK);
    // Taken: it lacks a key, which is checked later.
    assert_eq!(ask("POST", &heartbeat).await, StatusCode::UNAUTHORIZED);
    let _heartbeats = api.heartbeats.acquire_many(u32::try_from(MAX_HEARTBEATS).unwrap()).await.unwrap();
    assert_eq!(ask("POST", &heartbeat).await, StatusCode::SERVICE_UNAVAILABLE);
}

fn asks(method: &str, path: &str, key: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    request.header(header::CONTENT_TYPE, "application/json").body(body).unwrap()
}

#[tokio::test]
async fn bodies_of_one_engineer_that_never_arrive_take_no_handler_permit_whatever_keys_they_show() {
    let stage = Stage::set();
    let (keys, of_ben) = ([1, 2, 3].map(|number| stage.key(ANA, number)), stage.key(BEN, 4));
    let api = stage.api();
    let service = router(api.clone());
    let never_comes = |key: &str| {
        let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
        service.clone().oneshot(asks("POST", "/api/projects", key, Body::from_stream(never)))
    };
    let mut held = Vec::new();
    for number in 0..MAX_OF_ENGINEER {
        let mut request = Box::pin(never_comes(&keys[number % keys.len()]));
        assert!(futures::poll!(request.as_mut()).is_pending());
        held.push(request);
    }
    assert_eq!(api.handler_permits.available_permits(), MAX_IN_FLIGHT, "none of them is handled yet");
    assert_eq!(never_comes(&keys[0]).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    let others = service.clone().oneshot(asks("GET", "/api/projects", &of_ben, Body::empty()));
    assert_eq!(others.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn queued_reads_take_no_handler_permit() {
    let stage = Stage::set();
    let key = stage.key(ANA, 1);
    let api = stage.api();
    let mut permits = Vec::new();
    for _ in 0..MAX_READS_OF_ENGINEER {
        permits.push(api.concurrency.read_permit(EngineerId(Uuid::from_u128(ANA))).await.unwrap());
    }
    let request = router(api.clone()).oneshot(asks("GET", "/api/projects", &key, Body::empty()));
    let mut request = std::pin::pin!(request);
    assert!(futures::poll!(request.as_mut()).is_pending());
    assert_eq!(api.handler_permits.available_permits(), MAX_IN_FLIGHT);
    permits.pop();
    assert_eq!(request.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn heartbeats_of_one_engineer_leave_permits_to_others() {
    let stage = Stage::set();
    let (of_ana, of_ben) = (stage.key(ANA, 1), stage.key(BEN, 2));
    let api = stage.api();
    let heartbeat = async |key: &str| {
        let path = format!("/api/projects/{0}/sessions/{0}/heartbeat", Uuid::nil());
        router(api.clone()).oneshot(asks("POST", &path, key, Body::empty())).await.unwrap().status()
    };
    let permits = std::iter::from_fn(|| api.concurrency.heartbeat(EngineerId(Uuid::from_u128(ANA))).ok());
    let held: Vec<_> = permits.collect();
    assert_eq!(held.len(), MAX_HEARTBEATS_OF_ENGINEER);
    assert_eq!(heartbeat(&of_ana).await, StatusCode::SERVICE_UNAVAILABLE);
    // Taken: there is no such project.
    assert_eq!(heartbeat(&of_ben).await, StatusCode::NOT_FOUND);
    drop(held);
    assert_eq!(heartbeat(&of_ana).await, StatusCode::NOT_FOUND);
}
