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
    ($($(#[doc = $doc:literal])* $variant:ident = $text:literal, $status:literal;)+) => {
        /// A stable error code.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $doc])* #[serde(rename = $text)] $variant,)+
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
            /// All codes of this version, each with its meaning, in the order of their status.
            pub const ALL: &[(Self, &str)] = &[$((Self::$variant, concat!($($doc),*))),+];

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
    /// A feature cannot change from its status to the requested one.
    InvalidStatusTransition = "INVALID_STATUS_TRANSITION", 400;
    /// The request has no key.
    Unauthorized = "UNAUTHORIZED", 401;
    /// The key is malformed, unknown, revoked or expired.
    InvalidApiKey = "INVALID_API_KEY", 401;
    /// The caller may not do that.
    Forbidden = "FORBIDDEN", 403;
    /// The caller is no member of the project.
    NotProjectMember = "NOT_PROJECT_MEMBER", 403;
    /// The role of the caller does not allow it.
    InsufficientRole = "INSUFFICIENT_ROLE", 403;
    /// There is no such item, or no such route.
    NotFound = "NOT_FOUND", 404;
    /// The route has no such method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405;
    /// The name is taken.
    AlreadyExists = "ALREADY_EXISTS", 409;
    /// Another session holds a path.
    FileAlreadyClaimed = "FILE_ALREADY_CLAIMED", 409;
    /// Another session works on the feature.
    FeatureAlreadyClaimed = "FEATURE_ALREADY_CLAIMED", 409;
    /// A newer holder took one of the paths.
    StaleFence = "STALE_FENCE", 409;
    /// The body is over 1 MiB.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", 413;
    /// The body is no JSON.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415;
    /// The idempotency key was used for another request.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED", 422;
    /// The key or the address sent too many requests.
    RateLimited = "RATE_LIMITED", 429;
    /// A defect of Nexus, which the log of the node describes.
    InternalError = "INTERNAL_ERROR", 500;
    /// There is no leader or no quorum; `details.outcome` says whether it may have been applied.
    ServiceUnavailable = "SERVICE_UNAVAILABLE", 503;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
