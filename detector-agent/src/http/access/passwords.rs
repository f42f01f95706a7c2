//! Basic authentication. Checking a password is made to cost time; only one is checked at a time, and
//! all of that together takes no more than a quarter of a core, so that guessing costs the host little.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;

/// Passwords known to be right; those that are used are known again at once.
const KNOWN_MAX: usize = 64;
/// So many times as long as a check took nothing is checked.
const REST: u32 = 3;
/// Of no password; checked where there is no such user, so that the time does not tell.
const NOBODY: &str = "$2b$10$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK";

pub(super) struct Passwords {
    /// Two keys of this process, so that what is remembered tells nothing and cannot be aimed at.
    keys: [RandomState; 2],
    known: Mutex<HashSet<[u64; 2]>>,
    checking: Semaphore,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            keys: Default::default(),
            known: Mutex::default(),
            checking: Semaphore::new(1),
        }
    }
}

impl Passwords {
    /// Whether the header names one of these users with the right password.
    pub(super) async fn are_right(
        &self,
        users: &BTreeMap<String, String>,
        authorization: Option<&HeaderValue>,
    ) -> bool {
        let Some((user, password)) = authorization.and_then(read) else {
            return false;
        };
        let hash = users.get(&user).map_or(NOBODY, String::as_str);
        let key = [0, 1].map(|each: usize| self.keys[each].hash_one((&user, &password, hash)));
        if self.is_known(&key) {
            return true;
        }
        let Ok(_one_at_a_time) = self.checking.acquire().await else {
            return false;
        };
        let (hash, is_user) = (hash.to_owned(), users.contains_key(&user));
        let began = Instant::now();
        let checked = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash));
        let is_right = is_user && matches!(checked.await, Ok(Ok(true)));
        if is_right {
            self.remember(key);
        } else {
            tokio::time::sleep(began.elapsed() * REST).await;
        }
        is_right
    }

    fn is_known(&self, key: &[u64; 2]) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(key)
    }

    fn remember(&self, key: [u64; 2]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key);
    }
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
