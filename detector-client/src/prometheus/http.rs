//! Asks Prometheus' HTTP API: one connection, one question after the other, all of it bounded in time and size.

use super::rows::{Answers, Labels, QUERIES, Sample};
use super::{Fleet, Prometheus};
use crate::socket::{ClientError, percent_encoded};
use bytes::Bytes;
use detector_api::sanitize;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For all questions together.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of each answer. As many peers as are taken fit, each with three causes of retransmits.
const MAX_BODY_BYTES: usize = 32 << 20;

#[derive(Deserialize)]
struct Answer {
    error: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: Labels,
    /// Time, and the value as text.
    value: (f64, String),
}

/// What it knows of all hosts now.
pub(crate) async fn ask_all(prometheus: &Prometheus) -> Result<Fleet, ClientError> {
    let failed = |why: String| ClientError::Prometheus {
        url: prometheus.to_string(),
        why: sanitize::text(&why),
    };
    match timeout(PATIENCE, converse(prometheus)).await {
        Ok(fleet) => fleet.map_err(failed),
        Err(_) => Err(failed(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

async fn converse(prometheus: &Prometheus) -> Result<Fleet, String> {
    let stream = TcpStream::connect(&prometheus.authority)
        .await
        .map_err(|error| format!("cannot connect: {error}"))?;
    let (mut sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // Its errors come out of the request and the body too.
    tokio::spawn(async move { drop(connection.await) });
    let mut answers = Answers::new();
    for (field, query) in QUERIES {
        let samples = ask(&mut sender, prometheus, query).await?;
        answers.take(*field, samples)?;
    }
    Ok(answers.fleet())
}

async fn ask(
    sender: &mut SendRequest<Empty<Bytes>>,
    prometheus: &Prometheus,
    query: &str,
) -> Result<Vec<Sample>, String> {
    let target = format!(
        "{}/api/v1/query?query={}",
        prometheus.path,
        percent_encoded(query)
    );
    let request = hyper::Request::get(target)
        .header(header::HOST, &prometheus.authority)
        .body(Empty::new())
        .map_err(|error| error.to_string())?;
    sender.ready().await.map_err(|error| error.to_string())?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BODY_BYTES)
        .collect()
        .await
        .map_err(|error| format!("cannot read its answer: {error}"))?
        .to_bytes();
    read(&body).map_err(|error| match status.is_success() {
        true => error,
        false => format!("status {status}: {error}"),
    })
}

fn read(body: &[u8]) -> Result<Vec<Sample>, String> {
    let answer: Answer = serde_json::from_slice(&sanitize::json_text(body))
        .map_err(|error| format!("its answer is not that of a Prometheus: {error}"))?;
    if let Some(error) = answer.error {
        return Err(error);
    }
    let data = answer.data.ok_or("its answer has no data")?;
    let samples = data.result.into_iter().filter_map(|series| {
        let value: f64 = series.value.1.parse().ok()?;
        (value.is_finite() && value >= 0.0).then_some((series.metric, value))
    });
    Ok(samples.collect())
}
