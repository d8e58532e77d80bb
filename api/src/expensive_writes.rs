//! Writes that are much work. The node that receives one computes beforehand how much, refuses it if that is too much
//! for an entry, and proposes expensive writes one after the other. So a client that sends many of them waits for its
//! own.

use crate::{api::Api, cluster::WriteRequest, failure::ApiError};
use nexus_api_types::Code;
use nexus_domain::{Actor, Proposal, Stamp, WorkBudget, apply::dry_run};
use std::time::Duration;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

/// An expensive write waits at most this long for the permit. Nothing is applied before it has it.
const LONGEST_WAIT: Duration = Duration::from_secs(4);
/// A write of this many steps or more is expensive. They take about a millisecond, and the log has time for many of
/// them.
const EXPENSIVE_STEPS: usize = 400_000;

impl Api {
    /// Computes how much work a write will be. An expensive one waits for the permit, of which there is one, so that
    /// the log has at most one of each node before the writes of others. The caller holds the permit until the write is
    /// applied, even if the client has disconnected.
    ///
    /// # Errors
    /// The refusal of a write that is too much for an entry; `SERVICE_UNAVAILABLE` when too many expensive ones wait
    /// already.
    pub(crate) async fn expensive_write_permit(
        &self,
        write: &WriteRequest,
    ) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
        let Actor::Engineer { id: engineer, .. } = write.actor else { return Ok(None) };
        let view = self.cluster.local();
        if !write.command.may_be_expensive(view.state()) {
            return Ok(None);
        }
        let clock = view.state().clock();
        let proposal = Proposal {
            command: write.command.clone(),
            actor: write.actor,
            acting: write.acting,
            request: None,
            stamp: Stamp { cluster: clock.cluster, wall: clock.wall },
        };
        let foreseen = self.long_reads.compute_within(engineer, WorkBudget::of_one_entry(), move |work| {
            dry_run(view.state(), &proposal, work)?;
            Ok(work.used())
        });
        match foreseen.await {
            Ok(steps) if steps < EXPENSIVE_STEPS => return Ok(None),
            Ok(_) => {}
            // A write that was already applied under this key gets the answer from the log, and no other.
            Err(refused) if write.request.is_some() && refused.code != Code::ServiceUnavailable => {}
            Err(refused) => return Err(refused),
        }
        let permit = timeout(LONGEST_WAIT, self.expensive_writes.clone().acquire_owned()).await;
        permit.ok().and_then(Result::ok).map(Some).ok_or_else(crate::compute::busy)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::{
        service::router,
        sockets::tests::stage::{ANA, BEN, Stage, engineer, expensive_patterns, project},
    };
    use axum::{
        body::Body,
        http::{Request, header},
    };
    use nexus_domain::{
        EngineerId, command,
        entity::{ClaimMode, MemberRole},
        pattern::Pattern,
    };
    use tower::ServiceExt;
    use uuid::Uuid;

    #[tokio::test]
    async fn an_expensive_write_whose_client_is_gone_keeps_its_permit_until_it_is_applied() {
        let stage = Stage::set();
        let key = stage.key(BEN, 1);
        let ben = EngineerId(Uuid::from_u128(BEN));
        let member =
            command::AddMember { project: project(1), engineer: ben, role: MemberRole::Member }.into();
        stage.apply(engineer(ANA), member);
        let (held, wanted) = (expensive_patterns("[x]"), expensive_patterns("[y]"));
        let claim = command::ClaimPaths {
            project: project(1),
            paths: held.into(),
            mode: ClaimMode::Shared,
            feature: None,
        }
        .into();
        stage.apply(engineer(ANA), claim);
        let api = stage.api();
        stage.proposals.close();
        let wanted: Vec<&str> = wanted.iter().map(Pattern::as_str).collect();
        let request = Request::post(format!("/api/projects/{}/claims", project(1).0))
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", Uuid::now_v7().to_string())
            .body(Body::from(serde_json::json!({ "paths": wanted }).to_string()))
            .unwrap();
        let asking = tokio::spawn(router(api.clone()).oneshot(request));
        stage.proposals.reached(1).await;
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled());
        assert_eq!(api.expensive_writes.available_permits(), 0, "its entry is under way");
        stage.proposals.open();
        assert!(api.expensive_writes.acquire().await.is_ok(), "it is applied");
    }
}
