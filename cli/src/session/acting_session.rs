//! The session that a command acts as: the one in its run's record, or a new one when work begins and there is none.
//! A command that belongs to no run acts as the engineer.

use super::{ClaimLifetime, ensure_keep_alive, supervised_session::SupervisedSession};
use crate::{
    agent_run::{
        Actor, LostClaim, Process, Processes, RunKey, RunRecord, TERMINAL, bind, new_name, program_of,
    },
    answer::Answer,
    client::Request,
    context::Context,
    error::Error,
    repository,
    text::plain,
};
use nexus_api_types::{
    Code, Moment,
    envelope::MissingResource,
    session::{Metadata, Session, StartSession},
};
use uuid::Uuid;

impl Context<'_> {
    /// The session that this run works as: the one that is alive, or a new one. It is `None` when the engineer acts.
    /// Further requests are sent as this session.
    ///
    /// # Errors
    /// When the cluster refuses it, no server answers, or the record cannot be written.
    pub(crate) async fn session_for_work(&self, project: Uuid) -> Result<Option<Uuid>, Error> {
        let (key, owner) = match self.actor() {
            Actor::Session(id) => return Ok(Some(*id)),
            Actor::Engineer => return Ok(None),
            Actor::AgentRun { key, owner } => (key, *owner),
        };
        let known = self.records().read(key, project);
        let id = match known {
            Some(record) if owner.is_none() && self.is_left_behind(&record) => {
                self.leave_session(key, project)?;
                self.start_session(key, project, None).await?
            }
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

    /// Sends a request as the session of this run. If the session turns out to be over, the request is repeated as a
    /// new one.
    ///
    /// # Errors
    /// When the cluster refuses it or no server answers.
    pub(crate) async fn send_in_session(&self, project: Uuid, request: Request) -> Result<Answer, Error> {
        let refused = match self.client.send(request.clone()).await {
            Err(Error::Refused(refused)) => refused,
            other => return other,
        };
        let may_be_over = match refused.body.code {
            // An older server does not say what does not exist.
            Code::NotFound => {
                refused.body.details.is_none() || refused.missing() == Some(MissingResource::Session)
            }
            // It belongs to the engineer who was logged in before.
            Code::Forbidden => refused.body.details.is_none(),
            _ => false,
        };
        if let (true, Code::Forbidden, Actor::AgentRun { key, .. }) =
            (may_be_over, refused.body.code, self.actor())
        {
            // What it held is not this engineer's.
            SupervisedSession::new(self, key.clone(), project).forget_held();
        }
        if may_be_over && self.renew_session(project).await? {
            // As another session it is another request.
            return self.client.send(request.without_identity()).await;
        }
        Err(Error::Refused(refused))
    }

    /// Finds the live session of this run, or starts one. Returns whether it is another one than before.
    async fn renew_session(&self, project: Uuid) -> Result<bool, Error> {
        let (Actor::AgentRun { .. }, Some(before)) = (self.actor(), self.client.session()) else {
            return Ok(false);
        };
        self.mark_session_stale(project)?;
        Ok(self.session_for_work(project).await? != Some(before))
    }

    /// Remembers that the session of this run may be over, so that the cluster is asked before it is used again.
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

    /// The session of a run that worked in this project before. It is `None` for a run that did not, which acts as its
    /// engineer.
    ///
    /// # Errors
    /// The errors of [`session_for_work`](Self::session_for_work).
    pub(crate) async fn previous_session(&self, project: Uuid) -> Result<Option<Uuid>, Error> {
        match self.actor() {
            Actor::AgentRun { key, .. } if self.records().read(key, project).is_none() => Ok(None),
            _ => self.session_for_work(project).await,
        }
    }

    /// Makes sure that a process keeps the session alive for as long as its run lives. Call it after each claim.
    /// Returns what the claims live by.
    pub(crate) fn keep_session_alive(&self, project: Uuid) -> ClaimLifetime {
        let Actor::AgentRun { key, .. } = self.actor() else { return ClaimLifetime::Lease };
        ensure_keep_alive(self, key, project).unwrap_or_else(|error| {
            self.out.note(format_args!("No process keeps this session alive: {error}"));
            ClaimLifetime::Lease
        })
    }

    /// Whether the process that a run lived in is gone. Its keep-alive process ends the session, if there is one.
    fn is_left_behind(&self, record: &RunRecord) -> bool {
        record.owner.is_some_and(|owner| !Processes::default().lives(owner))
    }

    /// Leaves the session of a run whose process is gone to its lease, which is the short one: no process is known that
    /// would send heartbeats from now on. The run goes on as another agent, with its losses still to be shown.
    fn leave_session(&self, key: &RunKey, project: Uuid) -> Result<(), Error> {
        self.records().change(key, project, |before| {
            before.map(|before| RunRecord {
                lost: before.lost,
                metadata: before.metadata,
                ..RunRecord::new(new_name(key))
            })
        })?;
        Ok(())
    }

    fn acts_as_terminal(&self) -> bool {
        matches!(self.actor(), Actor::AgentRun { key, .. } if key.kind() == TERMINAL)
    }

    /// `as long as this terminal is open`, `until 14:32 (in 1 h 59 min), renewed by every request`
    pub(crate) fn describe(&self, lifetime: ClaimLifetime, until: Moment) -> String {
        match lifetime {
            ClaimLifetime::Process(_) if self.acts_as_terminal() => {
                "as long as this terminal is open".to_owned()
            }
            ClaimLifetime::Process(owner) => {
                let name = program_of(owner).unwrap_or_else(|| "its process".to_owned());
                plain(&format!("as long as {name} runs (process {})", owner.pid))
            }
            ClaimLifetime::Lease => {
                format!("until {}, renewed by every request", self.out.clock().until(until))
            }
        }
    }

    /// The claims that this run lost while its machine slept. Each is returned once.
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
        // If the record cannot be written, they are returned again the next time.
        drop(emptied);
        lost
    }

    /// Prints what was lost while the machine slept.
    pub(crate) fn print_lost_claims(&self, project: Uuid) {
        for lost in self.take_lost_claims(project) {
            self.out.note(plain(&format!("Lost while this machine slept: {}", lost.sentence())));
        }
    }

    /// Binds the run to the process that it lives in. Commands in that process without a key of their own belong to it
    /// from now on.
    pub(crate) fn bind_to_own_process(&self, project: Uuid) {
        if let Actor::AgentRun { key, owner: Some(owner) } = self.actor() {
            // If the record cannot be written, they belong to the run that was bound before.
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

    /// Remembers what the session of this run is called, for the sessions that it starts later.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub(crate) fn note_metadata(&self, project: Uuid, session: &Session) -> Result<(), Error> {
        let Actor::AgentRun { key, .. } = self.actor() else { return Ok(()) };
        self.records().change(key, project, |record| {
            record.map(|mut record| {
                record.metadata = session.metadata.clone();
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
        records.delete_old();
        // First the name: commands of one run that start at once then share it, and with it the session.
        let named = bind(&records, key, project, owner)?;
        let over = named.as_ref().map(|record| record.session_id).filter(|id| !id.is_nil());
        let name = named.as_ref().and_then(|record| record.metadata.name.clone());
        let agent = named.map_or_else(|| new_name(key), |record| record.agent);
        // The session that acted before may be over.
        self.client.act_as(None);
        let session = self.post_session(project, agent, name).await?;
        if let Some(over) = over.filter(|over| *over != session.id) {
            // The session ended while its run lives, as when the machine slept: the run goes on with what it held.
            SupervisedSession::new(self, key.clone(), project).reclaim(&session, over).await?;
            self.keep_session_alive(project);
            return Ok(session.id);
        }
        records.change(key, project, |record| {
            record.map(|mut record| {
                record.set_session(&session);
                record
            })
        })?;
        Ok(session.id)
    }

    /// Starts a session of that agent, which may have a name; the cluster returns the one that is alive, if there is
    /// one.
    ///
    /// # Errors
    /// When the cluster refuses it or no server answers.
    pub(crate) async fn post_session(
        &self,
        project: Uuid,
        agent: String,
        name: Option<String>,
    ) -> Result<Session, Error> {
        let here = std::env::current_dir().ok().map(|folder| folder.display().to_string());
        let metadata = Metadata {
            git_branch: repository::branch(),
            working_dir: here
                .filter(|text| !text.contains(char::is_control) && text.chars().count() <= 2_048),
            client_version: Some(concat!("nexus/", env!("CARGO_PKG_VERSION")).to_owned()),
            name,
        };
        let body = StartSession { agent: Some(agent), metadata: Some(metadata), ..StartSession::default() };
        let start = Request::post(format!("/projects/{project}/sessions")).body(&body);
        self.client.send(start).await?.parse()
    }
}
