//! A page as somebody sees it: its picture, and what is wrong with it.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::browser::Browser;

/// A function of the page.
const LOOK: &str = include_str!("look.js");
/// More than any page of a report has, and no more than a picture may.
const MOST_LINES: f64 = 16_000.0;

/// On what the page is seen.
pub(super) struct View {
    pub(super) name: &'static str,
    /// In pixels.
    size: (u32, u32),
    is_phone: bool,
    is_dark: bool,
    media: &'static str,
}

const fn phone(name: &'static str, is_dark: bool) -> View {
    View {
        name,
        size: (390, 844),
        is_phone: true,
        is_dark,
        media: "screen",
    }
}

const fn desktop(name: &'static str, is_dark: bool) -> View {
    View {
        name,
        size: (1280, 800),
        is_phone: false,
        is_dark,
        media: "screen",
    }
}

/// On which every page is looked at. Paper is A4 with margins of a centimetre.
pub(super) const VIEWS: [View; 5] = [
    phone("phone-light", false),
    phone("phone-dark", true),
    desktop("desktop-light", false),
    desktop("desktop-dark", true),
    View {
        name: "paper",
        size: (718, 1047),
        is_phone: false,
        is_dark: false,
        media: "print",
    },
];

/// What was seen.
pub(super) struct Seen {
    /// As PNG, from top to bottom.
    pub(super) picture: Vec<u8>,
    pub(super) wrong: Vec<String>,
}

impl View {
    pub(super) fn look(&self, browser: &mut Browser, page: &Path) -> Result<Seen> {
        let url = url(page)?;
        let target = browser.call("", "Target.createTarget", json!({ "url": "about:blank" }))?;
        let target = &target["targetId"];
        let attach = json!({ "targetId": target, "flatten": true });
        let session = browser.call("", "Target.attachToTarget", attach)?;
        let session = session["sessionId"].as_str().context("no session")?;
        self.open(browser, session, &url)?;
        let asked = json!({ "isDark": self.is_dark, "mayScroll": self.may_scroll() });
        let looked = json!({ "expression": format!("({LOOK})({asked})"), "returnByValue": true });
        let looked = browser.call(session, "Runtime.evaluate", looked)?;
        let lines = looked["result"]["value"].as_array();
        let lines = lines.with_context(|| format!("the page cannot be looked at: {looked}"))?;
        let lines = lines.iter().filter_map(Value::as_str);
        let mut wrong: Vec<String> = lines.map(str::to_owned).collect();
        let picture = self.picture(browser, session)?;
        wrong.extend(
            browser
                .take_events(session)
                .iter()
                .filter_map(|event| told(event, &url)),
        );
        browser.call("", "Target.closeTarget", json!({ "targetId": target }))?;
        Ok(Seen { picture, wrong })
    }

    /// A phone has no room for a second direction, paper none at all.
    fn may_scroll(&self) -> bool {
        !self.is_phone && self.media == "screen"
    }

    /// Opens the page, and waits until it has loaded nothing for a while.
    fn open(&self, browser: &mut Browser, session: &str, url: &str) -> Result<()> {
        for part in ["Page", "Network", "Log", "Runtime", "Audits"] {
            browser.call(session, &format!("{part}.enable"), json!({}))?;
        }
        let is_told = json!({ "enabled": true });
        browser.call(session, "Page.setLifecycleEventsEnabled", is_told)?;
        let (width, height) = self.size;
        let screen = json!({
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": self.is_phone,
        });
        browser.call(session, "Emulation.setDeviceMetricsOverride", screen)?;
        let scheme = if self.is_dark { "dark" } else { "light" };
        let media = json!({
            "media": self.media,
            "features": [{ "name": "prefers-color-scheme", "value": scheme }],
        });
        browser.call(session, "Emulation.setEmulatedMedia", media)?;
        let opened = browser.call(session, "Page.navigate", json!({ "url": url }))?;
        if let Some(why) = opened["errorText"].as_str() {
            bail!("{url} cannot be opened: {why}");
        }
        browser.wait("whether all is loaded", |event| {
            let about = &event["params"];
            about["name"] == "networkIdle" && about["loaderId"] == opened["loaderId"]
        })
    }

    fn picture(&self, browser: &mut Browser, session: &str) -> Result<Vec<u8>> {
        let size = browser.call(session, "Page.getLayoutMetrics", json!({}))?;
        let lines = size["cssContentSize"]["height"].as_f64();
        let lines = lines.context("the page has no height")?.min(MOST_LINES);
        let shot = json!({
            "format": "png",
            "captureBeyondViewport": true,
            "clip": { "x": 0, "y": 0, "width": self.size.0, "height": lines, "scale": 1 },
        });
        let shot = browser.call(session, "Page.captureScreenshot", shot)?;
        let picture = shot["data"].as_str().and_then(bytes_of_base64);
        picture.context("the picture is not as expected")
    }
}

/// What an event says against the page at `url`.
fn told(event: &Value, url: &str) -> Option<String> {
    let about = &event["params"];
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    match event["method"].as_str()? {
        "Log.entryAdded" => Some(format!(
            "the console says: {}",
            text(&about["entry"]["text"])
        )),
        "Runtime.consoleAPICalled" => Some(format!("a script says: {}", about["args"])),
        "Runtime.exceptionThrown" => Some(format!(
            "a script fails: {}",
            text(&about["exceptionDetails"]["text"])
        )),
        "Audits.issueAdded" => {
            let details = &about["issue"]["details"]["contentSecurityPolicyIssueDetails"];
            let directive = details["violatedDirective"].as_str()?;
            Some(format!("its own policy ({directive}) refuses something"))
        }
        "Network.requestWillBeSent" => {
            let asked = about["request"]["url"].as_str()?;
            (asked != url).then(|| format!("it loads {asked}"))
        }
        _ => None,
    }
}

/// Of a local file.
fn url(page: &Path) -> Result<String> {
    let page = page
        .canonicalize()
        .with_context(|| format!("cannot open {}", page.display()))?;
    let path = page.to_str().context("a path that is not UTF-8")?;
    let mut url = "file://".to_owned();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                url.push(char::from(byte));
            }
            other => url += &format!("%{other:02X}"),
        }
    }
    Ok(url)
}

fn bytes_of_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u16, 0);
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6) | u16::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            let [_, byte] = (held >> bits).to_be_bytes();
            bytes.push(byte);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{bytes_of_base64, told, url};
    use serde_json::json;
    use std::path::Path;

    #[test]
    fn a_picture_is_read_from_its_text() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("iVBORw0K", b"\x89PNG\r\n"),
            ("/+8=", b"\xff\xef"),
            ("AA==", b"\0"),
        ] {
            assert_eq!(bytes_of_base64(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(bytes_of_base64("a b"), None);
    }

    #[test]
    fn whatever_is_loaded_or_said_is_told_and_the_page_itself_is_not() {
        let page = "file:///night.html";
        let loads = |url: &str| {
            let params = json!({ "request": { "url": url } });
            json!({ "method": "Network.requestWillBeSent", "params": params })
        };
        assert_eq!(told(&loads(page), page), None);
        let told_of = told(&loads("https://example.org/a.css"), page);
        assert_eq!(
            told_of.as_deref(),
            Some("it loads https://example.org/a.css")
        );
        let said = json!({
            "method": "Log.entryAdded",
            "params": { "entry": { "level": "error", "text": "Refused" } },
        });
        assert_eq!(
            told(&said, page).as_deref(),
            Some("the console says: Refused")
        );
        let idle = json!({ "method": "Page.lifecycleEvent", "params": {} });
        assert_eq!(told(&idle, page), None);
    }

    #[test]
    fn a_path_with_spaces_has_an_address() {
        let folder = std::env::temp_dir().join(format!("detector a#b {}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let address = url(&folder).unwrap();
        std::fs::remove_dir(&folder).unwrap();
        assert!(address.contains("/detector%20a%23b%20"), "{address}");
        url(Path::new("/nowhere")).unwrap_err();
    }
}
