//! What must be true of every run, whatever failed in it.
