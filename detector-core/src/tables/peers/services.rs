//! Local ports that a peer has used.

/// Most local ports remembered of one peer.
const SERVICES: usize = 8;

/// The first few that were seen, in ascending order.
#[derive(Debug, Default)]
pub(crate) struct Services {
    ports: [u16; SERVICES],
    known: u8,
}

impl Services {
    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports[..usize::from(self.known)]
    }

    /// Remembers a port where there is room.
    pub(super) fn add(&mut self, port: u16) {
        let known = usize::from(self.known);
        if let Err(place) = self.ports[..known].binary_search(&port)
            && known < SERVICES
        {
            self.ports.copy_within(place..known, place + 1);
            self.ports[place] = port;
            self.known += 1;
        }
    }
}
