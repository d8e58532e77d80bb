//! API keys: how they are made, stored and verified.
//!
//! - [`key`]: the key, and the record that is stored of it.
//! - [`verifier`]: verifies keys, with Argon2 once per key and node.
//! - [`caller`]: authenticates requests.

mod caller;
mod key;
mod verifier;

pub(crate) use caller::{Caller, authenticate, authenticate_with_key, session_header};
pub use key::token_digest;
pub(crate) use key::{ApiKeyText, NewKey, derive_secret, join_token, ticket};
pub use verifier::Verifier;
