//! Logs: one line per event on standard error, for people or as JSON.

use tracing::Level;
use tracing_subscriber::fmt::time::SystemTime;

use crate::config::LogConfig;

/// Installs the log for this process.
pub fn install(config: &LogConfig) {
    let level = if config.debug { Level::DEBUG } else { Level::INFO };
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_timer(SystemTime)
        .with_target(config.debug);
    if config.json {
        builder.json().flatten_event(true).init();
    } else {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        builder.with_ansi(terminal).init();
    }
}
