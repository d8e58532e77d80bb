//! Invariants that hold after every entry. Stories and random histories check them after each entry, tests of whole
//! clusters at the end. A running node never checks them, since that takes time in proportion to the state.

use crate::{
    entity::Status,
    state::{ClaimRef, State},
};

/// A broken invariant, described for a test's output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(String);

impl State {
    /// Checks all invariants of a state. Takes time in proportion to its size.
    ///
    /// # Errors
    /// The first violation found.
    pub fn check_invariants(&self) -> Result<(), Violation> {
        self.no_file_has_two_holders()?;
        self.every_claim_has_a_living_session()?;
        self.every_active_feature_has_a_living_session()?;
        self.every_checkpoint_has_its_feature()?;
        self.indexes_are_what_rows_make()
    }

    fn no_file_has_two_holders(&self) -> Result<(), Violation> {
        for (key, claim) in &self.claims {
            let obstacle = self.obstacle(key.project, &key.path, claim.mode, Some(key.session));
            if let Some((path, ClaimRef { session, .. })) = obstacle {
                return Err(Violation(format!(
                    "{} of session {} collides with {path} of session {session}",
                    key.path, key.session
                )));
            }
        }
        Ok(())
    }

    fn every_claim_has_a_living_session(&self) -> Result<(), Violation> {
        for key in self.claims.keys() {
            let Some(session) = self.sessions.get(&key.session) else {
                return Err(Violation(format!("{} is claimed by a session that is gone", key.path)));
            };
            if session.project != key.project {
                return Err(Violation(format!("{} is claimed from another project", key.path)));
            }
            let feature = key.feature.and_then(|id| self.features.get(&(key.project, id)));
            if key.feature.is_some() && !feature.is_some_and(|feature| feature.is_held_by(key.session)) {
                return Err(Violation(format!(
                    "{} is claimed for a feature that its session does not hold",
                    key.path
                )));
            }
        }
        Ok(())
    }

    fn every_active_feature_has_a_living_session(&self) -> Result<(), Violation> {
        for feature in self.features.values() {
            let Status::Active { holder, .. } = &feature.status else { continue };
            if !self.sessions.contains_key(&holder.session) {
                return Err(Violation(format!("{} is held by a session that is gone", feature.slug)));
            }
        }
        Ok(())
    }

    fn every_checkpoint_has_its_feature(&self) -> Result<(), Violation> {
        match self.latest_checkpoints.keys().find(|id| !self.features.contains_key(*id)) {
            Some((_, feature)) => Err(Violation(format!("a checkpoint is of {feature}, which is gone"))),
            None => Ok(()),
        }
    }

    fn indexes_are_what_rows_make(&self) -> Result<(), Violation> {
        match Self::from_rows(self.rows()).map(|made| made.with_cleanup_limits(self.cleanup_limits)) {
            Ok(made) if made == *self => Ok(()),
            Ok(_) => Err(Violation("the indexes are not what the rows make".to_owned())),
            Err(error) => Err(Violation(error.to_string())),
        }
    }
}
