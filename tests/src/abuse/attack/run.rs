//! Sends the kind that the target names.

use super::{
    Attack, aborts, bodies, connections, dependencies, features, hook, pages, patterns, peers, people,
    replies, sessions, sockets, unread,
};
use crate::abuse::kind::Kind;

/// Sends the kind of an attack until its time is over.
pub async fn run(attack: &Attack) {
    let end = attack.end(1.0);
    let sending = async {
        match attack.target().kind {
            Kind::Nothing => {}
            Kind::Patterns => patterns::send(attack).await,
            Kind::Features => features::send(attack).await,
            Kind::Dependencies => dependencies::send(attack).await,
            Kind::Bodies => bodies::send(attack).await,
            Kind::Aborts => aborts::send(attack).await,
            Kind::Connections => connections::send(attack).await,
            Kind::Unread => unread::send(attack).await,
            Kind::Pages => pages::send(attack).await,
            Kind::Projects => people::projects(attack).await,
            Kind::Registrations => people::registrations(attack).await,
            Kind::Sockets => sockets::sockets(attack).await,
            Kind::Tickets => sockets::tickets(attack).await,
            Kind::Polls => unread::polls(attack).await,
            Kind::Sessions => sessions::send(attack).await,
            Kind::Replies => replies::send(attack).await,
            Kind::Peers => peers::send(attack).await,
            Kind::Hook => hook::send(attack).await,
        }
    };
    // An attack that is done early keeps everything open for the rest of the time.
    let _ = tokio::time::timeout_at(end.into(), sending).await;
    tokio::time::sleep_until(end.into()).await;
}
