//! Families of metrics that the node counts by itself, made anew for each request of `/metrics`.

use crate::cluster::{Latency, Measurements, NodeStatus, Role};
use nexus_api_types::{Moment, certificate::Certificate, cluster::ScheduledBackups};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

/// The requests and the memory that the API of a node holds at one moment.
pub(crate) struct Load {
    /// Requests that are worked on, by the names of their queues.
    pub(crate) queues: Vec<(&'static str, u64)>,
    /// Bytes of memory that are reserved, by what for.
    pub(crate) reserved_bytes: Vec<(&'static str, u64)>,
}

/// Makes families of metrics of the node's own measurements, and of the load of its API.
pub(super) fn families(node: &NodeStatus, measured: &Measurements, load: &Load) -> Vec<MetricFamily> {
    let mut families = vec![
        histogram(
            "nexus_raft_commit_seconds",
            "Time from a proposal on the leader until its entry was committed and applied there.",
            &measured.commit,
        ),
        histogram("nexus_storage_flush_seconds", "Time of a flush of the log.", &measured.flush),
        histogram(
            "nexus_apply_seconds",
            "Time to apply a batch of entries, until their state is written.",
            &measured.apply,
        ),
        histogram(
            "nexus_forward_seconds",
            "Time from the sending of a request to the leader until its answer or its failure.",
            &measured.forward,
        ),
        histogram(
            "nexus_read_index_seconds",
            "Time that a linearizable read waited for its index.",
            &measured.read_index,
        ),
        counters(
            "nexus_raft_elections_total",
            "Elections in which this node stood, by outcome.",
            "outcome",
            [("won", measured.elections_won), ("lost", measured.elections_lost)],
        ),
        counter(
            "nexus_leases_expired_total",
            "Sessions that ended because their lease and their grace ran out, as applied by this node.",
            measured.leases_expired,
        ),
        gauges(
            "nexus_queue_depth",
            "Requests that wait or are worked on, by queue.",
            "queue",
            measured.queues.iter().chain(&load.queues).map(|(name, length)| (*name, *length as f64)),
        ),
        gauges(
            "nexus_reserved_bytes",
            "Memory that is reserved for bodies that arrive and answers that leave.",
            "kind",
            load.reserved_bytes.iter().map(|(name, bytes)| (*name, *bytes as f64)),
        ),
        counter(
            "nexus_scrubs_total",
            "Scrubs of the store that came to their end and found nothing.",
            measured.scrubs,
        ),
        gauge(
            "nexus_damaged",
            "1 for a node that has found damage in itself and goes on, since the cluster cannot do without it.",
            if measured.is_damaged { 1.0 } else { 0.0 },
        ),
        gauge(
            "nexus_clock_correction_seconds",
            "How far the clocks of the cluster are ahead of this node's; 0 while they agree.",
            measured.clock_correction_ms as f64 / 1_000.0,
        ),
    ];
    families.extend(certificates(node, measured));
    families.extend(scheduled(node).map(backups).into_iter().flatten());
    // Only a leader knows it: on other nodes the family is absent, as a 0 would look like a good value.
    if node.role == Role::Leader {
        // A leader that is the only voter is its own quorum, which nothing acknowledges.
        let is_alone = node.members.iter().all(|member| !member.voter || member.id == node.id);
        let age = node.quorum_seen.filter(|_| !is_alone).unwrap_or_default();
        let help = "Time since a quorum acknowledged this leader.";
        families.push(gauge("nexus_raft_quorum_age_seconds", help, age.as_secs_f64()));
    }
    families
}

/// The families of a node with certificates; of one without, they are absent.
fn certificates(node: &NodeStatus, measured: &Measurements) -> Vec<MetricFamily> {
    let shown = &node.certificates;
    let end = |certificate: &Certificate| certificate.not_after as f64;
    let uses = [
        ("peers", shown.peers.as_ref().map(end)),
        ("clients", shown.clients.as_ref().map(end)),
        ("authority", shown.authorities.iter().map(end).reduce(f64::min)),
    ];
    let ends: Vec<_> = uses.into_iter().filter_map(|(of, end)| Some((of, end?))).collect();
    if ends.is_empty() {
        return Vec::new();
    }
    let (done, failed) = measured.certificate_reloads;
    vec![
        gauges(
            "nexus_tls_not_after_timestamp_seconds",
            "Unix time after which a certificate of this node is not valid; of authorities, the first one's.",
            "use",
            ends.into_iter(),
        ),
        counters(
            "nexus_tls_reloads_total",
            "Changed certificates that this node took into use, or could not use, by outcome.",
            "outcome",
            [("done", done), ("failed", failed)],
        ),
    ]
}

/// The scheduled backups of this node, if it takes any.
pub(super) fn scheduled(node: &NodeStatus) -> Option<&ScheduledBackups> {
    node.members.iter().find(|member| member.id == node.id)?.backups.as_ref()
}

/// The families of a node that takes backups on a schedule; of another one, they are absent.
fn backups(scheduled: &ScheduledBackups) -> Vec<MetricFamily> {
    let seconds = |millis: u64| millis as f64 / 1_000.0;
    vec![
        gauge(
            "nexus_scheduled_backup_interval_seconds",
            "Time from one scheduled backup to the next.",
            scheduled.every_seconds as f64,
        ),
        gauge(
            "nexus_scheduled_backup_last_timestamp_seconds",
            "Unix time of the newest backup that this node found in the store, whichever node took it; 0 without one.",
            scheduled.last_at.map_or(0, Moment::as_millis) as f64 / 1_000.0,
        ),
        gauge(
            "nexus_scheduled_backup_last_bytes",
            "Size of that backup.",
            scheduled.last_bytes.unwrap_or_default() as f64,
        ),
        gauge(
            "nexus_scheduled_backup_last_duration_seconds",
            "Time that the last backup of this node took, its check included; 0 without one since its start.",
            seconds(scheduled.last_took_ms.unwrap_or_default()),
        ),
        counters(
            "nexus_scheduled_backups_total",
            "Scheduled backups of this node since its start, by outcome.",
            "outcome",
            [("done", scheduled.taken), ("failed", scheduled.failures)],
        ),
    ]
}

fn family(name: &str, help: &str, kind: MetricType, samples: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(samples);
    family
}

fn histogram(name: &str, help: &str, latency: &Latency) -> MetricFamily {
    let bucket = |(bound, count): &(std::time::Duration, u64)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound.as_secs_f64());
        bucket.set_cumulative_count(*count);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_bucket(latency.buckets.iter().map(bucket).collect());
    histogram.set_sample_count(latency.count);
    histogram.set_sample_sum(latency.total.as_secs_f64());
    let mut sample = Metric::default();
    sample.set_histogram(histogram);
    family(name, help, MetricType::HISTOGRAM, vec![sample])
}

fn counter(name: &str, help: &str, value: u64) -> MetricFamily {
    family(name, help, MetricType::COUNTER, vec![counted(value)])
}

fn counters<const N: usize>(
    name: &str,
    help: &str,
    label: &str,
    values: [(&'static str, u64); N],
) -> MetricFamily {
    let sample = |(of, value)| labelled(counted(value), label, of);
    family(name, help, MetricType::COUNTER, values.into_iter().map(sample).collect())
}

fn counted(value: u64) -> Metric {
    let (mut sample, mut counter) = (Metric::default(), Counter::default());
    counter.set_value(value as f64);
    sample.set_counter(counter);
    sample
}

fn gauge(name: &str, help: &str, value: f64) -> MetricFamily {
    family(name, help, MetricType::GAUGE, vec![measured(value)])
}

fn gauges(
    name: &str,
    help: &str,
    label: &str,
    values: impl Iterator<Item = (&'static str, f64)>,
) -> MetricFamily {
    let sample = |(of, value)| labelled(measured(value), label, of);
    family(name, help, MetricType::GAUGE, values.map(sample).collect())
}

fn measured(value: f64) -> Metric {
    let (mut sample, mut gauge) = (Metric::default(), Gauge::default());
    gauge.set_value(value);
    sample.set_gauge(gauge);
    sample
}

fn labelled(mut sample: Metric, label: &str, value: &str) -> Metric {
    let mut pair = LabelPair::default();
    pair.set_name(label.to_owned());
    pair.set_value(value.to_owned());
    sample.set_label(vec![pair]);
    sample
}
