//! Rights are checked again after the join: a key, a membership or a session may be gone when the next event comes.

use super::stage::{ANA, BEN, Stage, caller, engineer, project};
use crate::sockets::{conversation::Conversation, outbox::End};
use nexus_api_types::socket::{CloseCode, ErrorCode, Notice, Request};
use nexus_domain::{EngineerId, command, entity::MemberRole, ids::KeyId};
use uuid::Uuid;

fn join() -> Request {
    Request::Join { project_id: Uuid::from_u128(1).to_string(), since: None }
}

fn code(result: Result<(), End>) -> Option<CloseCode> {
    match result {
        Err(End::Close(code, _)) => Some(code),
        _ => None,
    }
}

#[tokio::test]
async fn a_revoked_key_ends_its_socket_and_a_lost_membership_too() {
    let stage = Stage::set();
    let api = stage.api();
    let ben = EngineerId(Uuid::from_u128(BEN));
    let mut stranger = Conversation::new(api.clone(), caller(BEN));
    let notices = stranger.answer(join()).await.unwrap();
    assert!(matches!(notices[..], [Notice::Error { code: ErrorCode::Forbidden, .. }]), "{notices:?}");
    assert_eq!(stranger.authorise(), Ok(()), "it may try another project");

    stage.apply(
        engineer(ANA),
        command::AddMember { project: project(1), engineer: ben, role: MemberRole::Member }.into(),
    );
    let mut member = stranger;
    let notices = member.answer(join()).await.unwrap();
    assert!(matches!(notices[..], [Notice::Joined { session_id: Some(_), .. }]), "{notices:?}");
    assert_eq!(member.authorise(), Ok(()));
    stage.apply(engineer(ANA), command::RemoveMember { project: project(1), engineer: ben }.into());
    assert_eq!(code(member.authorise()), Some(CloseCode::NotMember));

    let mut owner = Conversation::new(api, caller(ANA));
    owner.answer(join()).await.unwrap();
    stage.apply(engineer(ANA), command::RevokeKey { key: KeyId(Uuid::from_u128(ANA)) }.into());
    assert_eq!(code(owner.authorise()), Some(CloseCode::KeyInvalid));
    assert_eq!(code(owner.answer(join()).await.map(|_| ())), Some(CloseCode::KeyInvalid));
}

#[tokio::test]
async fn a_session_that_is_over_accepts_no_heartbeat() {
    let stage = Stage::set();
    let mut conversation = Conversation::new(stage.api(), caller(ANA));
    let notices = conversation.answer(join()).await.unwrap();
    let [Notice::Joined { session_id: Some(session), .. }] = notices[..] else { panic!("{notices:?}") };
    assert_eq!(conversation.answer(Request::Heartbeat).await.unwrap(), []);
    let session = nexus_domain::SessionId(session);
    stage.apply(engineer(ANA), command::EndSession { project: project(1), session }.into());
    for _ in 0..2 {
        let notices = conversation.answer(Request::Heartbeat).await.unwrap();
        assert!(matches!(notices[..], [Notice::Error { code: ErrorCode::NotInProject, .. }]), "{notices:?}");
    }
    let notices = conversation.answer(join()).await.unwrap();
    assert!(matches!(notices[..], [Notice::Joined { session_id: Some(_), .. }]), "{notices:?}");
}

#[tokio::test]
async fn a_client_that_may_not_join_another_project_keeps_its_own() {
    let stage = Stage::set();
    let (api, ben) = (stage.api(), EngineerId(Uuid::from_u128(BEN)));
    stage.project(2);
    let role = MemberRole::Member;
    stage.apply(engineer(ANA), command::AddMember { project: project(1), engineer: ben, role }.into());
    let mut conversation = Conversation::new(api, caller(BEN));
    conversation.answer(join()).await.unwrap();
    let other = |since| Request::Join { project_id: project(2).0.to_string(), since };
    let notices = conversation.answer(other(None)).await.unwrap();
    assert!(matches!(notices[..], [Notice::Error { code: ErrorCode::Forbidden, .. }]), "{notices:?}");
    assert_eq!(conversation.answer(Request::Heartbeat).await.unwrap(), [], "it still follows the first one");

    stage.apply(engineer(ANA), command::AddMember { project: project(2), engineer: ben, role }.into());
    let notices = conversation.answer(other(Some(1_000_000))).await.unwrap();
    assert!(matches!(notices[..], [Notice::Error { code: ErrorCode::InvalidMessage, .. }]), "{notices:?}");
    let notices = conversation.answer(other(None)).await.unwrap();
    let [Notice::Left { project_id: left }, Notice::Joined { project_id: joined, .. }] = notices[..] else {
        panic!("{notices:?}");
    };
    assert_eq!((left, joined), (project(1).0, project(2).0));
    assert_eq!(
        conversation.answer(Request::Leave).await.unwrap(),
        [Notice::Left { project_id: project(2).0 }],
        "a client follows one project at a time"
    );
}
