//! The server side of the protocol. It keeps no state between two messages, so any node can answer the next one.

use crate::{
    port::{Port, ToolPermit},
    refusal, resources, tools,
};
use futures::FutureExt;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, Implementation, ListResourceTemplatesResult,
        ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
        ReadResourceResponse, ReadResourceResult, ResourceContents, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use std::{panic::AssertUnwindSafe, sync::Arc};

/// The instructions that a model gets first.
const INSTRUCTIONS: &str = "Several agents work in this repository. Pick a feature before you edit; its files are then yours alone. \
Do not write files that others hold: take other work instead. Record with learn what others should know, save with checkpoint how far you are, \
and finish with done.";

/// A server of tools for one agent in one project.
#[derive(Clone)]
pub struct Server {
    port: Arc<dyn Port>,
    version: &'static str,
}

impl Server {
    /// A server that reaches its project through `port`. `version` is that of the program.
    pub fn new(port: impl Port, version: &'static str) -> Self {
        Self { port: Arc::new(port), version }
    }

    /// Waits for the permit of a request, unless its client disconnects first.
    async fn permit(&self, context: &RequestContext<RoleServer>) -> Result<ToolPermit, ErrorData> {
        let permit = until_cancelled(context, self.port.tool_permit()).await?;
        permit.map_err(|failure| ErrorData::internal_error(refusal::explain(&failure), None))
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("nexus", self.version).with_title("Nexus"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::TOOLS.clone()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::TOOLS.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let _permit = self.permit(&context).await?;
        let called = tools::call(&*self.port, &request.name, request.arguments.unwrap_or_default());
        let called = if tools::is_read_only(&request.name) {
            until_cancelled(&context, called).await?
        } else {
            // A tool that changes something runs to its end, even if the client disconnects.
            answered(called).await?
        };
        let result = called.ok_or_else(|| ErrorData::invalid_params(no_tool(&request.name), None))?;
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let _permit = self.permit(&context).await?;
        let listed = until_cancelled(&context, resources::list(&*self.port)).await?;
        let listed = listed.map_err(|failure| ErrorData::internal_error(refusal::explain(&failure), None))?;
        Ok(ListResourcesResult::with_all_items(listed))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri;
        let _permit = self.permit(&context).await?;
        match until_cancelled(&context, resources::read(&*self.port, &uri)).await? {
            Ok(Some((text, mime_type))) => {
                let contents = ResourceContents::text(text, uri).with_mime_type(mime_type);
                Ok(ReadResourceResult::new(vec![contents]).into())
            }
            Ok(None) => Err(ErrorData::resource_not_found(
                format!(
                    "there is no resource {uri:.200}: each feature has nexus://features/SLUG/spec and …/learnings"
                ),
                None,
            )),
            Err(failure) => Err(ErrorData::resource_not_found(refusal::explain(&failure), None)),
        }
    }
}

/// The text for a host that calls a tool which does not exist.
fn no_tool(name: &str) -> String {
    let known: Vec<&str> = tools::TOOLS.iter().map(|tool| &*tool.name).collect();
    format!("there is no tool {name:.100}: the tools are {}", known.join(", "))
}

/// Runs a read, until its client disconnects.
async fn until_cancelled<T>(
    context: &RequestContext<RoleServer>,
    work: impl Future<Output = T>,
) -> Result<T, ErrorData> {
    let left = || ErrorData::internal_error("the client is gone", None);
    context.ct.run_until_cancelled(answered(work)).await.ok_or_else(left)?
}

/// Turns a panic into an error: the library would leave the client without an answer.
async fn answered<T>(work: impl Future<Output = T>) -> Result<T, ErrorData> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|_| ErrorData::internal_error("Nexus could not answer this, because of a defect of its own: tell an engineer; the server's log says more", None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_too() {
        let panics = async { panic!("on purpose, in a test") };
        let answer: Result<(), ErrorData> = answered(panics).await;
        assert!(answer.is_err_and(|error| error.message.contains("defect")));
    }
}
