//! The session that a keep-alive process supervises: sends its heartbeats, asks what it holds, and claims that again
//! when the session ended while the machine slept. It does not decide when. What was held is in a file beside the run's
//! record, so that the first command after a sleep can claim it too, if it comes before the next heartbeat.

use crate::{
    agent_run::{LostClaim, PresentHolder, RunKey, RunRecord, RunRecords, record},
    client::Request,
    config::atomic,
    confined::read_bounded,
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
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};
use uuid::Uuid;

/// Paths that are claimed again with one request.
const MOST_AT_ONCE: usize = 500;

/// The longest list of claims that is read: a session may hold thousands, of a KiB each.
const MAX_HELD_BYTES: u64 = 32 << 20;

/// The claims of a session, with all that is needed to claim them again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct HeldClaims {
    /// The session that holds them.
    session: Uuid,
    features: Vec<HeldFeature>,
    /// Claims that do not come with the pick of a feature.
    extras: Vec<ExtraClaim>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct HeldFeature {
    id: Uuid,
    slug: String,
}

/// A path that was claimed on its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ExtraClaim {
    path: String,
    mode: Mode,
    feature: Option<Uuid>,
}

impl HeldClaims {
    fn of(session: Uuid, claims: Vec<Claim>, features: Vec<Feature>) -> Self {
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
            session,
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
    /// The claims that were written to the file last: once the session is over, the cluster does not know them.
    written: RefCell<HeldClaims>,
}

impl<'a> SupervisedSession<'a> {
    pub(super) fn new(context: &'a Context<'a>, key: RunKey, project: Uuid) -> Self {
        let records = context.records();
        let file = records.file_of(&key, project);
        Self { context, records, key, project, file, written: RefCell::default() }
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
        let held = HeldClaims::of(session, claims, features);
        let is_nothing = held.is_nothing();
        if *self.written.borrow() != held {
            let text = serde_json::to_vec(&held).expect("a list of claims has only text keys");
            // If it cannot be written, the claims cannot be made again after a sleep.
            if atomic::write_unsynced(&self.held_file(), &text).is_ok() {
                self.written.replace(held);
            }
        }
        Ok(is_nothing)
    }

    fn held_file(&self) -> PathBuf {
        self.file.with_extension("held")
    }

    /// The claims that a session held when the cluster was asked last.
    fn held_by(&self, session: Uuid) -> HeldClaims {
        let text = read_bounded(&self.held_file(), MAX_HELD_BYTES).unwrap_or_default();
        let held: Option<HeldClaims> = serde_json::from_str(&text).ok();
        held.filter(|held| held.session == session).unwrap_or_default()
    }

    /// Forgets what was held, so that it is not claimed again.
    pub(super) fn forget_held(&self) {
        // There may be no such file.
        let _ = fs::remove_file(self.held_file());
    }

    /// Starts a new session after the old one, `over`, ended while its run lives, and claims what that held.
    pub(super) async fn take_back(&self, agent: &str, over: Uuid) -> Result<(), Error> {
        let client = &self.context.client;
        let project = self.project;
        client.restart_timeout();
        client.act_as(None);
        let metadata = record::read(&self.file).map(|record| record.metadata);
        let body = StartSession { agent: Some(agent.to_owned()), metadata, ..StartSession::default() };
        let start = Request::post(format!("/projects/{project}/sessions")).body(&body);
        self.reclaim(&client.send(start).await?.parse()?, over).await
    }

    /// Claims in a new session of the run what is still free of what the one before it held. The record remembers what
    /// is not. Of a command and the keep-alive process, the first one does it, and the other one waits.
    pub(super) async fn reclaim(&self, session: &Session, over: Uuid) -> Result<(), Error> {
        let lock =
            File::create(self.file.with_extension("waking")).and_then(|lock| lock.lock().map(|()| lock));
        if record::read(&self.file).is_some_and(|record| record.session_id == session.id) {
            return Ok(());
        }
        let client = &self.context.client;
        let project = self.project;
        client.act_as(Some(session.id));
        let held = self.held_by(over);
        let mut lost = Vec::new();
        let mut again = BTreeSet::new();
        for HeldFeature { id, slug } in &held.features {
            let pick = Request::post(format!("/projects/{project}/features/{slug}/pick"));
            match self.ask(slug, true, session.id, pick).await? {
                None => drop(again.insert(*id)),
                Some(missing) => lost.push(missing),
            }
        }
        for request in held.requests(&again) {
            lost.extend(self.claim(session.id, request).await?);
        }
        self.change(|record| {
            record.set_session(session);
            lost.into_iter().for_each(|one| record.add_lost_claim(one));
        })?;
        // Without the lock, the worst is that a loss is reported twice.
        drop(lock);
        Ok(())
    }

    /// Claims all of the paths at once, or, when that is refused, each on its own. Returns those that are lost.
    async fn claim(&self, session: Uuid, wanted: ClaimPaths) -> Result<Vec<LostClaim>, Error> {
        let request =
            |body: &ClaimPaths| Request::post(format!("/projects/{}/claims", self.project)).body(body);
        if self.ask("", false, session, request(&wanted)).await?.is_none() {
            return Ok(Vec::new());
        }
        let mut lost = Vec::new();
        for path in &wanted.paths {
            let one = ClaimPaths { paths: vec![path.clone()], ..wanted.clone() };
            lost.extend(self.ask(path, false, session, request(&one)).await?);
        }
        Ok(lost)
    }

    /// Requests a feature or path that was held before. Returns it as lost if it is refused for good.
    async fn ask(
        &self,
        what: &str,
        is_feature: bool,
        session: Uuid,
        request: Request,
    ) -> Result<Option<LostClaim>, Error> {
        self.context.client.restart_timeout();
        match self.context.client.send(request).await {
            Ok(_) => Ok(None),
            // An earlier try was interrupted after the pick.
            Err(Error::Refused(refused)) if holder(&refused) == Some(session) => Ok(None),
            Err(Error::Refused(refused)) if !refused.is_for_now() => {
                let conflicts: Vec<Conflict> = detail(&refused, "conflicts").unwrap_or_default();
                let conflict = conflicts.first();
                Ok(Some(LostClaim {
                    what: what.to_owned(),
                    is_feature,
                    why: refused.body.message.clone(),
                    path: conflict.map(|conflict| conflict.file_path.clone()),
                    by: conflict.map(PresentHolder::of_conflict).or_else(|| detail(&refused, "holder")),
                }))
            }
            Err(error) => Err(error),
        }
    }

    /// Saves the state of the repository around a folder for each feature that the session holds.
    pub(super) async fn save_work(&self, session: Uuid, folder: &Path) -> Result<(), Error> {
        let features = self.held_by(session).features;
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
