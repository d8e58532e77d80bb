//! The stable error codes and their HTTP status.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal;)+) => {
        /// A stable error code.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)+
            /// A code that a newer server knows.
            #[serde(other, rename = "UNKNOWN")]
            Unknown,
        }

        impl PartialSchema for Code {
            fn schema() -> RefOr<Schema> {
                let codes = [$($text,)+];
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes)).into()
            }
        }

        impl ToSchema for Code {}

        impl Code {
            /// The code as it stands in answers.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown => "UNKNOWN",
                }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)+
                    Self::Unknown => 500,
                }
            }
        }
    };
}

codes! {
    /// The request breaks a rule; `details` says which, per field.
    ValidationError = "VALIDATION_ERROR", 400;
    /// A feature cannot go from where it is to there.
    InvalidStatusTransition = "INVALID_STATUS_TRANSITION", 400;
    /// No key was given.
    Unauthorized = "UNAUTHORIZED", 401;
    /// The key is malformed, unknown, revoked or expired.
    InvalidApiKey = "INVALID_API_KEY", 401;
    /// Not allowed.
    Forbidden = "FORBIDDEN", 403;
    /// Not in the project.
    NotProjectMember = "NOT_PROJECT_MEMBER", 403;
    /// Allowed to others only.
    InsufficientRole = "INSUFFICIENT_ROLE", 403;
    /// No such thing, or no such route.
    NotFound = "NOT_FOUND", 404;
    /// No such method on this route.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405;
    /// Taken.
    AlreadyExists = "ALREADY_EXISTS", 409;
    /// Somebody else holds a path.
    FileAlreadyClaimed = "FILE_ALREADY_CLAIMED", 409;
    /// Somebody works on it already.
    FeatureAlreadyClaimed = "FEATURE_ALREADY_CLAIMED", 409;
    /// A newer holder took it.
    StaleFence = "STALE_FENCE", 409;
    /// The body is over 1 MiB.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", 413;
    /// The body is no JSON.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415;
    /// The same key with another request.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED", 422;
    /// Too many requests.
    RateLimited = "RATE_LIMITED", 429;
    /// A defect.
    InternalError = "INTERNAL_ERROR", 500;
    /// No leader or no quorum; `details.outcome` says whether it may have been applied.
    ServiceUnavailable = "SERVICE_UNAVAILABLE", 503;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
