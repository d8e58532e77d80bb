//! Finds what a request refers to: a project by its id or slug, a feature by its slug or id, an engineer by id, e-mail
//! address or name. Everything that takes one of them asks here. Whether the caller may do anything with it is checked
//! where it is used. Whether an e-mail address is registered is said only to those who may see its engineer, and to a
//! lead who adds a member.

use crate::{
    api::Api,
    auth::Caller,
    cluster::{Consistency, SharedView},
    failure::ApiError,
    read::Read,
    write::Write,
};
use nexus_api_types::{Code, body::FeatureRef, engineer::Me};
use nexus_domain::{
    EngineerId, FeatureId, OutOfBudget, ProjectId, Refusal, State, WorkBudget,
    decide::access,
    entity::{Engineer, Feature, MemberRole, Role},
    refusal::EntityKind,
    short_text::{Email, Slug},
};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

/// Characters of a reference that an answer repeats.
const REPEATED: usize = 100;
/// Most characters of an engineer's name.
const LONGEST_NAME: usize = 100;
/// Candidates that one answer lists.
const MAX_CANDIDATES: usize = 10;
/// Work steps for one engineer that is looked at.
const STEPS_OF_ENGINEER: usize = 50;
/// Work steps for one project that is searched for a member.
const STEPS_OF_PROJECT: usize = 10;

/// The people whom an e-mail address may name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    /// Those whom the caller may see.
    Visible,
    /// Everybody who is registered.
    Everybody,
}

/// The project with this id, which need not exist, or with this slug. A text that could be either is an id: a project
/// must not take the place of a deleted one by its slug.
pub(crate) fn project(state: &State, text: &str) -> Option<ProjectId> {
    if let Ok(id) = text.parse() {
        return Some(ProjectId(id));
    }
    state.project_by_slug(&Slug::parse(text).ok()?).map(|project| project.id)
}

/// The error for a text that is no project's id or slug.
pub(crate) fn no_project(text: &str) -> ApiError {
    let text: String = text.chars().take(REPEATED).collect();
    ApiError::field(
        "projectId",
        format_args!("must be the id (a UUID) or the slug of a project; {text} is none"),
    )
}

/// The feature with this slug or id. A text that could be either is a slug, as it always was.
fn feature<'a>(state: &'a State, project: ProjectId, text: &str) -> Option<&'a Arc<Feature>> {
    let by_slug = Slug::parse(text).ok().and_then(|slug| state.feature_by_slug(project, &slug));
    by_slug.or_else(|| state.feature(project, FeatureId(text.parse().ok()?)))
}

/// The error for a feature that does not exist.
fn no_feature(text: &str) -> ApiError {
    let name = text.chars().take(REPEATED).collect();
    Refusal::NotFound { kind: EntityKind::Feature, name }.into()
}

/// The error for an engineer that does not exist, or whom the caller may not see.
pub(crate) fn no_engineer(text: &str) -> ApiError {
    let name = text.chars().take(REPEATED).collect();
    Refusal::NotFound { kind: EntityKind::Engineer, name }.into()
}

/// An error with the text by which the request named an engineer in place of their id: it may be new to the caller.
pub(crate) fn as_asked(error: ApiError, engineer: EngineerId, text: &str) -> ApiError {
    if !matches!(error.code, Code::NotFound) {
        return error;
    }
    let text: String = text.chars().take(REPEATED).collect();
    let message = error.message.replace(&engineer.to_string(), &text);
    ApiError { message, ..error }
}

/// Looks something up on this node, and if it is not there, in an up-to-date view: it may have been made through
/// another node just now.
async fn found<T>(api: &Api, find: impl Fn(&State) -> Option<T>) -> Result<Option<T>, ApiError> {
    if let Some(found) = find(api.cluster.local().state()) {
        return Ok(Some(found));
    }
    Ok(find(api.cluster.read(Consistency::Linearizable, None).await?.view.state()))
}

/// The project that a request without a prepared view is about.
pub(crate) async fn project_id(api: &Api, text: &str) -> Result<ProjectId, ApiError> {
    found(api, |state| project(state, text)).await?.ok_or_else(|| no_project(text))
}

impl Read {
    /// The project that a text refers to, by its id or slug. One with this id need not exist.
    pub(crate) fn project_id(&self, text: &str) -> Result<ProjectId, ApiError> {
        project(self.view().state(), text).ok_or_else(|| no_project(text))
    }

    /// The feature that a text refers to, by its slug or id.
    pub(crate) fn feature(&self, project: ProjectId, text: &str) -> Result<&Arc<Feature>, ApiError> {
        feature(self.view().state(), project, text).ok_or_else(|| no_feature(text))
    }

    /// The feature that a parameter of the query refers to. One with this id need not exist.
    pub(crate) fn feature_of_query(&self, project: ProjectId, name: &str) -> Result<FeatureId, ApiError> {
        let Some(text) = self.query.get(name) else { return Err(ApiError::field(name, "is required")) };
        feature_id(self.view().state(), project, text).ok_or_else(|| no_feature_in(name, text))
    }

    /// The engineer that a text refers to, by id, e-mail address or name. One with this id need not exist.
    pub(crate) async fn engineer_id(&self, api: &Api, text: &str) -> Result<EngineerId, ApiError> {
        engineer_id(api, self.view(), self.caller, Reach::Visible, text).await
    }
}

impl Write {
    /// The project that a text refers to, by its id or slug. One with this id need not exist.
    pub(crate) async fn project_id(&self, api: &Api, text: &str) -> Result<ProjectId, ApiError> {
        match project_id(api, text).await {
            // The first request may have deleted it: the nil id leads to its answer.
            Err(_) if self.is_answered(api) => Ok(ProjectId(Uuid::nil())),
            found => found,
        }
    }

    /// The slug of the feature that a text refers to, by its slug or id. A feature with this slug need not exist.
    pub(crate) async fn feature_slug(
        &self,
        api: &Api,
        project: ProjectId,
        text: &str,
    ) -> Result<Slug, ApiError> {
        if text.parse::<Uuid>().is_ok() {
            let slug = found(api, |state| feature(state, project, text).map(|found| found.slug.clone()));
            if let Some(slug) = slug.await? {
                return Ok(slug);
            }
        }
        // There is no feature with an invalid slug.
        Slug::parse(text).map_err(|_| no_feature(text))
    }

    /// The slugs of the features that a list names, by slug or id.
    pub(crate) async fn feature_slugs(
        &self,
        api: &Api,
        project: ProjectId,
        named: &[Slug],
    ) -> Result<Arc<[Slug]>, ApiError> {
        let mut slugs = Vec::with_capacity(named.len());
        for slug in named {
            slugs.push(self.feature_slug(api, project, slug.as_str()).await?);
        }
        Ok(slugs.into())
    }

    /// The feature that the field `featureId` refers to. One with this id need not exist.
    pub(crate) async fn feature_id(
        &self,
        api: &Api,
        project: ProjectId,
        named: FeatureRef,
    ) -> Result<FeatureId, ApiError> {
        if let Ok(id) = named.0.parse() {
            return Ok(FeatureId(id));
        }
        let found = found(api, |state| feature_id(state, project, &named.0)).await?;
        // Only members of the project learn which features there are.
        let local = api.cluster.local();
        let (engineer, key) = self.caller.identity(&*api.cluster, local.state())?;
        access::reader(local.state(), engineer, key, project)?;
        found.ok_or_else(|| no_feature_in("featureId", &named.0))
    }

    /// The engineer that a text refers to, by id, e-mail address or name. One with this id need not exist.
    pub(crate) async fn engineer_id(&self, api: &Api, text: &str) -> Result<EngineerId, ApiError> {
        self.engineer_joining(api, None, text).await
    }

    /// The engineer whom a lead adds to a project, by id, e-mail address or name. One with this id need not exist. The
    /// address may be that of anybody, so that nobody but a lead is answered.
    pub(crate) async fn new_member_id(
        &self,
        api: &Api,
        project: ProjectId,
        text: &str,
    ) -> Result<EngineerId, ApiError> {
        self.engineer_joining(api, Some(project), text).await
    }

    async fn engineer_joining(
        &self,
        api: &Api,
        project: Option<ProjectId>,
        text: &str,
    ) -> Result<EngineerId, ApiError> {
        if let Ok(id) = text.parse() {
            return Ok(EngineerId(id));
        }
        // An older view might not know a second one of that name.
        let seen = api.cluster.read(Consistency::Linearizable, None).await?;
        let reach = match project {
            Some(project) => check_lead(api, &seen.view, self.caller, project).map(|()| Reach::Everybody),
            None => Ok(Reach::Visible),
        };
        let found = match reach {
            Ok(reach) => engineer_id(api, &seen.view, self.caller, reach, text).await,
            Err(error) => Err(error),
        };
        match found {
            // The first request may have deleted them: the nil id leads to its answer.
            Err(_) if self.is_answered(api) => Ok(EngineerId(Uuid::nil())),
            found => found,
        }
    }

    /// Whether a request under the same idempotency key was answered before.
    fn is_answered(&self, api: &Api) -> bool {
        let request = self.incoming.keyed(self.caller.actor());
        request.is_some_and(|request| api.cluster.local().state().keyed_reply(&request.key).is_some())
    }
}

/// The feature with this id, which need not exist, or with this slug.
fn feature_id(state: &State, project: ProjectId, text: &str) -> Option<FeatureId> {
    match text.parse() {
        Ok(id) => Some(FeatureId(id)),
        Err(_) => feature(state, project, text).map(|found| found.id),
    }
}

fn no_feature_in(field: &str, text: &str) -> ApiError {
    let text: String = text.chars().take(REPEATED).collect();
    ApiError::field(field, format_args!("must be the id (a UUID) or the slug of a feature; {text} is none"))
}

/// Checks that the caller is a lead of a project, or an admin.
fn check_lead(api: &Api, view: &SharedView, caller: Caller, project: ProjectId) -> Result<(), ApiError> {
    let (engineer, key) = caller.identity(&*api.cluster, view.state())?;
    let (_, member) = access::reader(view.state(), engineer, key, project)?;
    access::may_write(engineer, key)?;
    let leads = member.is_some_and(|member| member.role == MemberRole::Lead);
    if !leads && engineer.role != Role::Admin {
        return Err(Refusal::MemberRoleTooLow { needed: MemberRole::Lead }.into());
    }
    Ok(())
}

/// The engineer with this id, e-mail address or name. Text with an `@` is an address and nothing else, so that nobody
/// takes the place of another one by a name that looks like their address.
async fn engineer_id(
    api: &Api,
    view: &SharedView,
    caller: Caller,
    reach: Reach,
    text: &str,
) -> Result<EngineerId, ApiError> {
    if let Ok(id) = text.parse() {
        return Ok(EngineerId(id));
    }
    if text.contains('@') {
        let found = Email::parse(text).ok().and_then(|email| view.state().engineer_by_email(&email));
        let Some(found) = found.map(|engineer| engineer.id) else { return Err(no_engineer(text)) };
        let is_found = reach == Reach::Everybody || may_see(api, view, caller, found).await?;
        return if is_found { Ok(found) } else { Err(no_engineer(text)) };
    }
    let repeated: String = text.chars().take(REPEATED).collect();
    let cluster = api.cluster.clone();
    let (view, name) = (view.clone(), folded(text));
    let named = move |work: &mut WorkBudget| {
        if name.chars().count() > LONGEST_NAME {
            return Ok(Vec::new());
        }
        let (engineer, key) = caller.identity(&*cluster, view.state())?;
        let mut visible = visible_engineers(view.state(), engineer, key.project, work)?;
        visible.retain(|engineer| folded(engineer.name.as_str()) == name);
        Ok(visible.into_iter().cloned().collect())
    };
    let named: Vec<Arc<Engineer>> = api.long_reads.compute(caller.engineer, named).await?;
    match named.as_slice() {
        [only] => Ok(only.id),
        [] => Err(unknown_name(&repeated)),
        several => Err(ambiguous(&repeated, several)),
    }
}

/// Whether the caller may see an engineer, as [`visible_engineers`] has it.
async fn may_see(api: &Api, view: &SharedView, caller: Caller, other: EngineerId) -> Result<bool, ApiError> {
    let (cluster, view) = (api.cluster.clone(), view.clone());
    let is_visible = move |work: &mut WorkBudget| -> Result<bool, ApiError> {
        let state = view.state();
        let (engineer, key) = caller.identity(&*cluster, state)?;
        if engineer.id == other || (engineer.role == Role::Admin && key.project.is_none()) {
            return Ok(true);
        }
        for project in state.projects_of(engineer.id) {
            work.charge(STEPS_OF_PROJECT).map_err(too_many)?;
            let is_in_scope = key.project.is_none_or(|scope| scope == project.id);
            if is_in_scope && state.member(project.id, other).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    };
    api.long_reads.compute(caller.engineer, is_visible).await
}

/// The error for a name that nobody has whom the caller may see. It names no field: the text may be a part of the path.
fn unknown_name(name: &str) -> ApiError {
    let message =
        format!("{name} is the name of nobody whom you may see: say who by e-mail address or by id");
    let details = json!({ "engineerId": [&message] });
    ApiError { details: Some(details), ..ApiError::new(Code::ValidationError, message) }
}

/// A name as it is compared: without regard to case and to spaces around it.
fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

fn ambiguous(name: &str, several: &[Arc<Engineer>]) -> ApiError {
    let emails: Vec<&str> =
        several.iter().take(MAX_CANDIDATES).map(|engineer| engineer.email.as_str()).collect();
    let more = if several.len() > MAX_CANDIDATES { ", and others" } else { "" };
    let message = format!(
        "{name} is the name of {} engineers, {}{more}: say which one by e-mail address or id",
        several.len(),
        emails.join(", ")
    );
    let candidates: Vec<Me> =
        several.iter().take(MAX_CANDIDATES).map(|engineer| Me::from(engineer.as_ref())).collect();
    let details = json!({ "engineerId": [&message], "candidates": candidates });
    ApiError { details: Some(details), ..ApiError::new(Code::ValidationError, message) }
}

fn too_many(_: OutOfBudget) -> ApiError {
    ApiError::new(
        Code::ValidationError,
        "looking at all engineers takes more work than one request may cause: say who by e-mail address or id",
    )
}

/// The engineers whom an engineer may see, oldest first: an admin all of them, others themselves and those with whom
/// they are in a project. With a key for one project, those in that project.
pub(crate) fn visible_engineers<'a>(
    state: &'a State,
    engineer: &'a Arc<Engineer>,
    scope: Option<ProjectId>,
    work: &mut WorkBudget,
) -> Result<Vec<&'a Arc<Engineer>>, ApiError> {
    let mut visible = Vec::new();
    if engineer.role == Role::Admin && scope.is_none() {
        for other in state.engineers() {
            work.charge(STEPS_OF_ENGINEER).map_err(too_many)?;
            visible.push(other);
        }
        return Ok(visible);
    }
    let mut ids = BTreeSet::from([engineer.id]);
    let own = state.projects_of(engineer.id).map(|project| project.id);
    for project in own.filter(|project| scope.is_none_or(|scope| scope == *project)) {
        for member in state.members(project) {
            work.charge(STEPS_OF_ENGINEER).map_err(too_many)?;
            ids.insert(member.engineer);
        }
    }
    visible.extend(ids.into_iter().filter_map(|id| state.engineer(id)));
    Ok(visible)
}
