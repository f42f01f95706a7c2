use super::file::parse;
use super::{Access, LOOK_EVERY};
use base64::Engine as _;
use hyper::header::HeaderValue;
use proptest::prelude::*;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

/// Of `right`, at the least cost there is.
fn hash() -> String {
    bcrypt::hash("right", 4).unwrap()
}

fn basic(pair: &str) -> HeaderValue {
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    HeaderValue::try_from(format!("Basic {encoded}")).unwrap()
}

#[tokio::test]
async fn only_the_right_password_passes_and_a_change_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    fs::write(&path, format!("basic_auth_users:\n  ann: {}\n", hash())).unwrap();
    let access = Access::load(&path).unwrap();
    assert!(!access.has_tls() && access.has_users());
    // The second time it is known.
    for _ in 0..2 {
        assert!(
            access
                .admits(Some(&basic("ann:right")), &Arc::default())
                .await
        );
    }
    for wrong in ["ann:wrong", "ann:", "ann", "bob:right", ":"] {
        assert!(
            !access.admits(Some(&basic(wrong)), &Arc::default()).await,
            "{wrong}"
        );
    }
    let foreign = HeaderValue::from_static("Bearer right");
    assert!(!access.admits(Some(&foreign), &Arc::default()).await);
    assert!(!access.admits(None, &Arc::default()).await);
    // Without users there is nobody who may pass; asking for passwords does not end with them.
    fs::write(&path, "{}\n").unwrap();
    assert!(!admits(&access, "ann:right").await);
    assert!(!access.admits(None, &Arc::default()).await);
    assert!(access.has_users());
    // Whoever is taken out is out, also on a connection that he has had open since.
    fs::write(&path, format!("basic_auth_users:\n  bob: {}\n", hash())).unwrap();
    a_moment_later(&access);
    assert!(
        access
            .admits(Some(&basic("bob:right")), &Arc::default())
            .await
    );
    assert!(
        !access
            .admits(Some(&basic("ann:right")), &Arc::default())
            .await
    );
}

async fn admits(access: &Access, pair: &str) -> bool {
    a_moment_later(access);
    access.admits(Some(&basic(pair)), &Arc::default()).await
}

#[tokio::test]
async fn whoever_is_taken_out_is_out_whatever_comes_of_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    let users = |names: &[&str]| {
        let lines = names.iter().map(|name| format!("  {name}: {}\n", hash()));
        format!("basic_auth_users:\n{}", lines.collect::<String>())
    };
    let tls = "tls_server_config:\n  cert_file: none.crt\n  key_file: none.key\n";
    fs::write(&path, users(&["ann", "bob"])).unwrap();
    let access = Access::load(&path).unwrap();
    assert!(admits(&access, "ann:right").await && admits(&access, "bob:right").await);
    // The certificate is missing.
    fs::write(&path, format!("{tls}{}", users(&["bob", "eve"]))).unwrap();
    assert!(!admits(&access, "ann:right").await);
    assert!(admits(&access, "bob:right").await && admits(&access, "eve:right").await);
    fs::write(&path, tls).unwrap();
    assert!(!admits(&access, "bob:right").await);
    fs::write(&path, users(&["bob"])).unwrap();
    assert!(admits(&access, "bob:right").await);
    // What cannot be read takes out nobody, and says so.
    for unreadable in [Some("basic_auth_users: ["), None] {
        match unreadable {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        assert!(admits(&access, "bob:right").await);
        assert!(!admits(&access, "ann:right").await);
        let refusal = access.lock().refusal.clone().unwrap();
        assert!(refusal.contains("web.yml"), "{refusal}");
    }
}

/// As if it had been looked at so long ago that it is time again.
fn a_moment_later(access: &Access) {
    access.lock().looked = Instant::now().checked_sub(LOOK_EVERY).unwrap();
}

#[tokio::test]
async fn what_comes_after_the_file_that_names_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    fs::write(&path, format!("basic_auth_users:\n  ann: {}\n", hash())).unwrap();
    let access = Access::load(&path).unwrap();
    let refusal = |access: &Access| {
        a_moment_later(access);
        assert!(access.acceptor().is_none());
        access.lock().refusal.clone().unwrap()
    };
    let named = "tls_server_config:\n  cert_file: new.crt\n  key_file: new.key\n";
    fs::write(
        &path,
        format!("{named}basic_auth_users:\n  bob: {}\n", hash()),
    )
    .unwrap();
    let missing = refusal(&access);
    assert!(missing.contains("new.crt"), "{missing}");
    assert_eq!(refusal(&access), missing);
    fs::write(folder.path().join("new.crt"), "none").unwrap();
    let wrong = refusal(&access);
    assert_ne!(wrong, missing);
    assert!(admits(&access, "bob:right").await);
}

/// Cut where reading stops it would ask for nothing, and serve everybody.
#[test]
fn a_file_that_is_too_large_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    let users = format!("basic_auth_users:\n  ann: {}\n", hash());
    fs::write(&path, format!("{}{users}", "#\n".repeat(1 << 19))).unwrap();
    let error = Access::load(&path).err().unwrap().to_string();
    assert!(error.contains("larger than 1 MiB"), "{error}");
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    assert!(parse("").unwrap().tls_server_config.is_none());
    for (text, word) in [
        ("rate_limit:\n  interval: 1s\n", "rate_limit"),
        (
            "tls_server_config:\n  cert_file: a\n  key_file: b\n  client_auth_type: NoClientCert\n",
            "client_auth_type",
        ),
        (
            "tls_server_config:\n  cert_file: a\n  key_file: b\n  min_version: TLS10\n",
            "TLS10",
        ),
        (
            "tls_server_config:\n  cert_file: a\n  key_file: b\n  min_version: TLS13\n  max_version: TLS12\n",
            "min_version is above",
        ),
        ("tls_server_config:\n  cert_file: a\n", "key_file"),
        ("basic_auth_users:\n  ann: right\n", "the hash of ann"),
        (
            "basic_auth_users:\n  ann: $2y$31$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK\n",
            "cost 31",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(word), "{text}: {error}");
    }
    let absent = Access::load("/nonexistent/web.yml".as_ref()).err().unwrap();
    assert!(absent.to_string().starts_with("/nonexistent/web.yml: "));
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "(?s).{0,200}") {
        drop(parse(&text));
    }
}
