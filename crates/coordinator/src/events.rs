//! The last activations, for observers: a bounded list in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use marblerun_api::rest::Base64;
use marblerun_core::iso8601;
use serde::Serialize;

/// Events kept at most.
const MOST: usize = 256;
/// Bytes of evidence kept at most, over all events.
const MOST_EVIDENCE: usize = 128 << 10;

/// The last activations, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Events(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Event>,
    evidence: usize,
}

/// One event on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Event {
    time: String,
    activation: Activation,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Activation {
    marble_type: String,
    uuid: String,
    quote: Option<Base64>,
}

impl Events {
    /// A marble was activated.
    pub fn activated(&self, marble_type: &str, uuid: &str, evidence: &[u8], now: SystemTime) {
        let event = Event {
            time: iso8601(now),
            activation: Activation {
                marble_type: marble_type.into(),
                uuid: uuid.into(),
                quote: (!evidence.is_empty()).then(|| Base64(evidence.to_vec())),
            },
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// JSON list; `null` when empty.
    pub fn json(&self) -> Vec<u8> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.events.is_empty() {
            return b"null".to_vec();
        }
        serde_json::to_vec(&kept.events).unwrap_or_else(|_| b"null".to_vec())
    }
}

impl Kept {
    fn push(&mut self, event: Event) {
        self.evidence += event.size();
        self.events.push_back(event);
        while self.events.len() > MOST || (self.evidence > MOST_EVIDENCE && self.events.len() > 1) {
            self.evidence -= self.events.pop_front().map_or(0, |event| event.size());
        }
    }
}

impl Event {
    fn size(&self) -> usize {
        self.activation.quote.as_ref().map_or(0, |quote| quote.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded_in_number_and_bytes() {
        let events = Events::default();
        assert_eq!(events.json(), b"null");
        for _ in 0..MOST + 10 {
            events.activated("web", "u", &[], SystemTime::UNIX_EPOCH);
        }
        assert_eq!(events.0.lock().unwrap().events.len(), MOST);
        for _ in 0..10 {
            events.activated("web", "u", &vec![0; 32 << 10], SystemTime::UNIX_EPOCH);
        }
        let kept = events.0.lock().unwrap();
        assert!(kept.evidence <= MOST_EVIDENCE && kept.events.len() <= 5);
    }
}
