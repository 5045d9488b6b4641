//! marble
