//! What the metrics listeners serve: `/`, the metrics, `/healthz`, `/readyz`.

pub(crate) mod definition;
mod exposition;
mod page;
mod process;

use crate::http::{Content, Handler, Request, Response};
use crate::live::Live;
use crate::log;
use hyper::StatusCode;
use page::SelfCounts;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Answers what comes in by the metrics listeners.
pub(crate) struct Web {
    live: Arc<Live>,
    telemetry_path: String,
}

impl Web {
    /// Serves metrics at `telemetry_path`.
    pub(crate) fn new(live: Arc<Live>, telemetry_path: String) -> Self {
        Self {
            live,
            telemetry_path,
        }
    }

    fn metrics(&self) -> Response {
        let live = &self.live;
        let (core, events_forgotten, events_suppressed) = live.with_engine(|engine| {
            (
                engine.metrics(),
                engine.events_dropped(),
                engine.events_suppressed(),
            )
        });
        let kernel = live.kernel_status().unwrap_or_default();
        let counts = &live.counts;
        let counts = SelfCounts {
            refusals: vec![("web", &counts.web), ("control", &counts.control)],
            events_forgotten,
            events_suppressed,
            events_missed: counts.events_missed.load(Ordering::Relaxed),
            followers: counts.followers.load(Ordering::Relaxed),
            flags_not_logged: counts.flags_not_logged.load(Ordering::Relaxed),
            log_lines_dropped: log::lines_dropped(),
            is_last_reload_successful: live.is_last_reload_successful(),
        };
        Response {
            status: StatusCode::OK,
            content_type: exposition::CONTENT_TYPE,
            content: Content::Whole(page::render(&core, &kernel, &counts).into()),
        }
    }

    fn landing_page(&self) -> Response {
        let version = env!("CARGO_PKG_VERSION");
        // The path holds only characters that mean nothing in HTML: the configuration checks it.
        let metrics = &self.telemetry_path;
        Response {
            status: StatusCode::OK,
            content_type: "text/html; charset=utf-8",
            content: Content::Whole(
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
        }
    }
}

impl Handler for Web {
    async fn handle(self: Arc<Self>, request: Request) -> Response {
        match request.path.as_str() {
            path if path == self.telemetry_path => self.metrics(),
            "/" => self.landing_page(),
            "/healthz" if self.live.is_alive().await => Response::text(StatusCode::OK, "ok\n"),
            "/healthz" => Response::text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the task that judges does not answer\n",
            ),
            "/readyz" => match self.live.unready_reason() {
                None => Response::text(StatusCode::OK, "ready\n"),
                Some(reason) => {
                    Response::text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"))
                }
            },
            _ => Response::text(StatusCode::NOT_FOUND, "no such page\n"),
        }
    }
}
