use std::{
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::LookoutBuilder;
use crate::{
    lookout::StartError,
    notify::Dispatcher,
    suppress::{Inhibition, Silence, Suppressor},
};

/// Alerting: silences, inhibitions and the quiet time after the start. See the
/// [guide](crate::guide::operations#silence-inhibit-and-acknowledge-alerts).
impl LookoutBuilder {
    /// Adds a silence or a [maintenance window](Silence::maintenance). One that has ended at the
    /// start is ignored. Defaults to none.
    pub fn silence(mut self, silence: Silence) -> Self {
        self.silences.push(silence);
        self
    }

    /// Adds an inhibition: its target alerts are not sent while a source alert fires. Defaults to
    /// none.
    #[doc(alias("inhibit_rules"))]
    pub fn inhibition(mut self, inhibition: Inhibition) -> Self {
        self.inhibitions.push(inhibition);
        self
    }

    /// Mutes the alerts of rules for this time after the start, at most
    /// [`LONGEST_QUIET`](Self::LONGEST_QUIET), since a deploy with cold caches raises some. An
    /// alert that still fires after that time is sent then. Reports are sent at once. Defaults to
    /// none.
    ///
    /// A service in a crash loop stays quiet. A [heartbeat](Self::heartbeat) detects that.
    #[doc(alias("mute", "deploy", "grace period"))]
    pub fn quiet_after_start(mut self, duration: Duration) -> Self {
        self.quiet_after_start = Some(duration);
        self
    }

    /// The maximum of [`quiet_after_start`](Self::quiet_after_start): one hour.
    pub const LONGEST_QUIET: Duration = Duration::from_secs(60 * 60);

    pub(super) fn check_controls(&self) -> Result<(), StartError> {
        let now = SystemTime::now();
        for silence in self.silences.iter().filter(|silence| !silence.has_ended(now)) {
            silence.clone().checked(now).map_err(|error| setting("silence", error.to_string()))?;
            if silence.is_until_resolved() {
                let problem = "no alert fires before the start: set a duration".to_owned();
                return Err(setting("silence", problem));
            }
        }
        for inhibition in &self.inhibitions {
            inhibition.check().map_err(|error| setting("inhibition", error.to_string()))?;
        }
        match self.quiet_after_start {
            Some(duration) if duration > Self::LONGEST_QUIET => {
                let text = humantime::format_duration(duration);
                let problem = format!("{text} is longer than 1h: set a shorter time");
                Err(setting("quiet_after_start", problem))
            }
            _ => Ok(()),
        }
    }

    /// Creates the suppressor with the controls of the builder and of the file.
    pub(super) fn controls(
        &mut self,
        dispatcher: &Arc<Dispatcher>,
    ) -> Result<Suppressor, StartError> {
        let suppressor = Suppressor::new(Arc::clone(dispatcher));
        let (silences, inhibitions) =
            (mem::take(&mut self.silences), mem::take(&mut self.inhibitions));
        let configured = suppressor.configure(false, silences, inhibitions);
        #[cfg(feature = "toml")]
        let configured = configured.and_then(|()| {
            let controls = mem::take(&mut self.file_controls);
            self.quiet_after_start = controls.quiet_after_start.or(self.quiet_after_start);
            suppressor.configure(true, controls.silences, controls.inhibitions)
        });
        configured.map_err(|error| setting("silence", error.to_string()))?;
        if let Some(duration) = self.quiet_after_start.filter(|duration| !duration.is_zero()) {
            suppressor.quiet(SystemTime::now(), duration);
        }
        Ok(suppressor)
    }
}

fn setting(field: &'static str, problem: String) -> StartError {
    StartError::Setting { field, problem }
}
