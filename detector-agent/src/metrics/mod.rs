//! What the metrics listeners serve: `/`, the metrics, `/healthz`, `/readyz`.

mod definition;
mod exposition;
mod page;
mod process;
pub mod reference;

use crate::http::{Content, Handler, Request, Response};
use crate::lock::lock;
use crate::log;
use crate::state::AgentState;
use bytes::Bytes;
use hyper::StatusCode;
use page::SelfCounts;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant as AsyncInstant;

/// A page is served to everybody who asks within so long: who asks over and over has it written no more
/// than a hundred times a second.
const SAME_FOR: Duration = Duration::from_millis(10);

/// So it is with whether the judge answers, which costs it a turn.
const AS_ALIVE_FOR: Duration = Duration::from_millis(100);

/// Answers what comes in by the metrics listeners.
pub(crate) struct Web {
    state: Arc<AgentState>,
    telemetry_path: String,
    /// The last page, and when it was begun.
    last: Mutex<Option<(Instant, Bytes)>>,
    /// Whether the judge answered when it was asked last, and when that was.
    health: Arc<AsyncMutex<Option<(AsyncInstant, bool)>>>,
}

impl Web {
    /// Serves metrics at `telemetry_path`.
    pub(crate) fn new(state: Arc<AgentState>, telemetry_path: String) -> Self {
        Self {
            state,
            telemetry_path,
            last: Mutex::default(),
            health: Arc::default(),
        }
    }

    async fn is_alive(&self) -> bool {
        let fresh = |last: &Option<(AsyncInstant, bool)>| {
            let fresh = last.filter(|(at, _)| at.elapsed() < AS_ALIVE_FOR);
            fresh.map(|(_, is_alive)| is_alive)
        };
        let known = self.health.try_lock().ok();
        if let Some(is_alive) = known.and_then(|last| fresh(&last)) {
            return is_alive;
        }
        let (state, health) = (Arc::clone(&self.state), Arc::clone(&self.health));
        // Whoever hangs up meanwhile has asked for whoever asks next.
        let asked = tokio::spawn(async move {
            let mut last = health.lock().await;
            if let Some(is_alive) = fresh(&last) {
                return is_alive;
            }
            let is_alive = state.is_alive().await;
            *last = Some((AsyncInstant::now(), is_alive));
            is_alive
        });
        asked.await.unwrap_or(false)
    }

    fn metrics(&self) -> Response {
        let mut last = lock(&self.last);
        let now = Instant::now();
        let is_fresh = |written: &(Instant, Bytes)| now.duration_since(written.0) < SAME_FOR;
        if !last.as_ref().is_some_and(is_fresh) {
            *last = self.write_page().map(|page| (now, page));
        }
        match last.as_ref() {
            Some((_, page)) => Response::ok(exposition::CONTENT_TYPE, Content::Whole(page.clone())),
            None => Response::text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n"),
        }
    }

    /// `None` if it cannot be written, which is logged.
    fn write_page(&self) -> Option<Bytes> {
        let state = &self.state;
        let (core, events_forgotten, events_suppressed) = state.with_engine(|engine| {
            (
                engine.metrics(),
                engine.events_dropped(),
                engine.events_suppressed(),
            )
        });
        let kernel = state.kernel_status().unwrap_or_default();
        let counters = &state.counters;
        let pressure = state.host.pressure.last();
        let counts = SelfCounts {
            refusals: vec![("web", &counters.web), ("control", &counters.control)],
            events_forgotten,
            events_suppressed,
            events_missed: counters.events_missed.load(Ordering::Relaxed),
            followers: counters.followers.load(Ordering::Relaxed),
            flags_not_logged: counters.flags_not_logged.load(Ordering::Relaxed),
            actions: state.actions.counts(),
            guard: state.guard.status(),
            log_lines_dropped: log::lines_dropped(),
            owners: state.owners.read(),
            census: counters.census(),
            tcp_memory: pressure.as_ref().and_then(|pressure| pressure.tcp_memory),
            oom_kills: pressure.and_then(|pressure| pressure.oom_kills),
            budget: state.governor.status(),
            recorder: state.recording.status(),
            tcp_memory_held: state.host.tcp_memory.read().map(|held| held.held_bytes),
            tcp_memory_looks: state.host.tcp_memory.counts(),
            is_last_reload_successful: state.is_last_reload_successful(),
        };
        page::render(&core, &kernel, &counts)
            .inspect_err(|error| tracing::error!("cannot write the metrics: {error}"))
            .ok()
            .map(Bytes::from)
    }

    fn landing_page(&self) -> Response {
        let version = env!("CARGO_PKG_VERSION");
        // The path holds only characters that mean nothing in HTML: the configuration checks it.
        let metrics = &self.telemetry_path;
        Response::ok(
            "text/html; charset=utf-8",
            Content::Whole(
                format!(
                    "<!DOCTYPE html>\n<html lang=\"en\"><head><title>detector</title></head>\n\
                     <body><h1>detector {version}</h1>\n\
                     <p>Watches TCP peers that take back window, stall, dribble or vanish.</p>\n\
                     <ul><li><a href=\"{metrics}\">Metrics</a></li>\n\
                     <li><a href=\"/healthz\">Health</a></li>\n\
                     <li><a href=\"/readyz\">Readiness</a></li></ul></body></html>\n"
                )
                .into(),
            ),
        )
    }
}

impl Handler for Web {
    async fn handle(self: Arc<Self>, request: Request) -> Response {
        match request.path.as_str() {
            path if path == self.telemetry_path => {
                if let Some(client) = request.client {
                    self.state.guard.note_scrape(client);
                }
                self.metrics()
            }
            "/" => self.landing_page(),
            "/healthz" if self.is_alive().await => Response::text(StatusCode::OK, "ok\n"),
            "/healthz" => Response::text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the judge does not answer\n",
            ),
            "/readyz" => match self.state.unready_reason() {
                None => Response::text(StatusCode::OK, "ready\n"),
                Some(reason) => {
                    Response::text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"))
                }
            },
            _ => Response::text(StatusCode::NOT_FOUND, "no such page\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AS_ALIVE_FOR, SAME_FOR, Web};
    use crate::clock::thread_time;
    use crate::config::Config;
    use crate::http::{Content, Handler, Request, Response};
    use crate::state::tests::{stalled, state};
    use bytes::Bytes;
    use hyper::StatusCode;
    use std::net::Ipv6Addr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};
    use tokio::task::JoinSet;

    async fn get(web: &Arc<Web>, path: &str) -> Response {
        let request = Request::parse(path, None).unwrap();
        Arc::clone(web).handle(request).await
    }

    fn text(response: Response) -> String {
        match response.content {
            Content::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_judge_is_asked_once_for_all_who_ask_at_once() {
        let (state, mut pings) = state(&Config::default());
        let web = Arc::new(Web::new(state, "/metrics".to_owned()));
        let asked = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asked);
        let judge = tokio::spawn(async move {
            while let Some(ping) = pings.recv().await {
                counted.fetch_add(1, Ordering::Relaxed);
                ping.send(()).unwrap();
            }
        });
        for times in 1..=2 {
            let mut asking = JoinSet::new();
            for number in 0..1_000 {
                let web = Arc::clone(&web);
                let asking = asking.spawn(async move { get(&web, "/healthz").await.status });
                if number % 10 == 0 {
                    // It hangs up.
                    asking.abort();
                }
            }
            while let Some(answer) = asking.join_next().await {
                assert!(answer.is_err() || answer.is_ok_and(|status| status == StatusCode::OK));
            }
            assert_eq!(asked.load(Ordering::Relaxed), times);
            tokio::time::sleep(AS_ALIVE_FOR).await;
        }
        judge.abort();
        drop(judge.await);
        let stuck = get(&web, "/healthz").await.status;
        assert_eq!(stuck, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    #[allow(
        clippy::print_stdout,
        reason = "the number is what the test is run for"
    )]
    async fn a_scrape_of_a_full_table_is_small_and_quick() {
        // Fewer where nothing is measured.
        const PEERS: u32 = if cfg!(debug_assertions) {
            4_096
        } else {
            65_536
        };
        let (state, _pings) = state(&Config::default());
        let observations: Vec<_> = (0..PEERS)
            .map(|number| {
                let address =
                    Ipv6Addr::from_bits((0x2001_0db8_1111_0000 + u128::from(number)) << 64);
                stalled(&format!("[{address}]:40000"), 10)
            })
            .collect();
        state.feed(&observations);
        let web = Arc::new(Web::new(Arc::clone(&state), "/metrics".to_owned()));
        let mut best = Duration::MAX;
        let mut bytes = 0;
        for _ in 0..9 {
            let began = thread_time();
            let page = web.write_page().unwrap();
            best = best.min(thread_time() - began);
            bytes = page.len();
        }
        println!("/metrics with {PEERS} peers: {bytes} bytes in {best:?} of processor time");
        assert!(bytes <= 1 << 20);
        // Without optimization it takes longer.
        assert!(cfg!(debug_assertions) || best <= Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn pages_say_how_the_agent_is() {
        let (state, _pings) = state(&Config::default());
        let web = Arc::new(Web::new(Arc::clone(&state), "/telemetry".to_owned()));
        let landing = text(get(&web, "/").await);
        assert!(landing.contains("href=\"/telemetry\""), "{landing}");
        assert_eq!(get(&web, "/metrics").await.status, StatusCode::NOT_FOUND);
        let unready = get(&web, "/readyz").await;
        assert_eq!(unready.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text(unready).starts_with("starting"));
        let dead = get(&web, "/healthz").await;
        assert_eq!(dead.status, StatusCode::SERVICE_UNAVAILABLE);
    }

    /// Else whoever asks a hundred times at once, and again, keeps the agent from all else.
    #[tokio::test]
    async fn a_page_is_written_once_for_all_who_ask_at_once() {
        let (state, _pings) = state(&Config::default());
        let web = Arc::new(Web::new(state, "/metrics".to_owned()));
        let began = Instant::now();
        // Kept, so that none is written where another was.
        let mut pages: Vec<Bytes> = Vec::new();
        for _ in 0..1_000 {
            match get(&web, "/metrics").await.content {
                Content::Whole(page) => pages.push(page),
                other => panic!("{other:?}"),
            };
        }
        pages.dedup_by_key(|page| page.as_ptr());
        let most = 1 + began.elapsed().as_millis() / SAME_FOR.as_millis();
        assert!(pages.len() as u128 <= most, "{} in {most}", pages.len());
        tokio::time::sleep(SAME_FOR).await;
        let later = text(get(&web, "/metrics").await);
        assert!(later.contains("process_cpu_seconds_total "));
    }

    #[tokio::test]
    async fn a_scrape_shows_the_present() {
        let (state, _pings) = state(&Config::default());
        let web = Arc::new(Web::new(Arc::clone(&state), "/metrics".to_owned()));
        state.feed(&[stalled("198.51.100.7:40000", 10)]);
        let page = text(get(&web, "/metrics").await);
        for line in [
            "detector_stalled_connections{cause=\"zero_window\"} 1",
            "detector_pinned_bytes 4220292",
            "detector_peer_pinned_bytes{peer=\"198.51.100.7\"} 4220292",
            "detector_peer_pinned_bytes{peer=\"other\"} 0",
            "detector_flags_total{kind=\"zero-window-stall\"} 1",
        ] {
            assert!(
                page.contains(&format!("{line}\n")),
                "{line} is not in\n{page}"
            );
        }
        assert!(page.contains("process_resident_memory_bytes "));
    }
}
