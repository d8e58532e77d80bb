//! Limits how many requests one key and one address may send to a node. Each node counts alone, and nothing here
//! authenticates.

use crate::{auth::ApiKeyText, failure::ApiError};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use governor::{
    NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::{StateInformationMiddleware, StateSnapshot},
    state::keyed::DefaultKeyedStateStore,
};
use nexus_api_types::Code;
use nexus_domain::{EngineerId, State, entity::KeyPrefix};
use std::{
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// Wrong keys that one address may show at once. A key has 256 random bits and cannot be guessed, but each unknown one
/// costs a request to the leader.
const FAILURES_AT_ONCE: NonZeroU32 = NonZeroU32::new(200).expect("is not zero");
/// Further wrong keys of one address per second.
const FAILURES_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("is not zero");
/// Engineers that one address may register at once without a key: enough for a department behind one address, and few
/// enough not to fill the cluster.
const REGISTRATIONS_AT_ONCE: NonZeroU32 = NonZeroU32::new(500).expect("is not zero");
/// Time until one address may register one engineer more.
const NEXT_REGISTRATION: Duration = Duration::from_secs(60);
/// Addresses, keys and engineers that are counted before inactive ones are dropped.
pub(crate) const MAX_TRACKED: usize = 10_000;

/// The remote address of a connection. The node adds it to each request as an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteAddr(pub IpAddr);

/// An extension of requests that came by TLS.
#[derive(Clone, Copy, Debug)]
pub struct Encrypted;

/// The rate limits of a node.
pub(crate) struct RateLimits {
    /// Requests per second of one key; none for no limit.
    per_key: Option<(NonZeroU32, Counts<KeyPrefix>)>,
    failures: Counts<IpAddr>,
    registrations: Counts<IpAddr>,
    clock: DefaultClock,
}

/// The known facts about an admitted request before it is handled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Admitted {
    /// The remaining requests of its key.
    pub(crate) allowance: Option<Allowance>,
    /// The engineer of its key, if this node knows the key.
    pub(crate) engineer: Option<EngineerId>,
}

/// The remaining requests of a key, for the headers of the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    limit: u32,
    remaining: u32,
    /// Time until everything is allowed again, rounded up to whole seconds.
    reset_seconds: u64,
}

impl RateLimits {
    /// Limits each key to `per_key` requests per second; none for no limit.
    pub(crate) fn new(per_key: Option<NonZeroU32>) -> Self {
        let failures = Quota::per_second(FAILURES_PER_SECOND).allow_burst(FAILURES_AT_ONCE);
        let registrations = Quota::with_period(NEXT_REGISTRATION).expect("is not zero");
        let registrations = registrations.allow_burst(REGISTRATIONS_AT_ONCE);
        let clock = DefaultClock::default();
        let counts = |limit| (limit, Counts::new(Quota::per_second(limit), clock.clone()));
        Self {
            per_key: per_key.map(counts),
            failures: Counts::new(failures, clock.clone()),
            registrations: Counts::new(registrations, clock.clone()),
            clock,
        }
    }

    /// Counts a request for its key, or for its address when this node does not know the key. Requests without a key
    /// are not counted.
    ///
    /// # Errors
    /// 429 at the limit.
    pub(crate) fn admit(
        &self,
        state: &State,
        headers: &HeaderMap,
        remote: Option<IpAddr>,
    ) -> Result<Admitted, EarlyRefusal> {
        let Some(credentials) = headers.get(header::AUTHORIZATION) else { return Ok(Admitted::default()) };
        match known_key(state, credentials) {
            Some((key, engineer)) => {
                let allowance = self.admit_key(key)?;
                Ok(Admitted { allowance, engineer: Some(engineer) })
            }
            None => match remote.map(|remote| self.count_failure(remote)) {
                Some(Err(turned_away)) => Err(turned_away),
                Some(Ok(())) | None => Ok(Admitted::default()),
            },
        }
    }

    fn admit_key(&self, key: KeyPrefix) -> Result<Option<Allowance>, EarlyRefusal> {
        let Some((limit, counts)) = &self.per_key else { return Ok(None) };
        let limit = limit.get();
        match counts.count(&key) {
            Ok(snapshot) => {
                let remaining = snapshot.remaining_burst_capacity();
                // Used requests are regained evenly, at the limit per second.
                let reset_seconds = u64::from(remaining < limit);
                Ok(Some(Allowance { limit, remaining, reset_seconds }))
            }
            Err(refused) => {
                let wait = self.seconds_until(&refused);
                let message = format!(
                    "this key asks more than {limit} times a second of this node; slow down, then try again"
                );
                let allowance = Some(Allowance { limit, remaining: 0, reset_seconds: wait });
                Err(EarlyRefusal { error: limited(message, wait), allowance })
            }
        }
    }

    fn count_failure(&self, addr: IpAddr) -> Result<(), EarlyRefusal> {
        self.failures.count(&network(addr)).map(|_| ()).map_err(|refused| {
            let wait = self.seconds_until(&refused);
            let error = limited("too many wrong API keys from this address; check the key".to_owned(), wait);
            let limit = FAILURES_PER_SECOND.get();
            EarlyRefusal { error, allowance: Some(Allowance { limit, remaining: 0, reset_seconds: wait }) }
        })
    }

    /// Counts the registration of an engineer without a key.
    ///
    /// # Errors
    /// 429 when the address has registered too many.
    pub(crate) fn admit_registration(&self, remote: Option<IpAddr>) -> Result<(), ApiError> {
        let from = network(remote.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        self.registrations.count(&from).map(drop).map_err(|refused| {
            let message = "too many engineers were registered from this address; wait, or let an admin register \
                           them with their key";
            limited(message.to_owned(), self.seconds_until(&refused))
        })
    }

    fn seconds_until(&self, refused: &NotUntil<<DefaultClock as Clock>::Instant>) -> u64 {
        seconds(refused.wait_time_from(self.clock.now()))
    }
}

/// Counts requests by key or address, for a bounded number of them.
struct Counts<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    limiter: RateLimiter<K, DefaultKeyedStateStore<K>, C, StateInformationMiddleware>,
    /// Requests counted so far.
    counted: AtomicUsize,
}

impl<K: Hash + Eq + Clone, C: Clock> Counts<K, C> {
    fn new(quota: Quota, clock: C) -> Self {
        let limiter = RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock);
        Self { limiter, counted: AtomicUsize::new(0) }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// When the limit is exceeded.
    fn count(&self, whose: &K) -> Result<StateSnapshot, NotUntil<C::Instant>> {
        if self.is_time_to_forget() && self.limiter.len() > MAX_TRACKED {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(whose)
    }

    /// Whether inactive entries should be dropped now. That iterates over all entries, so it is done once per
    /// [`MAX_TRACKED`] requests. At most twice as many entries are kept, in addition to active ones.
    fn is_time_to_forget(&self) -> bool {
        (self.counted.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(MAX_TRACKED)
    }
}

/// A request that was refused before it reached a handler.
pub(crate) struct EarlyRefusal {
    pub(crate) error: ApiError,
    pub(crate) allowance: Option<Allowance>,
}

impl Allowance {
    /// Adds the headers to an answer (IETF draft-ietf-httpapi-ratelimit-headers-06).
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        headers.insert(HeaderName::from_static("ratelimit-limit"), self.limit.into());
        headers.insert(HeaderName::from_static("ratelimit-remaining"), self.remaining.into());
        headers.insert(HeaderName::from_static("ratelimit-reset"), self.reset_seconds.into());
        if let Ok(policy) = HeaderValue::from_str(&format!("{};w=1", self.limit)) {
            headers.insert(HeaderName::from_static("ratelimit-policy"), policy);
        }
    }
}

/// The client's address. Behind a trusted proxy it is the last one that the proxy names, which is the one that it saw
/// itself.
pub(crate) fn remote_addr(
    connection: Option<&RemoteAddr>,
    headers: &HeaderMap,
    trust_proxy: bool,
) -> Option<IpAddr> {
    let named = || {
        let list = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
        list.rsplit(',').next()?.trim().parse().ok()
    };
    trust_proxy.then(named).flatten().or_else(|| connection.map(|addr| addr.0))
}

/// The engineer of the key in the headers, if the state has it.
pub(crate) fn known_engineer(state: &State, headers: &HeaderMap) -> Option<EngineerId> {
    known_key(state, headers.get(header::AUTHORIZATION)?).map(|(_, engineer)| engineer)
}

/// The lookup prefix and the engineer of a key, if there is such a key. The prefix is part of the key's SHA-256, so
/// only a holder of the key can use up its allowance.
fn known_key(state: &State, credentials: &HeaderValue) -> Option<(KeyPrefix, EngineerId)> {
    let prefix = ApiKeyText::shown(credentials)?.prefix();
    state.api_key(prefix).map(|key| (key.prefix, key.engineer))
}

/// The address to count. An IPv6 network of 64 bits counts as one address, since a host usually has all of it.
pub fn network(addr: IpAddr) -> IpAddr {
    match addr {
        IpAddr::V4(_) => addr,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
}

fn limited(message: String, wait_seconds: u64) -> ApiError {
    let retry_after = Some(u32::try_from(wait_seconds).unwrap_or(u32::MAX));
    ApiError { retry_after, ..ApiError::new(Code::RateLimited, message) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn from(addr: &str) -> RemoteAddr {
        RemoteAddr(addr.parse().unwrap())
    }

    #[test]
    fn a_forwarded_address_counts_only_behind_a_trusted_proxy() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6, 9.9.9.9"));
        let proxy = from("10.0.0.1");
        assert_eq!(remote_addr(Some(&proxy), &headers, false), Some(proxy.0));
        assert_eq!(remote_addr(Some(&proxy), &headers, true), Some("9.9.9.9".parse().unwrap()));
        assert_eq!(remote_addr(Some(&proxy), &HeaderMap::new(), true), Some(proxy.0));
    }

    #[test]
    fn an_address_with_too_many_wrong_keys_must_wait_and_others_need_not() {
        let limits = RateLimits::new(None);
        let refused =
            (0..=FAILURES_AT_ONCE.get()).find_map(|_| limits.count_failure(from("10.0.0.1").0).err());
        let refused = refused.unwrap();
        assert!(refused.allowance.is_some());
        assert_eq!((refused.error.code, refused.error.retry_after), (Code::RateLimited, Some(1)));
        assert!(limits.count_failure(from("10.0.0.2").0).is_ok());
    }

    #[test]
    fn an_address_that_registered_many_waits_and_others_do_not() {
        let limits = RateLimits::new(None);
        let admitted = |addr: &str| limits.admit_registration(Some(from(addr).0));
        for _ in 0..REGISTRATIONS_AT_ONCE.get() {
            assert!(admitted("2001:db8::1").is_ok());
        }
        let refused = admitted("2001:db8::2").unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::RateLimited, Some(60)));
        assert!(admitted("10.0.0.2").is_ok());
    }

    #[test]
    fn an_idle_bucket_is_deleted_and_not_searched_with_every_request() {
        let clock = FakeRelativeClock::default();
        let quota = Quota::per_second(NonZeroU32::new(10).unwrap());
        let counts = Counts::<usize, _>::new(quota, clock.clone());
        for whose in 0..2 * MAX_TRACKED - 1 {
            assert!(counts.count(&whose).is_ok());
        }
        clock.advance(Duration::from_secs(1));
        assert_eq!(counts.limiter.len(), 2 * MAX_TRACKED - 1, "nobody looked");
        assert!(counts.count(&0).is_ok());
        assert_eq!(counts.limiter.len(), 1);

        let busy = Counts::<usize, _>::new(quota, clock);
        let looks = (0..10 * MAX_TRACKED).filter(|_| busy.is_time_to_forget()).count();
        assert_eq!(looks, 10, "a look costs as much as so many requests, and comes as seldom");
    }

    #[test]
    fn all_addresses_of_one_network_count_as_one() {
        assert_eq!(network(from("2001:db8::1").0), network(from("2001:db8::2").0));
        assert_ne!(network(from("2001:db8::1").0), network(from("2001:db8:0:1::1").0));
        assert_eq!(network(from("::ffff:10.0.0.1").0), from("10.0.0.1").0);
    }
}
