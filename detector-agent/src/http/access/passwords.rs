//! Basic authentication. Checking a password is made to cost time; only one is checked at a time, and
//! all of that together takes no more than a quarter of a core, so that guessing costs the host little.

use crate::http::Meter;
use crate::lock::lock;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Passwords known to be right; those that are used are known again at once.
const KNOWN_MAX: usize = 64;
/// So many times as long as a check took nothing is checked.
const REST: u32 = 3;
/// What comes after so many bytes of a password means nothing to bcrypt.
const PASSWORD_BYTES: usize = 72;

pub(super) struct Passwords {
    /// Two keys of this process, so that what is remembered tells nothing and cannot be aimed at.
    keys: [RandomState; 2],
    known: Mutex<HashSet<[u64; 2]>>,
    checking: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            keys: Default::default(),
            known: Mutex::default(),
            checking: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Passwords {
    /// Whether the header names one of these users with the right password.
    pub(super) async fn are_right(
        &self,
        users: &BTreeMap<String, String>,
        authorization: Option<&HeaderValue>,
        meter: &Arc<Meter>,
    ) -> bool {
        let Some((user, password)) = authorization.and_then(read) else {
            return false;
        };
        let of_user = users.get(&user);
        let is_user = of_user.is_some();
        let Some(hash) = of_user.or_else(|| self.of_somebody_else(users, &user)) else {
            return false;
        };
        let bytes = password.as_bytes();
        let bytes = bytes.get(..PASSWORD_BYTES).unwrap_or(bytes);
        let key = [0, 1].map(|each: usize| self.keys[each].hash_one((&user, bytes, hash)));
        if self.is_known(&key) {
            return true;
        }
        let Ok(turn) = Arc::clone(&self.checking).acquire_owned().await else {
            return false;
        };
        let (hash, meter) = (hash.clone(), Arc::clone(meter));
        let is_right = move || {
            let checked = meter.time(|| bcrypt::verify(password, &hash));
            // Whoever is no user is refused as one whose password is wrong: after as long a rest.
            checked.is_ok_and(|is_right| is_right) && is_user
        };
        // A task of its own: whoever hangs up meanwhile does not end it, and gets nobody the next turn.
        let checked = tokio::spawn(check(turn, is_right)).await;
        let is_right = checked.unwrap_or(false);
        if is_right {
            self.remember(key);
        }
        is_right
    }

    /// The hash for a name that is no user's, always the same one, so that the time does not tell: where
    /// hashes cost unlike times, other names cost them, too.
    fn of_somebody_else<'a>(
        &self,
        users: &'a BTreeMap<String, String>,
        name: &str,
    ) -> Option<&'a String> {
        let count = u64::try_from(users.len()).ok()?;
        let chosen = self.keys[0].hash_one(name).checked_rem(count)?;
        users.values().nth(usize::try_from(chosen).ok()?)
    }

    fn is_known(&self, key: &[u64; 2]) -> bool {
        lock(&self.known).contains(key)
    }

    fn remember(&self, key: [u64; 2]) {
        let mut known = lock(&self.known);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key);
    }
}

/// Takes its turn, and a rest after what is wrong.
async fn check(
    turn: OwnedSemaphorePermit,
    is_right: impl FnOnce() -> bool + Send + 'static,
) -> bool {
    let began = Instant::now();
    let is_right = matches!(tokio::task::spawn_blocking(is_right).await, Ok(true));
    if !is_right {
        tokio::time::sleep(began.elapsed() * REST).await;
    }
    drop(turn);
    is_right
}

/// User and password of `Basic …`.
fn read(header: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Passwords, STANDARD};
    use crate::http::Meter;
    use base64::Engine as _;
    use hyper::header::HeaderValue;
    use std::collections::{BTreeMap, BTreeSet};
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::task::Poll;
    use std::time::Duration;
    use tokio::time::Instant;

    fn basic(pair: &str) -> HeaderValue {
        HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).unwrap()
    }

    /// In the event loop's time, which stands still but for rests.
    #[tokio::test(start_paused = true)]
    async fn who_is_no_user_waits_as_long_as_for_a_wrong_password() {
        let right = "right".repeat(20);
        let hash = bcrypt::hash(&right, 4).unwrap();
        let users = BTreeMap::from([("ann".to_owned(), hash)]);
        let passwords = Passwords::default();
        let meter = Arc::new(Meter::default());
        for (user, password, is_right) in [
            ("ann", right.as_str(), true),
            ("ann", "wrong", false),
            ("bob", &right, false),
            ("bob", "wrong", false),
            ("ann", &format!("{right} and more"), true),
        ] {
            let guess = basic(&format!("{user}:{password}"));
            let began = Instant::now();
            let is_admitted = passwords.are_right(&users, Some(&guess), &meter).await;
            assert_eq!(is_admitted, is_right, "{user}:{password}");
            assert_eq!(began.elapsed().is_zero(), is_right, "{user}:{password}");
        }
        // Of what is one password to bcrypt one is known.
        assert_eq!(passwords.known.lock().unwrap().len(), 1);
    }

    /// Each hash has a time of its own.
    #[test]
    fn names_that_are_no_users_share_the_hashes_of_all() {
        let passwords = Passwords::default();
        let users = ["ann", "bob", "eve"].map(|name| (name.to_owned(), format!("{name}'s")));
        let users = BTreeMap::from(users);
        let of = |name: u32| passwords.of_somebody_else(&users, &name.to_string());
        let all: BTreeSet<_> = (0..1_000).filter_map(of).collect();
        assert_eq!(all.len(), users.len());
        assert!((0..1_000).all(|name| of(name) == of(name)));
        assert_eq!(passwords.of_somebody_else(&BTreeMap::new(), "ann"), None);
    }

    /// As if the client hung up.
    #[tokio::test]
    async fn who_hangs_up_takes_his_turn_to_its_end() {
        let hash = bcrypt::hash("right", 11).unwrap();
        let users = BTreeMap::from([("ann".to_owned(), hash)]);
        let passwords = Passwords::default();
        let meter = Arc::new(Meter::default());
        for guess in ["ann:wrong", "bob:right"] {
            let guess = basic(guess);
            // Hangs up after the first turn.
            let mut asked = Box::pin(passwords.are_right(&users, Some(&guess), &meter));
            let waits = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context).is_pending()));
            assert!(waits.await, "checked at once");
            drop(asked);
            assert_eq!(passwords.checking.available_permits(), 0);
            // The next one waits for it.
            drop(passwords.checking.acquire().await.unwrap());
        }
        let guessed = meter.used();
        // Nobody checks a password in less: it is made to cost time.
        assert!(guessed > Duration::from_millis(2), "{guessed:?}");
        let right = basic("ann:right");
        for _ in 0..2 {
            assert!(passwords.are_right(&users, Some(&right), &meter).await);
        }
        assert!(meter.used() > guessed);
    }
}
