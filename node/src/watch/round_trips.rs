//! The times to other nodes and back.

use std::{collections::VecDeque, time::Duration};

/// The round trips to a node that are kept: those of half a minute.
const MAX_ROUND_TRIPS: usize = 15;

/// The last round trips to a node. The shortest of them tells the distance; longer ones waited for a processor.
#[derive(Debug, Default)]
pub(super) struct RoundTrips(VecDeque<Duration>);

impl RoundTrips {
    /// Adds the newest one, in place of the oldest.
    pub(super) fn add(&mut self, round_trip: Duration) {
        if self.0.len() == MAX_ROUND_TRIPS {
            self.0.pop_front();
        }
        self.0.push_back(round_trip);
    }

    /// The shortest one; none yet is no time.
    pub(super) fn shortest(&self) -> Duration {
        self.0.iter().min().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_as_far_as_the_shortest_of_the_last_round_trips_says() {
        let mut trips = RoundTrips::default();
        for millis in [30, 31, 400, 32] {
            trips.add(Duration::from_millis(millis));
        }
        assert_eq!(trips.shortest(), Duration::from_millis(30));
        for _ in 0..MAX_ROUND_TRIPS {
            trips.add(Duration::from_millis(80));
        }
        assert_eq!(trips.shortest(), Duration::from_millis(80), "it is elsewhere now");
    }
}
