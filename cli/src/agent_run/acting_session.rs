//! As which session a command acts: the one that its run's record names, or a new one when work begins
//! and there is none. A run without a name, a terminal or an agent acts as its engineer.

use super::{Actor, LostClaim, Process, RunKey, RunRecord, RunRecords, ensure_keep_alive};
use crate::{
    client::{Answer, Request},
    context::Context,
    error::Error,
    guard::journal,
    output::{format, plain},
    repository,
};
use nexus_api_types::{
    Code,
    session::{Metadata, Session, StartSession},
};
use uuid::Uuid;

impl Context<'_> {
    /// Asks as the session of this run from now on, if it surely lives. One that may be over is left out:
    /// a question needs none.
    pub(crate) fn act_as_live_session(&self, project: Uuid) {
        let session = match self.actor() {
            Actor::Session(id) => Some(*id),
            Actor::AgentRun { key, .. } => {
                let record = self.records().read(key, project).filter(RunRecord::is_fresh);
                record.map(|record| record.session_id)
            }
            Actor::Engineer => None,
        };
        self.client.act_as(session);
    }

    /// The session that this run works as: the living one, or a new one. None when the engineer acts.
    ///
    /// # Errors
    /// When the cluster says no, or nothing, or the record cannot be written.
    pub(crate) async fn session_for_work(&self, project: Uuid) -> Result<Option<Uuid>, Error> {
        let (key, owner) = match self.actor() {
            Actor::Session(id) => return Ok(Some(*id)),
            Actor::Engineer => return Ok(None),
            Actor::AgentRun { key, owner } => (key, *owner),
        };
        let known = self.records().read(key, project);
        let id = match known {
            Some(record) if record.is_fresh() => {
                if let Some(owner) = owner.filter(|owner| record.owner != Some(*owner)) {
                    self.rebind(key, project, owner)?;
                }
                record.session_id
            }
            _ => self.start_session(key, project, owner).await?,
        };
        self.client.act_as(Some(id));
        Ok(Some(id))
    }

    /// Does something as the session that works. One that turns out to be over, whoever ended it, is replaced by a
    /// new one, which tries again.
    ///
    /// # Errors
    /// When the cluster says no, or nothing.
    pub(crate) async fn send_in_session(&self, project: Uuid, request: Request) -> Result<Answer, Error> {
        let refused = match self.client.send(request.clone()).await {
            Err(Error::Refused(refused)) => refused,
            other => return other,
        };
        // There is no such session any more, or it is that of whoever was logged in before.
        let may_be_over =
            matches!(refused.body.code, Code::NotFound | Code::Forbidden) && refused.body.details.is_none();
        if may_be_over && self.renew_session(project).await? {
            // As another session it is another request.
            return self.client.send(request.anew()).await;
        }
        Err(Error::Refused(refused))
    }

    /// Finds the living session of this run, or starts one. Whether it is another one than acted before.
    async fn renew_session(&self, project: Uuid) -> Result<bool, Error> {
        let (Actor::AgentRun { .. }, Some(before)) = (self.actor(), self.client.session()) else {
            return Ok(false);
        };
        self.mark_session_stale(project)?;
        Ok(self.session_for_work(project).await? != Some(before))
    }

    /// The session of this run may be over: it is asked for before anything is done as it again.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub(crate) fn mark_session_stale(&self, project: Uuid) -> Result<(), Error> {
        let Actor::AgentRun { key, .. } = self.actor() else { return Ok(()) };
        self.records().change(key, project, |record| {
            record.map(|mut record| {
                record.renew_lease(0);
                record
            })
        })?;
        Ok(())
    }

    /// The session of a run that worked in this project before; none of one that never did, which then
    /// acts as its engineer.
    ///
    /// # Errors
    /// As [`session_for_work`](Self::session_for_work).
    pub(crate) async fn previous_session(&self, project: Uuid) -> Result<Option<Uuid>, Error> {
        match self.actor() {
            Actor::AgentRun { key, .. } if self.records().read(key, project).is_none() => Ok(None),
            _ => self.session_for_work(project).await,
        }
    }

    /// Sees to it that the session lives as long as its run, once it holds something.
    pub(crate) fn keep_session_alive(&self, project: Uuid) {
        let Actor::AgentRun { key, .. } = self.actor() else { return };
        if let Err(error) = ensure_keep_alive(self, key, project) {
            self.out
                .note(format_args!("Nobody looks after this session: {error}. Its lease is the long one"));
        }
    }

    /// What this run held and lost while its machine slept; each is told once.
    pub(crate) fn take_lost_claims(&self, project: Uuid) -> Vec<LostClaim> {
        let Actor::AgentRun { key, .. } = self.actor() else { return Vec::new() };
        let records = self.records();
        if records.read(key, project).is_none_or(|record| record.lost.is_empty()) {
            return Vec::new();
        }
        let mut lost = Vec::new();
        let emptied = records.change(key, project, |record| {
            record.map(|mut record| {
                lost = std::mem::take(&mut record.lost);
                record
            })
        });
        // What cannot be written is told again.
        drop(emptied);
        lost
    }

    /// Tells a person what was lost while the machine slept.
    pub(crate) fn print_lost_claims(&self, project: Uuid) {
        for LostClaim { what, why, by } in self.take_lost_claims(project) {
            let holder = by.map(|by| format::holder(&by.engineer_name, by.agent.as_deref()));
            let whose = holder.map_or(why, |holder| format!("{holder} holds it now"));
            self.out.note(plain(&format!("Lost while this machine slept: {what}: {whose}")));
        }
    }

    /// The run begins in its process, or goes on in it: commands there that nobody says the run of are its own
    /// from now on.
    pub(crate) fn bind_to_own_process(&self, project: Uuid) {
        if let Actor::AgentRun { key, owner: Some(owner) } = self.actor() {
            // What cannot be written leaves it at the run that was bound before.
            let _ = self.rebind(key, project, *owner);
        }
    }

    fn rebind(&self, key: &RunKey, project: Uuid, owner: Process) -> Result<(), Error> {
        self.records().change(key, project, |record| {
            record.map(|mut record| {
                record.bind(owner);
                record
            })
        })?;
        Ok(())
    }

    async fn start_session(
        &self,
        key: &RunKey,
        project: Uuid,
        owner: Option<Process>,
    ) -> Result<Uuid, Error> {
        let records = self.records();
        records.delete_old(journal::is_one);
        // First the name, which commands of one run that start at once then share, and with it the session.
        let named = bind(&records, key, project, owner)?;
        let agent = named.map_or_else(|| new_name(key), |record| record.agent);
        // Whatever acted before must not: it may be over.
        self.client.act_as(None);
        let session = self.post_session(project, agent).await?;
        records.change(key, project, |record| {
            record.map(|mut record| {
                record.set_session(&session);
                record
            })
        })?;
        Ok(session.id)
    }

    /// Starts a session of that agent, or finds the one that lives.
    ///
    /// # Errors
    /// When the cluster says no, or nothing.
    pub(crate) async fn post_session(&self, project: Uuid, agent: String) -> Result<Session, Error> {
        let here = std::env::current_dir().ok().map(|folder| folder.display().to_string());
        let metadata = Metadata {
            git_branch: repository::branch(),
            working_dir: here
                .filter(|text| !text.contains(char::is_control) && text.chars().count() <= 2_048),
            client_version: Some(concat!("nexus/", env!("CARGO_PKG_VERSION")).to_owned()),
        };
        let body = StartSession { agent: Some(agent), metadata: Some(metadata), ..StartSession::default() };
        let start = Request::post(format!("/projects/{project}/sessions")).body(&body);
        self.client.send(start).await?.parse()
    }
}

/// Writes down that there is this run and which process it lives in, before it has a session.
///
/// # Errors
/// When the record cannot be written.
pub(crate) fn bind(
    records: &RunRecords,
    key: &RunKey,
    project: Uuid,
    owner: Option<Process>,
) -> Result<Option<RunRecord>, Error> {
    records.change(key, project, |before| {
        let mut record = before.unwrap_or_else(|| RunRecord::new(new_name(key)));
        if let Some(owner) = owner {
            record.bind(owner);
        }
        Some(record)
    })
}

/// A name that no other run of the engineer has, on whatever machine: two runs of one name would be one
/// agent, and share what they hold.
fn new_name(key: &RunKey) -> String {
    let random = (Uuid::now_v7().as_u128() & 0xffff_ffff) as u32;
    format!("{}-{random:08x}", key.kind())
}
