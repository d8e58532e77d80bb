//! The description of one route: its parameters, body and answers. What all routes of a kind have in common, such as
//! their errors and headers, is added here and not repeated by each.

use super::{
    kind::Kind,
    parameter::{self, Parameter},
};
use nexus_api_types::{body::Body, header as names};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Content, Header, HeaderBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Required, Response,
        ResponseBuilder, SchemaFormat,
        extensions::ExtensionsBuilder,
        path::{Operation as Described, OperationBuilder},
        request_body::RequestBodyBuilder,
        schema::{ArrayBuilder, Schema, SchemaType, Type},
        security::SecurityRequirement,
    },
};

/// Schemas with their names.
pub(crate) type Schemas = Vec<(String, RefOr<Schema>)>;

/// The description of one route.
pub(crate) struct Operation {
    kind: Kind,
    summary: &'static str,
    about: Option<&'static str>,
    query: Vec<Parameter>,
    body: Option<(RefOr<Schema>, Required)>,
    answers: Vec<(u16, &'static str, RefOr<Schema>, &'static str)>,
    /// Whether the answer shows an API key that is derived from the `Idempotency-Key`, which must then be hard to
    /// guess.
    derives_a_key: bool,
    /// Its counterpart in the command line.
    command: Option<Command>,
    /// Functions that add the referenced schemas, which are large and rarely needed.
    schemas: Vec<fn(&mut Schemas)>,
}

/// The counterpart of a route in the command line.
enum Command {
    /// The command that does the same, without `nexus`.
    Named(&'static str),
    /// Why there is none.
    None(&'static str),
}

/// The field of the OpenAPI document with the command that does the same as a route.
pub(crate) const COMMAND: &str = "x-nexus-command";
/// The field with the reason why there is no such command.
pub(crate) const NO_COMMAND: &str = "x-nexus-no-command";

impl Operation {
    /// A route that reads, with a key.
    pub(crate) fn read(summary: &'static str) -> Self {
        Self::new(Kind::Read, summary)
    }

    /// A route with a key that makes no log entry of its own: it asks this node alone, or sends a heartbeat.
    pub(crate) fn local(summary: &'static str) -> Self {
        Self::new(Kind::Local, summary)
    }

    /// A route that writes, with a key.
    pub(crate) fn write(summary: &'static str) -> Self {
        Self::new(Kind::Write, summary)
    }

    /// A route that writes, without a key.
    pub(crate) fn open(summary: &'static str) -> Self {
        Self::new(Kind::Open, summary)
    }

    /// A route without a key and without an envelope.
    pub(crate) fn bare(summary: &'static str) -> Self {
        Self::new(Kind::Bare, summary)
    }

    fn new(kind: Kind, summary: &'static str) -> Self {
        let (query, answers, schemas) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            kind,
            summary,
            about: None,
            query,
            body: None,
            answers,
            derives_a_key: false,
            command: None,
            schemas,
        }
    }

    /// Adds a description to the summary.
    pub(crate) fn about(mut self, about: &'static str) -> Self {
        self.about = Some(about);
        self
    }

    /// Names the command that does the same, without `nexus`: `feature pick SLUG`.
    pub(crate) fn command(mut self, command: &'static str) -> Self {
        self.command = Some(Command::Named(command));
        self
    }

    /// Says why no command does the same.
    pub(crate) fn without_command(mut self, reason: &'static str) -> Self {
        self.command = Some(Command::None(reason));
        self
    }

    /// Marks the answer as one with an API key that is derived from the `Idempotency-Key`.
    pub(crate) fn derives_a_key(mut self) -> Self {
        self.derives_a_key = true;
        self
    }

    /// Adds a parameter in the query.
    pub(crate) fn query(mut self, parameter: Parameter) -> Self {
        self.query.push(parameter);
        self
    }

    /// Adds the parameters of a list in pages.
    pub(crate) fn paged(self) -> Self {
        self.query(Parameter::number("limit", "The most items of a page; 50 when absent.", 1, 100))
            .query(Parameter::cursor())
    }

    /// Adds a required body. The same type documents it and reads it.
    pub(crate) fn body<T: Body>(mut self) -> Self {
        let schema = self.schema_of::<T>();
        self.body = Some((schema, Required::True));
        self
    }

    /// Adds an optional body, whose fields may all be absent.
    pub(crate) fn optional_body<T: Body>(mut self) -> Self {
        let schema = self.schema_of::<T>();
        self.body = Some((schema, Required::False));
        self
    }

    /// Adds an answer with one item.
    pub(crate) fn answers<T: ToSchema>(mut self, status: u16) -> Self {
        let schema = self.schema_of::<T>();
        self.answers.push((status, "application/json", self.enveloped(schema), "Done."));
        self
    }

    /// Adds an answer with one item or `null`.
    pub(crate) fn answers_maybe<T: ToSchema>(mut self, status: u16) -> Self {
        let schema = utoipa::openapi::OneOfBuilder::new()
            .item(self.schema_of::<T>())
            .item(ObjectBuilder::new().schema_type(Type::Null));
        self.answers.push((status, "application/json", self.enveloped(schema.into()), "Done."));
        self
    }

    /// Adds an answer with a whole list.
    pub(crate) fn answers_list<T: ToSchema>(mut self) -> Self {
        let schema = ArrayBuilder::new().items(self.schema_of::<T>());
        self.answers.push((200, "application/json", self.enveloped(schema.into()), "Done."));
        self
    }

    /// Adds an answer with a page of a list.
    pub(crate) fn answers_page<T: ToSchema>(mut self) -> Self {
        let items = ArrayBuilder::new().items(self.schema_of::<T>());
        let cursor = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("The cursor of the next page; null on the last one."));
        let page = ObjectBuilder::new()
            .property("items", items)
            .property("nextCursor", cursor)
            .property("hasMore", ObjectBuilder::new().schema_type(Type::Boolean))
            .required("items")
            .required("nextCursor")
            .required("hasMore");
        self.answers.push((200, "application/json", self.enveloped(page.into()), "Done."));
        self.paged()
    }

    /// Adds an answer without an envelope.
    pub(crate) fn answers_bare<T: ToSchema>(mut self, status: u16, meaning: &'static str) -> Self {
        let schema = self.schema_of::<T>();
        self.answers.push((status, "application/json", schema, meaning));
        self
    }

    /// Adds the errors for conflicts and for bodies to a route that only reads.
    pub(crate) fn may_conflict(mut self) -> Self {
        for (status, meaning) in [
            (409, "A path has a newer holder."),
            (413, "The body is over 1 MiB."),
            (415, "The body is not JSON."),
        ] {
            let failure = Ref::from_schema_name("Failure").into();
            self.answers.push((status, "application/json", failure, meaning));
        }
        self
    }

    /// Adds an answer with text.
    pub(crate) fn answers_text(mut self, content_type: &'static str) -> Self {
        let schema = ObjectBuilder::new().schema_type(Type::String).into();
        self.answers.push((200, content_type, schema, "Done."));
        self
    }

    /// Adds an answer with a file.
    pub(crate) fn answers_file(mut self, meaning: &'static str) -> Self {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        self.answers.push((200, "application/octet-stream", schema.into(), meaning));
        self
    }

    fn enveloped(&self, data: RefOr<Schema>) -> RefOr<Schema> {
        ObjectBuilder::new().property("data", data).required("data").into()
    }

    /// A reference to the schema of a type, which is added to the document.
    fn schema_of<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schemas.push(|schemas| {
            T::schemas(schemas);
            schemas.push((T::name().into_owned(), <T as PartialSchema>::schema()));
        });
        Ref::from_schema_name(T::name()).into()
    }

    /// The description in the form of OpenAPI. Adds the schemas that it refers to.
    pub(crate) fn finish(self, id: String, path: &str, schemas: &mut Schemas) -> Described {
        for add in &self.schemas {
            add(schemas);
        }
        let mut operation = OperationBuilder::new()
            .operation_id(Some(id))
            .summary(Some(self.summary))
            .description(self.about)
            .tag(tag(path));
        let parameters = parameter::of_path(path)
            .chain(self.query.into_iter().map(Parameter::finish))
            .chain(parameter::of_kind(self.kind, self.derives_a_key));
        for parameter in parameters {
            operation = operation.parameter(parameter);
        }
        if let Some((schema, required)) = self.body {
            let body = RequestBodyBuilder::new()
                .content("application/json", Content::new(Some(schema)))
                .required(Some(required));
            operation = operation.request_body(Some(body.build()));
        }
        for (status, content_type, schema, meaning) in self.answers {
            operation = operation.response(status.to_string(), answer(meaning, content_type, schema));
        }
        for (status, meaning) in failures(self.kind) {
            let schema = Ref::from_schema_name("Failure").into();
            operation = operation.response(status.to_string(), answer(meaning, "application/json", schema));
        }
        let command = match self.command {
            Some(Command::Named(command)) => Some((COMMAND, format!("nexus {command}"))),
            Some(Command::None(reason)) => Some((NO_COMMAND, reason.to_owned())),
            None => None,
        };
        if let Some((name, text)) = command {
            operation = operation.extensions(Some(ExtensionsBuilder::new().add(name, text).build()));
        }
        if matches!(self.kind, Kind::Local | Kind::Read | Kind::Write) {
            operation = operation.security(SecurityRequirement::new::<_, [&str; 0], &str>("apiKey", []));
        }
        operation.build()
    }
}

fn answer(meaning: &str, content_type: &str, schema: RefOr<Schema>) -> Response {
    let header = |about: &str, kind: Type| -> Header {
        let schema = ObjectBuilder::new().schema_type(kind);
        HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
    };
    ResponseBuilder::new()
        .description(meaning)
        .content(content_type, Content::new(Some(schema)))
        .header(names::REQUEST_ID, header("Finds the request in the logs.", Type::String))
        .header(names::REVISION, header("The log index that the answer reflects.", Type::Integer))
        .header(
            names::HISTORY_RESET,
            header(
                "Only on a cached answer from before the cluster was restored or recovered: the log index from which on \
                 its history is another one.",
                Type::Integer,
            ),
        )
        .build()
}

/// The errors of all routes of a kind.
fn failures(kind: Kind) -> Vec<(u16, &'static str)> {
    let common = [
        (
            400,
            "The request breaks a rule, or the status of the feature does not allow the change; `details` says which.",
        ),
        (404, "The resource does not exist."),
        (
            429,
            "There were too many requests with this key, or too many wrong keys; `Retry-After` says how long to wait.",
        ),
        (500, "A defect."),
        (503, "There is no leader or no quorum; `details.outcome` says whether it may have been applied."),
    ];
    let known = [
        (401, "The key is missing, malformed, unknown, revoked or expired."),
        (403, "The engineer or the key has no right to do this."),
    ];
    let write = [
        (409, "A name, a path or a feature is taken; `details` says by whom."),
        (413, "The body is over 1 MiB."),
        (415, "The body is not JSON."),
        (422, "The `Idempotency-Key` was used for another request."),
    ];
    match kind {
        Kind::Bare => Vec::new(),
        Kind::Open => common
            .into_iter()
            .chain([(403, "The engineer or the key has no right to do this.")])
            .chain(write)
            .collect(),
        Kind::Local | Kind::Read => common.into_iter().chain(known).collect(),
        Kind::Write => common.into_iter().chain(known).chain(write).collect(),
    }
}

/// The tag of a route: the segment after the project, or else the first one.
fn tag(path: &str) -> &str {
    let inner = path.strip_prefix("/projects/{project}/").unwrap_or_else(|| path.trim_start_matches('/'));
    inner.split('/').next().unwrap_or("projects")
}
