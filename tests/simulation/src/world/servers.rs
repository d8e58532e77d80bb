//! The servers of a world as a joining node reaches them: in memory instead of by HTTP, over links that take time and
//! stall, and on the runtime of the node that is asked.

use super::network::{Network, Place};
use futures::future::BoxFuture;
use nexus_api::{
    cluster::{Cluster, Operation, OperationOutcome},
    failure::ApiError,
    joining,
};
use nexus_api_types::cluster::{JoinRequest, Joined};
use nexus_domain::InstanceId;
use nexus_node::membership::join_client::{JOIN_TIMEOUT, JoinClient, JoinError};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

/// The servers of a world, by their addresses for clients. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Servers(Arc<Mutex<BTreeMap<String, Server>>>);

struct Server {
    place: Place,
    /// The node, while it serves, and the runtime that it runs on.
    serving: Option<(Handle, Arc<dyn Cluster>)>,
}

impl Servers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Server>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a machine has this address.
    pub(super) fn add(&self, addr: String, place: Place) {
        self.lock().insert(addr, Server { place, serving: None });
    }

    /// Notes that a node serves, on the runtime of the caller.
    pub(super) fn serves(&self, place: Place, cluster: Arc<dyn Cluster>) {
        self.set(place, Some((Handle::current(), cluster)));
    }

    /// Notes that a node serves no more.
    pub(super) fn has_ended(&self, place: Place) {
        self.set(place, None);
    }

    fn set(&self, place: Place, serving: Option<(Handle, Arc<dyn Cluster>)>) {
        let former = {
            let mut servers = self.lock();
            servers
                .values_mut()
                .find(|server| server.place == place)
                .and_then(|server| std::mem::replace(&mut server.serving, serving))
        };
        // The lock is not held while a node is dropped.
        drop(former);
    }

    fn place_of(&self, addr: &str) -> Option<Place> {
        self.lock().get(addr).map(|server| server.place)
    }

    fn serving(&self, addr: &str) -> Option<(Handle, Arc<dyn Cluster>)> {
        self.lock().get(addr)?.serving.clone()
    }
}

/// Asks the servers of a world, from one place in it.
pub(super) struct SimulatedJoinClient {
    pub(super) servers: Servers,
    pub(super) network: Network,
    pub(super) place: Place,
}

impl SimulatedJoinClient {
    async fn ask(&self, server: &str, request: &JoinRequest) -> Result<Joined, JoinError> {
        let later = |why: &str| Err(JoinError::Later(why.to_owned()));
        let addr = server.trim_start_matches("http://");
        let Some(to) = self.servers.place_of(addr) else { return later("no machine has this address") };
        self.network.cross(self.place, to).await;
        let Some((runtime, cluster)) = self.servers.serving(addr) else { return later("connection refused") };
        let (sender, receiver) = oneshot::channel();
        let request = request.clone();
        // A client that gave up does not end what it began.
        runtime.spawn(async move {
            let _ = sender.send(let_in(&*cluster, request).await);
        });
        let answer = match receiver.await {
            Ok(answer) => answer,
            Err(_) => later("the connection broke"),
        };
        self.network.cross(to, self.place).await;
        answer
    }
}

impl JoinClient for SimulatedJoinClient {
    fn join<'a>(
        &'a self,
        server: &'a str,
        request: &'a JoinRequest,
    ) -> BoxFuture<'a, Result<Joined, JoinError>> {
        Box::pin(async move {
            let answer = timeout(JOIN_TIMEOUT, self.ask(server, request)).await;
            answer.unwrap_or_else(|_| Err(JoinError::Later("no answer in time".to_owned())))
        })
    }
}

/// The answer of a server, as the route of `POST /cluster/members` gives it.
async fn let_in(cluster: &dyn Cluster, request: JoinRequest) -> Result<Joined, JoinError> {
    let JoinRequest { join_token, instance, peer_addr, client_addr, replica } = request;
    let (instance, replica) = (InstanceId(instance), replica.unwrap_or_default());
    let token = nexus_api::auth::token_digest(&join_token);
    let join = Operation::Join { token, instance, peer_addr, client_addr, replica };
    let node = match cluster.operate(join).await {
        Ok(OperationOutcome::Joined { node }) => node,
        Ok(other) => return Err(JoinError::Later(format!("an answer to something else: {other:?}"))),
        Err(error) => return Err(as_by_http(error.into())),
    };
    joining::joined(cluster, &join_token, instance, node).await.map_err(as_by_http)
}

/// An error as the client by HTTP takes it: what is the client's own fault stays so.
fn as_by_http(error: ApiError) -> JoinError {
    if (400..500).contains(&error.code.status()) {
        JoinError::Final(error.message)
    } else {
        JoinError::Later(error.message)
    }
}
