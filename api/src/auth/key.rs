//! API keys: `nexus_eng_` and 256 random bits in hexadecimal. A key is shown once; only its Argon2id hash and a lookup
//! prefix are stored.

use crate::{failure::ApiError, mint::Mint};
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use axum::http::HeaderValue;
use nexus_domain::{
    command::NewApiKey,
    entity::{KeyPrefix, TokenDigest},
    ids::KeyId,
    short_text::{IdempotencyKey, Label},
};
use sha2::{Digest, Sha256};

/// The prefix of every API key.
const SCHEME: &str = "nexus_eng_";
/// Length of an API key in characters.
const KEY_LENGTH: usize = 74;
/// The prefix of every join token.
const TOKEN_SCHEME: &str = "nexus_join_";
/// The prefix of every ticket.
const TICKET_SCHEME: &str = "nexus_ticket_";
/// Least number of hexadecimal digits of an idempotency key from which an API key is derived: 128 bits, as in a UUID.
/// A client that guesses the idempotency key of a registration gets the API key, since the route needs no key.
const MIN_DERIVING_DIGITS: usize = 32;
/// Least number of different digits among them. Random ones have fewer less than once in ten million times, and counted
/// numbers have few.
const MIN_DIFFERENT_DIGITS: usize = 8;

/// OWASP's recommendation with the least memory (m = 7 MiB, t = 5, p = 1). A key has 256 random
/// bits and cannot be guessed whatever the hash costs; the parameters only have to be respectable,
/// and the memory small, since it is taken on every node for every key.
fn argon2() -> Argon2<'static> {
    let params = Params::new(7 * 1024, 5, 1, None).expect("the parameters are within Argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// A well-formed key with its SHA-256, by which requests are authenticated.
#[derive(Clone)]
pub(crate) struct ApiKeyText {
    text: String,
    digest: [u8; 32],
}

impl ApiKeyText {
    /// Parses a key. It need not exist.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let random = text.strip_prefix(SCHEME)?;
        let hex = random.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (text.len() == KEY_LENGTH && hex).then(|| Self::of(text.to_owned()))
    }

    /// The key in `Authorization: Bearer`, if it is well-formed.
    pub(crate) fn shown(credentials: &HeaderValue) -> Option<Self> {
        let (scheme, key) = credentials.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") { Self::parse(key.trim()) } else { None }
    }

    fn of(text: String) -> Self {
        let digest = Sha256::digest(text.as_bytes()).into();
        Self { text, digest }
    }

    /// The SHA-256 of the key.
    pub(crate) const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The prefix by which the stored key is found.
    pub(crate) fn prefix(&self) -> KeyPrefix {
        KeyPrefix(u64::from_be_bytes(self.digest[..8].try_into().expect("a digest has 32 bytes")))
    }

    /// Whether this key has that hash. Takes about 20 ms and 7 MiB, so it must not run on an async thread.
    pub(crate) fn verify(&self, hash: &str) -> bool {
        PasswordHash::new(hash)
            .is_ok_and(|hash| argon2().verify_password(self.text.as_bytes(), &hash).is_ok())
    }

    /// The text, to be shown once.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// A new key that is not stored yet.
pub(crate) struct NewKey {
    /// The key itself.
    pub(crate) text: ApiKeyText,
    /// The salt that it was derived with, if a retry of the request has to show it again.
    pub(crate) salt: Option<[u8; 16]>,
}

impl NewKey {
    /// Refuses an idempotency key that could be guessed, such as one that is made of an e-mail address: a client that
    /// guesses it gets the API key.
    ///
    /// # Errors
    /// 400. The message names the accepted form: a UUID, or at least as many hexadecimal digits.
    pub(crate) fn check(idempotency: Option<&IdempotencyKey>) -> Result<(), ApiError> {
        match idempotency {
            Some(key) if !is_hard_to_guess(key) => Err(ApiError::field(
                "Idempotency-Key",
                format_args!(
                    "must be a random UUID here, or at least {MIN_DERIVING_DIGITS} random hexadecimal digits: \
                     whoever guesses it is shown the API key"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Makes a key. With a client's idempotency key, it is derived from that and a random salt. The salt is kept with
    /// the answer, so that a retry shows the same key, although the cluster does not store it and cannot show it
    /// without the idempotency key.
    pub(crate) fn mint(mint: &dyn Mint, idempotency: Option<&IdempotencyKey>) -> Self {
        let secret = mint.secret();
        match idempotency {
            Some(key) => {
                let salt: [u8; 16] = secret[..16].try_into().expect("a secret has 32 bytes");
                Self { text: derive(key, &salt), salt: Some(salt) }
            }
            None => Self::of_secret(secret),
        }
    }

    /// The key that the first answer to this request showed.
    pub(crate) fn shown_first(
        self,
        idempotency: Option<&IdempotencyKey>,
        salt: Option<[u8; 16]>,
    ) -> ApiKeyText {
        match (idempotency, salt) {
            (Some(key), Some(salt)) => derive(key, &salt),
            _ => self.text,
        }
    }

    /// The key that has these 256 bits.
    pub(crate) fn of_secret(secret: [u8; 32]) -> Self {
        Self { text: ApiKeyText::of(format!("{SCHEME}{}", hex::encode(secret))), salt: None }
    }

    /// The record that is stored of the key. Hashing takes about 20 ms, so this must not run on an async thread.
    pub(crate) fn record(&self, id: KeyId, label: Label, salt: [u8; 16]) -> Result<NewApiKey, ApiError> {
        let hash = argon2()
            .hash_password_with_salt(self.text.text.as_bytes(), &salt)
            .map_err(|error| ApiError::internal(&error))?;
        Ok(NewApiKey {
            id,
            prefix: self.text.prefix(),
            hash: hash.to_string().into(),
            label,
            expires_at: None,
            project: None,
            readonly: false,
        })
    }
}

fn is_hard_to_guess(key: &IdempotencyKey) -> bool {
    let (mut digits, mut different) = (0, 0_u16);
    for letter in key.as_str().chars().filter(|letter| *letter != '-') {
        let Some(digit) = letter.to_digit(16) else { return false };
        digits += 1;
        different |= 1 << digit;
    }
    digits >= MIN_DERIVING_DIGITS && different.count_ones() as usize >= MIN_DIFFERENT_DIGITS
}

fn derive(key: &IdempotencyKey, salt: &[u8; 16]) -> ApiKeyText {
    let mut hash = Sha256::new();
    hash.update(b"nexus api key v1");
    hash.update(salt);
    hash.update(key.as_str().as_bytes());
    ApiKeyText::of(format!("{SCHEME}{}", hex::encode(hash.finalize())))
}

/// A secret that a retry of the same request can show again, although it is not stored: it is derived from the request
/// and from the API key of the request, whose 256 random bits only its owner has.
pub(crate) fn derive_secret(
    key_digest: &[u8; 32],
    fingerprint: u64,
    idempotency: &IdempotencyKey,
) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"nexus token v1");
    hash.update(key_digest);
    hash.update(fingerprint.to_be_bytes());
    hash.update(idempotency.as_str().as_bytes());
    hash.finalize().into()
}

/// A ticket for one event socket, of 256 random bits.
pub(crate) fn ticket(secret: [u8; 32]) -> String {
    format!("{TICKET_SCHEME}{}", hex::encode(secret))
}

/// A join token of 256 random bits.
pub(crate) fn join_token(secret: [u8; 32]) -> String {
    format!("{TOKEN_SCHEME}{}", hex::encode(secret))
}

/// The digest that is stored of a ticket, a join token or a bootstrap token.
pub fn token_digest(token: &str) -> TokenDigest {
    TokenDigest(Sha256::digest(token.trim().as_bytes()).into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mint::SystemMint;

    #[test]
    fn a_key_has_74_characters_and_matches_its_own_hash_alone() {
        let key = NewKey::mint(&SystemMint, None);
        let other = NewKey::mint(&SystemMint, None);
        assert_eq!(key.text.text.len(), KEY_LENGTH);
        let record = key.record(KeyId::MIN, Label::parse("first").unwrap(), [7; 16]).unwrap();
        assert!(record.hash.starts_with("$argon2id$"), "{}", record.hash);
        assert!(key.text.verify(&record.hash));
        assert!(!other.text.verify(&record.hash));
    }

    #[test]
    fn a_retry_with_the_same_idempotency_key_shows_the_same_key() {
        let idempotency = IdempotencyKey::parse("0198c0de-0000-7000-8000-000000000001").unwrap();
        let first = NewKey::mint(&SystemMint, Some(&idempotency));
        let retry = NewKey::mint(&SystemMint, Some(&idempotency));
        assert_ne!(first.text.text, retry.text.text);
        assert_eq!(retry.shown_first(Some(&idempotency), first.salt).text, first.text.text);
    }

    #[test]
    fn an_api_key_is_derived_from_no_idempotency_key_that_can_be_guessed() {
        let is_taken = |text: &str| NewKey::check(Some(&IdempotencyKey::parse(text).unwrap())).is_ok();
        for random in [
            "0198c3a7-5e1f-7b42-9d06-c8f2ae71b354",
            "5F0C9A1E7B3D48626D1E0F9B8A7C5432",
            "9b2f7c81d4e06a35f8c1729be04d63a59b2f7c81d4e06a35f8c1729be04d63a5",
        ] {
            assert!(is_taken(random), "{random}");
        }
        for guessable in [
            "register-ana@example.com",
            "register-ana-example-com-first-laptop",
            "00000000-0000-0000-0000-000000000001",
            "1234567",
            "20261126-20261126-20261126-20261126",
            "0198c3a7-5e1f-7b42",
        ] {
            assert!(!is_taken(guessable), "{guessable}");
        }
        assert!(NewKey::check(None).is_ok(), "without one, a key is shown once");
    }

    #[test]
    fn only_the_exact_form_is_a_key() {
        let good = format!("{SCHEME}{}", "0a".repeat(32));
        assert!(ApiKeyText::parse(&good).is_some());
        for bad in ["", "nexus_eng_", &good[1..], &good.to_uppercase(), &format!("{good}0")] {
            assert!(ApiKeyText::parse(bad).is_none(), "{bad}");
        }
    }
}
