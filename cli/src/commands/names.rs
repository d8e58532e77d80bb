//! Names for the ids of engineers.

use crate::{client::Request, context::Context, error::Error};
use nexus_api_types::project::ProjectDetail;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Engineers by id.
#[derive(Default)]
pub(super) struct Names(BTreeMap<Uuid, String>);

impl Names {
    /// The members of a project.
    pub(super) async fn of_project(context: &Context<'_>, project: Uuid) -> Result<Self, Error> {
        let answer = context.client.send(Request::get(format!("/projects/{project}"))).await?;
        let detail: ProjectDetail = answer.parse()?;
        let names =
            detail.members.into_iter().map(|member| (member.engineer_id, crate::text::plain(&member.name)));
        Ok(Self(names.collect()))
    }

    /// Remembers the name of an engineer.
    pub(super) fn know(&mut self, id: Uuid, name: &str) {
        self.0.insert(id, name.to_owned());
    }

    /// The name, or the id of somebody who is not in the project any more.
    pub(super) fn name(&self, id: Uuid) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }
}
