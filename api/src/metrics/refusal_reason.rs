//! The label of a refusal in metrics: one word for each variant, never a text of a client.

use nexus_domain::Refusal;

/// The reasons for which picks are refused in daily work. They are shown from the start, with 0, so that the first
/// refusal of each counts in a rate.
pub(super) const OF_DAILY_WORK: [&str; 5] =
    ["feature_claimed", "files_claimed", "nothing_available", "dependencies_open", "invalid_transition"];

/// The label of a refusal.
pub(super) const fn reason(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::KeyRevoked => "key_revoked",
        Refusal::RoleTooLow { .. } => "role_too_low",
        Refusal::MemberRoleTooLow { .. } => "member_role_too_low",
        Refusal::NotProjectMember => "not_project_member",
        Refusal::KeyOutOfScope => "key_out_of_scope",
        Refusal::RegistrationClosed(_) => "registration_closed",
        Refusal::JoinTokenInvalid => "join_token_invalid",
        Refusal::ForeignSession(_) => "foreign_session",
        Refusal::NotFound { .. } => "not_found",
        Refusal::EmailTaken(_) => "email_taken",
        Refusal::KeyPrefixTaken => "key_prefix_taken",
        Refusal::SlugTaken { .. } => "slug_taken",
        Refusal::MemberExists => "member_exists",
        Refusal::InvalidTransition { .. } => "invalid_transition",
        Refusal::NotADraft { .. } => "not_a_draft",
        Refusal::NotFinished { .. } => "not_finished",
        Refusal::DependenciesOpen { .. } => "dependencies_open",
        Refusal::DependencyCycle { .. } => "dependency_cycle",
        Refusal::FeatureClaimed { .. } => "feature_claimed",
        Refusal::FilesClaimed { .. } => "files_claimed",
        Refusal::NotHolder { .. } => "not_holder",
        Refusal::NothingAvailable { .. } => "nothing_available",
        Refusal::TooMany { .. } => "too_many",
        Refusal::QuotaExceeded { .. } => "quota_exceeded",
        Refusal::IdempotencyKeyReused => "idempotency_key_reused",
        Refusal::Cluster(_) => "cluster",
        Refusal::SettingOutOfRange { .. } => "setting_out_of_range",
        Refusal::SlugReserved(_) => "slug_reserved",
        Refusal::NotActive { .. } => "not_active",
        Refusal::KeyReadonly => "key_readonly",
        Refusal::NamedTwice(_) => "named_twice",
        Refusal::TicketInvalid => "ticket_invalid",
        Refusal::Superseded => "superseded",
        Refusal::TooMuchWork { .. } => "too_much_work",
        Refusal::KeyReset(_) => "key_reset",
    }
}
