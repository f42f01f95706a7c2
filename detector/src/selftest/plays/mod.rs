//! What the peers do. A play returns with its condition on stage.

pub(super) mod bad;
pub(super) mod good;

use anyhow::Result;
use std::any::Any;
use std::time::Instant;

/// How a play went.
pub(super) enum Act {
    /// Its condition is on stage.
    Played(Played),
    /// This kernel cannot play it.
    NotHere(&'static str),
}

/// A condition on stage.
pub(super) struct Played {
    /// From when on the rule is met; may lie ahead.
    pub(super) met: Instant,
    /// The play goes on in steps of at most a second, while the agent is waited for.
    pub(super) goes_on: Option<Box<dyn FnMut() -> Result<()>>>,
    /// Peers that keep the condition up by being there.
    _keeps: Box<dyn Any>,
}

impl Act {
    /// The condition lasts for as long as `keeps` is there.
    fn holds(met: Instant, keeps: impl Any) -> Result<Self> {
        Ok(Self::Played(Played {
            met,
            goes_on: None,
            _keeps: Box::new(keeps),
        }))
    }

    /// The condition lasts for as long as `step` is repeated.
    fn goes_on(met: Instant, step: impl FnMut() -> Result<()> + 'static) -> Result<Self> {
        Ok(Self::Played(Played {
            met,
            goes_on: Some(Box::new(step)),
            _keeps: Box::new(()),
        }))
    }
}
