//! The session that a keep-alive process supervises: sends its heartbeats, asks what it holds, and claims that again
//! when the session ended while the machine slept. It does not decide when.

use crate::{
    agent_run::{LostClaim, RunKey, RunRecord, RunRecords, record},
    client::Request,
    context::Context,
    error::{Error, Refused},
    repository,
};
use nexus_api_types::{
    Code, Page,
    checkpoint::{CheckpointType, SaveCheckpoint},
    claim::{Claim, ClaimPaths, Conflict, Mode},
    feature::Feature,
    session::{Session, SessionOf, StartSession},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};
use uuid::Uuid;

/// Paths that are claimed again with one request.
const MOST_AT_ONCE: usize = 500;

/// The claims of a session, with all that is needed to claim them again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct HeldClaims {
    features: Vec<HeldFeature>,
    /// Claims that do not come with the pick of a feature.
    extras: Vec<ExtraClaim>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct HeldFeature {
    id: Uuid,
    slug: String,
}

/// A path that was claimed on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ExtraClaim {
    path: String,
    mode: Mode,
    feature: Option<Uuid>,
}

impl HeldClaims {
    fn of(claims: Vec<Claim>, features: Vec<Feature>) -> Self {
        // A path that a feature was picked with is claimed with it again.
        let is_extra = |claim: &Claim| {
            let feature = features.iter().find(|feature| Some(feature.id) == claim.feature_id);
            feature.is_none_or(|feature| {
                !feature.touches.contains(&claim.file_path) && !feature.reads.contains(&claim.file_path)
            })
        };
        let extras = claims.into_iter().filter(is_extra).map(|claim| ExtraClaim {
            path: claim.file_path,
            mode: claim.mode,
            feature: claim.feature_id,
        });
        Self {
            extras: extras.collect(),
            features: features.into_iter().map(|Feature { id, slug, .. }| HeldFeature { id, slug }).collect(),
        }
    }

    fn is_nothing(&self) -> bool {
        self.features.is_empty() && self.extras.is_empty()
    }

    /// The extra claims in requests of one feature and one mode each. `again` are the features that were picked again;
    /// the claims of others are made without a feature, since the agent has their files open.
    fn requests(&self, again: &BTreeSet<Uuid>) -> Vec<ClaimPaths> {
        let mut groups: BTreeMap<(Option<Uuid>, bool), Vec<String>> = BTreeMap::new();
        for ExtraClaim { path, mode, feature } in &self.extras {
            let feature = feature.filter(|id| again.contains(id));
            groups.entry((feature, *mode == Mode::Shared)).or_default().push(path.clone());
        }
        let of_group = |((feature_id, is_shared), paths): ((Option<Uuid>, bool), Vec<String>)| {
            let mode = Some(if is_shared { Mode::Shared } else { Mode::Exclusive });
            let request = |paths: &[String]| ClaimPaths { paths: paths.to_vec(), mode, feature_id };
            paths.chunks(MOST_AT_ONCE).map(request).collect::<Vec<_>>()
        };
        groups.into_iter().flat_map(of_group).collect()
    }
}

/// The session of a run that is kept alive.
pub(super) struct SupervisedSession<'a> {
    context: &'a Context<'a>,
    records: RunRecords,
    key: RunKey,
    project: Uuid,
    file: PathBuf,
    /// The claims at the last request: once the session is over, the cluster does not know them.
    held: RefCell<HeldClaims>,
}

impl<'a> SupervisedSession<'a> {
    pub(super) fn new(context: &'a Context<'a>, key: RunKey, project: Uuid) -> Self {
        let records = context.records();
        let file = records.file_of(&key, project);
        Self { context, records, key, project, file, held: RefCell::default() }
    }

    /// The file of the run's record.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Another run that has the session now, if there is one.
    pub(super) fn successor(&self, session: Uuid) -> Option<RunKey> {
        self.records.of_session(session, self.project).filter(|key| *key != self.key)
    }

    /// Sends one heartbeat. Returns how long the session lives without another one; none if it is over.
    pub(super) async fn send_heartbeat(
        &self,
        session: Uuid,
        is_first: bool,
    ) -> Result<Option<Duration>, Error> {
        self.context.client.restart_timeout();
        // The path names the session: a request as a session that is over would be refused in another way.
        self.context.client.act_as(None);
        let project = self.project;
        let heartbeat = Request::post(format!("/projects/{project}/sessions/{session}/heartbeat"));
        match self.context.client.send(heartbeat).await {
            Ok(_) => {}
            Err(Error::Refused(refused)) if refused.body.code == Code::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        self.context.client.refresh_members().await;
        let known = record::read(&self.file).filter(|record| record.session_id == session);
        let lease_ms = match known {
            // The first heartbeat puts the session on its short lease.
            Some(record) if !is_first => record.lease_ms,
            _ => self.lease_ms(session).await?,
        };
        self.change(|record| {
            if record.session_id == session {
                record.renew_lease(lease_ms);
            }
        })?;
        Ok(Some(Duration::from_millis(lease_ms)))
    }

    async fn lease_ms(&self, session: Uuid) -> Result<u64, Error> {
        let active = Request::get(format!("/projects/{}/sessions/active", self.project));
        let sessions: Vec<SessionOf> = self.context.client.send(active).await?.parse()?;
        let found = sessions.into_iter().find(|found| found.session.id == session);
        Ok(found.map_or(0, |found| record::lease_ms(&found.session)))
    }

    /// Asks the cluster what the session holds. Returns whether it is nothing.
    pub(super) async fn refresh_held(&self, session: Uuid) -> Result<bool, Error> {
        let project = self.project;
        let client = &self.context.client;
        client.act_as(Some(session));
        let mine = client.send(Request::get(format!("/projects/{project}/claims/mine"))).await?;
        let claims: Vec<Claim> = mine.parse()?;
        let mut features = Vec::new();
        let mut cursor = None;
        loop {
            let active = Request::get(format!("/projects/{project}/features"))
                .query("status", Some("active"))
                .query("limit", Some(100))
                .query("cursor", cursor.take());
            let page: Page<Feature> = client.send(active).await?.parse()?;
            features.extend(page.items.into_iter().filter(|feature| feature.session_id == Some(session)));
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        let held = HeldClaims::of(claims, features);
        let is_nothing = held.is_nothing();
        self.held.replace(held);
        Ok(is_nothing)
    }

    /// Starts a new session after the old one ended while its run lives. It claims what is still free, and the record
    /// remembers what is not.
    pub(super) async fn take_back(&self, agent: &str) -> Result<(), Error> {
        let client = &self.context.client;
        let project = self.project;
        client.restart_timeout();
        client.act_as(None);
        let body = StartSession { agent: Some(agent.to_owned()), ..StartSession::default() };
        let start = Request::post(format!("/projects/{project}/sessions")).body(&body);
        let session: Session = client.send(start).await?.parse()?;
        client.act_as(Some(session.id));
        let held = self.held.borrow().clone();
        let mut lost = Vec::new();
        let mut again = BTreeSet::new();
        for HeldFeature { id, slug } in &held.features {
            let pick = Request::post(format!("/projects/{project}/features/{slug}/pick"));
            match self.ask(slug, session.id, pick).await? {
                None => drop(again.insert(*id)),
                Some(missing) => lost.push(missing),
            }
        }
        for request in held.requests(&again) {
            lost.extend(self.claim(session.id, request).await?);
        }
        self.change(|record| {
            record.set_session(&session);
            lost.into_iter().for_each(|one| record.add_lost_claim(one));
        })
    }

    /// Claims all of the paths at once, or, when that is refused, each on its own. Returns those that are lost.
    async fn claim(&self, session: Uuid, wanted: ClaimPaths) -> Result<Vec<LostClaim>, Error> {
        let request =
            |body: &ClaimPaths| Request::post(format!("/projects/{}/claims", self.project)).body(body);
        if self.ask("", session, request(&wanted)).await?.is_none() {
            return Ok(Vec::new());
        }
        let mut lost = Vec::new();
        for path in &wanted.paths {
            let one = ClaimPaths { paths: vec![path.clone()], ..wanted.clone() };
            lost.extend(self.ask(path, session, request(&one)).await?);
        }
        Ok(lost)
    }

    /// Requests what was held before. Returns it as lost if it is refused for good.
    async fn ask(&self, what: &str, session: Uuid, request: Request) -> Result<Option<LostClaim>, Error> {
        self.context.client.restart_timeout();
        match self.context.client.send(request).await {
            Ok(_) => Ok(None),
            // An earlier try was interrupted after the pick.
            Err(Error::Refused(refused)) if holder(&refused) == Some(session) => Ok(None),
            Err(Error::Refused(refused)) if !refused.is_for_now() => {
                let conflicts: Vec<Conflict> = detail(&refused, "conflicts").unwrap_or_default();
                let by = conflicts.into_iter().next().map(|conflict| conflict.claimed_by);
                Ok(Some(LostClaim { what: what.to_owned(), why: refused.body.message.clone(), by }))
            }
            Err(error) => Err(error),
        }
    }

    /// Saves the state of the repository around a folder for each feature that the session holds.
    pub(super) async fn save_work(&self, session: Uuid, folder: &Path) -> Result<(), Error> {
        let features = self.held.borrow().features.clone();
        if features.is_empty() {
            return Ok(());
        }
        let mut state = repository::git_state_of(folder);
        state.insert("event".to_owned(), "process-gone".into());
        let client = &self.context.client;
        client.restart_timeout();
        client.act_as(Some(session));
        for feature in features {
            let body = SaveCheckpoint {
                session_id: session,
                feature_id: feature.id,
                context: Some(state.clone()),
                kind: Some(CheckpointType::AutoPeriodic),
                notes: None,
            };
            let save = Request::post(format!("/projects/{}/sessions/checkpoints", self.project));
            client.send(save.body(&body)).await?;
        }
        Ok(())
    }

    /// Ends the session.
    pub(super) async fn end(&self, session: Uuid) -> Result<(), Error> {
        let client = &self.context.client;
        client.restart_timeout();
        client.act_as(None);
        client.send(Request::delete(format!("/projects/{}/sessions/{session}", self.project))).await.map(drop)
    }

    fn change(&self, change: impl FnOnce(&mut RunRecord)) -> Result<(), Error> {
        self.records.change(&self.key, self.project, |record| {
            record.map(|mut record| {
                change(&mut record);
                record
            })
        })?;
        Ok(())
    }
}

/// The session that works on a feature which cannot be picked.
fn holder(refused: &Refused) -> Option<Uuid> {
    let holder: Value = detail(refused, "holder")?;
    holder.get("sessionId")?.as_str()?.parse().ok()
}

fn detail<T: DeserializeOwned>(refused: &Refused, name: &str) -> Option<T> {
    let detail = refused.body.details.as_ref()?.get(name)?.clone();
    serde_json::from_value(detail).ok()
}
