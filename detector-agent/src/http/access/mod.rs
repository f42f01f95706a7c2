//! Who may fetch the metrics, and how: TLS and basic authentication, as `--web.config.file` has them.
//!
//! In: the file, and the certificate and key that it names, read again once they have changed, and over
//! and over while that fails; what is wrong is logged, and the old ones stay, but for users: those of a file
//! that can be read count whatever comes of the rest. Out: an acceptor for each connection, and whether a
//! request may pass.

mod file;
mod passwords;
mod tls;

use super::meter::Meter;
use crate::lock::lock;
use crate::privilege::files::explain;
use detector_api::time::rfc3339;
use hyper::header::HeaderValue;
use passwords::Passwords;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tls::Tls;
use tokio_rustls::TlsAcceptor;

/// How often a change is looked for, while connections or requests come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is wrong with the file, or with what it names.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {message}", path = path.display())]
pub(crate) struct AccessError {
    path: PathBuf,
    message: String,
}

impl AccessError {
    fn new(path: &Path, message: impl ToString) -> Self {
        Self {
            path: path.to_owned(),
            message: message.to_string(),
        }
    }
}

/// See the module.
pub(crate) struct Access {
    file: PathBuf,
    state: Mutex<State>,
    passwords: Passwords,
}

struct State {
    rules: Rules,
    looked: Instant,
    is_expiry_told: bool,
    /// Why it was not read again, as was told.
    refusal: Option<String>,
}

/// Hashes by user.
type Users = BTreeMap<String, String>;

/// What is in force.
struct Rules {
    tls: Option<Tls>,
    /// `None` if nobody is asked; once somebody is, nobody passes who is not among them.
    users: Option<Arc<Users>>,
    /// The files, and how they were when all was well with them.
    stamps: Stamps,
}

/// What the file says.
struct Read {
    tls: Result<Option<Tls>, AccessError>,
    users: Users,
    stamps: Stamps,
}

type Stamps = Vec<(PathBuf, Option<Stamp>)>;

/// Changes with the content of a file: device, inode, size, time of change.
type Stamp = (u64, u64, u64, i64, i64);

fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    let changed = (found.ctime(), found.ctime_nsec());
    Some((found.dev(), found.ino(), found.size(), changed.0, changed.1))
}

impl Read {
    fn of(path: &Path) -> Result<Self, AccessError> {
        let before = stamp(path);
        let file = file::read(path)?;
        let mut stamps = vec![(path.to_owned(), before)];
        let tls = match &file.tls_server_config {
            None => Ok(None),
            Some(config) => {
                let folder = path.parent().unwrap_or(Path::new(""));
                let files = [&config.cert_file, &config.key_file].map(|name| folder.join(name));
                stamps.extend(files.iter().map(|file| (file.clone(), stamp(file))));
                Tls::load(config, &files).map(Some)
            }
        };
        Ok(Self {
            tls,
            users: file.basic_auth_users,
            stamps,
        })
    }
}

impl Rules {
    fn read(path: &Path) -> Result<Self, AccessError> {
        let read = Read::of(path)?;
        let mut rules = Self {
            tls: read.tls?,
            users: None,
            stamps: read.stamps,
        };
        rules.take_up(read.users);
        Ok(rules)
    }

    fn take_up(&mut self, users: Users) {
        if users.is_empty() && self.users.as_ref().is_some_and(|users| !users.is_empty()) {
            tracing::error!(
                "the web configuration has no users any more: nobody is let in until it has; basic authentication \
                 ends only with a restart"
            );
        }
        if !users.is_empty() || self.users.is_some() {
            self.users = Some(Arc::new(users));
        }
    }

    fn has_changed(&self) -> bool {
        self.stamps
            .iter()
            .any(|(path, before)| stamp(path) != *before)
    }
}

impl Access {
    /// Reads the file and what it names.
    ///
    /// # Errors
    ///
    /// What is wrong, in which file.
    pub(crate) fn load(file: &Path) -> Result<Self, AccessError> {
        let access = Self {
            file: file.to_owned(),
            state: Mutex::new(State {
                rules: Rules::read(file)?,
                looked: Instant::now(),
                is_expiry_told: false,
                refusal: None,
            }),
            passwords: Passwords::default(),
        };
        access.lock().tell_expiry();
        Ok(access)
    }

    /// The file, and what it names.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let state = self.lock();
        let files = state.rules.stamps.iter().map(|(file, _)| file.clone());
        files.collect()
    }

    /// Whether connections are encrypted.
    pub(crate) fn has_tls(&self) -> bool {
        self.lock().rules.tls.is_some()
    }

    /// Whether users have passwords.
    pub(crate) fn has_users(&self) -> bool {
        self.lock().rules.users.is_some()
    }

    /// For the next connection; `None` for one in plain text.
    pub(crate) fn acceptor(&self) -> Option<TlsAcceptor> {
        let mut state = self.lock();
        state.look(&self.file);
        state.rules.tls.as_ref().map(|tls| tls.acceptor.clone())
    }

    /// Whether a request with this header may pass: by the users of now, however old its connection is.
    /// What checking a password takes is added to the meter.
    pub(crate) async fn admits(
        &self,
        authorization: Option<&HeaderValue>,
        meter: &Arc<Meter>,
    ) -> bool {
        let users = {
            let mut state = self.lock();
            state.look(&self.file);
            state.rules.users.clone()
        };
        let Some(users) = users else {
            return true;
        };
        (self.passwords)
            .are_right(&users, authorization, meter)
            .await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Reads what has changed, if it is time to look.
    fn look(&mut self, file: &Path) {
        if self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        // What could not be read keeps its old stamps: it may lack something that comes later.
        if self.rules.has_changed() {
            self.renew(file);
        }
        self.tell_expiry();
    }

    fn renew(&mut self, file: &Path) {
        let Err(refusal) = self.take_up(file) else {
            self.is_expiry_told = false;
            self.refusal = None;
            tracing::info!("{}: certificate and users read again", file.display());
            return;
        };
        if self.refusal.as_ref() != Some(&refusal) {
            tracing::error!("web configuration not read again, {refusal}");
            self.refusal = Some(refusal);
        }
    }

    /// Or why not, and what stays.
    fn take_up(&mut self, file: &Path) -> Result<(), String> {
        let why = |error: AccessError| {
            let refusal = File::open(&error.path).err();
            let why = refusal.as_ref().map(explain).unwrap_or_default();
            format!("{error}{why}")
        };
        let read = Read::of(file).map_err(|error| {
            let error = why(error);
            format!("the old one stays, with all of its users: {error}")
        })?;
        self.rules.take_up(read.users);
        let tls = match read.tls {
            Ok(None) if self.rules.tls.is_some() => Err("TLS ends only with a restart".to_owned()),
            tls => tls.map_err(why),
        };
        self.rules.tls =
            tls.map_err(|error| format!("but for its users, the old one stays: {error}"))?;
        self.rules.stamps = read.stamps;
        Ok(())
    }

    /// An expired certificate is served: whoever scrapes says what is wrong with it, too.
    fn tell_expiry(&mut self) {
        let Some(tls) = self.rules.tls.as_ref().filter(|tls| tls.has_expired()) else {
            return;
        };
        if !std::mem::replace(&mut self.is_expiry_told, true) {
            let seconds = i128::from(tls.expires.as_secs());
            tracing::error!(
                "the certificate {} expired on {}: clients will refuse it until it is replaced",
                tls.certificate.display(),
                rfc3339(seconds * 1_000_000_000)
            );
        }
    }
}

#[cfg(test)]
mod tests;
