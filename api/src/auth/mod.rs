//! Who asks: API keys, how they are made, kept and recognised.
//!
//! - [`key`]: the key itself and what is stored instead of it.
//! - [`verifier`]: recognises a key, with Argon2 once per key and node.
//! - [`caller`]: the engineer behind a request.

mod caller;
mod key;
mod verifier;

pub(crate) use caller::{Caller, authenticate, authenticate_with_key, session_header};
pub use key::token_digest;
pub(crate) use key::{ApiKeyText, NewKey, derive_secret, join_token, ticket};
pub use verifier::Verifier;
