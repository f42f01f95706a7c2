//! How windows of the worst connections of a peer moved.

use super::model::{Time, WindowPlot, WindowState};
use super::recording::{Recording, natural};
use detector_api::failure::Failure;
use detector_recorder::WindowPoint;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Connections drawn of one peer on one host.
const CONNECTIONS: usize = 2;
/// Points of one plot.
const POINTS: usize = 240;

/// Plots of the connections of the peer that had most queued.
pub(super) fn window_plots(recording: &Recording, peer: &str) -> Result<Vec<WindowPlot>, Failure> {
    let reader = &recording.source.reader;
    let points = reader.windows(peer, recording.span)?;
    let mut by_names: BTreeMap<(&str, &str), Vec<&WindowPoint>> = BTreeMap::new();
    for point in &points {
        let names = (point.local.as_str(), point.remote.as_str());
        by_names.entry(names).or_default().push(point);
    }
    let mut connections: Vec<_> = by_names
        .into_iter()
        .flat_map(|(names, points)| {
            let lives = points.chunk_by(|before, next| is_same(before, next));
            let lives = lives.map(<[_]>::to_vec).collect::<Vec<_>>();
            lives.into_iter().map(move |points| (names, points))
        })
        .filter(|(_, points)| points.len() > 1)
        .collect();
    connections.sort_by_key(|(_, points)| {
        let most = points.iter().map(|point| point.queued_bytes).max();
        Reverse((shrink_of(points), most))
    });
    connections.truncate(CONNECTIONS);
    let plots = connections
        .into_iter()
        .map(|((local, remote), points)| WindowPlot {
            host: recording.host().to_owned(),
            local: local.to_owned(),
            remote: remote.to_owned(),
            first_snd_una: points.first().map_or(0, |point| point.snd_una),
            points: thinned(&states(&points)),
        });
    Ok(plots.collect())
}

/// Whether two states that follow each other are of one connection: the host did not start in between,
/// and what was acknowledged stays so. Ports come again.
const fn is_same(before: &WindowPoint, next: &WindowPoint) -> bool {
    let advanced = next.snd_una.wrapping_sub(before.snd_una);
    before.at.boot_ms <= next.at.boot_ms && advanced < 1 << 31
}

/// How far the edge ever lay below its maximum.
fn shrink_of(points: &[&WindowPoint]) -> u32 {
    let shrinks = points.iter().map(|point| {
        let below = point.edge_max.wrapping_sub(point.edge);
        // Ahead of the maximum is no shrink, whatever the file says.
        if below < 1 << 31 { below } else { 0 }
    });
    shrinks.max().unwrap_or(0)
}

/// Sequence numbers, which wrap, as offsets from the first.
fn states(points: &[&WindowPoint]) -> Vec<WindowState> {
    let mut acknowledged = 0_i64;
    let mut before = points.first().map_or(0, |point| point.snd_una);
    let states = points.iter().map(|point| {
        let from = |base: u32, number: u32| i64::from(number.wrapping_sub(base).cast_signed());
        acknowledged += from(before, point.snd_una);
        before = point.snd_una;
        let offset = |number| acknowledged + from(point.snd_una, number);
        WindowState {
            time: Time(point.at.unix_ms),
            acknowledged,
            sent: offset(point.snd_nxt),
            edge: offset(point.edge),
            edge_max: offset(point.edge_max),
            queued_bytes: natural(point.queued_bytes),
        }
    });
    states.collect()
}

/// Of each group of neighbours the one whose edge lay lowest below its maximum; first and last stay.
fn thinned(states: &[WindowState]) -> Vec<WindowState> {
    if states.len() <= POINTS {
        return states.to_vec();
    }
    let size = states.len().div_ceil(POINTS - 2);
    let groups = states.chunks(size);
    let mut kept: Vec<_> = states.first().copied().into_iter().collect();
    kept.extend(groups.filter_map(|group| {
        let by_shrink = |state: &&WindowState| state.edge_max.saturating_sub(state.edge);
        group.iter().max_by_key(by_shrink).copied()
    }));
    kept.extend(states.last().copied());
    kept
}

#[cfg(test)]
mod tests {
    use super::{POINTS, states, thinned};
    use detector_recorder::{ClockReading, WindowPoint};

    fn point(second: i64, snd_una: u32, edge: u32, edge_max: u32) -> WindowPoint {
        WindowPoint {
            at: ClockReading {
                unix_ms: second * 1_000,
                boot_ms: 0,
            },
            peer: String::new(),
            local: String::new(),
            remote: String::new(),
            snd_una,
            snd_nxt: snd_una.wrapping_add(100),
            edge,
            edge_max,
            window_bytes: 0,
            queued_bytes: -1,
        }
    }

    #[test]
    fn offsets_go_on_where_sequence_numbers_wrap() {
        let points = [point(0, u32::MAX - 9, 90, 90), point(1, 10, 60, 90)];
        let states = states(&points.iter().collect::<Vec<_>>());
        let told: Vec<_> = states
            .iter()
            .map(|state| (state.acknowledged, state.sent, state.edge, state.edge_max))
            .collect();
        assert_eq!(told, [(0, 100, 100, 100), (20, 120, 70, 100)]);
        assert_eq!(states[0].queued_bytes, 0);
    }

    #[test]
    fn a_shrink_survives_thinning() {
        let mut points: Vec<_> = (0..5_000)
            .map(|second| point(second, 0, 500, 500))
            .collect();
        points[1_234].edge = 7;
        let thin = thinned(&states(&points.iter().collect::<Vec<_>>()));
        assert!(thin.len() <= POINTS + 1, "{}", thin.len());
        assert!(thin.iter().any(|state| state.edge == 7));
        assert!(thin.is_sorted_by_key(|state| state.time));
    }
}
