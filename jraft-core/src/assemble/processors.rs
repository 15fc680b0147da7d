//! Requests of the application: the registry of a port, and processors made of closures.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use jraft_spi::Status;
use jraft_spi::env::Env;
use jraft_spi::rpc::{Replier, UserMessage, UserProcessor, UserProcessors, UserRequest};

use crate::sync::RwLock;

/// The processors of one port, by name.
#[derive(Default)]
pub(super) struct Registry(RwLock<BTreeMap<String, Arc<dyn UserProcessor>>>);

impl Registry {
    /// Registers all or none; the name that is taken already otherwise.
    pub(super) fn add(&self, processors: &[Arc<dyn UserProcessor>]) -> Result<(), String> {
        let mut registered = self.0.write();
        let mut names: Vec<&str> = processors.iter().map(|one| one.request_name()).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        let taken = names.iter().find(|name| registered.contains_key(**name)).copied();
        if let Some(name) = twice.or(taken) {
            return Err(name.to_owned());
        }
        for processor in processors {
            registered.insert(processor.request_name().to_owned(), Arc::clone(processor));
        }
        Ok(())
    }

    pub(super) fn remove(&self, names: &[String]) {
        let mut registered = self.0.write();
        for name in names {
            registered.remove(name);
        }
    }
}

impl UserProcessors for Registry {
    fn find(&self, name: &str) -> Option<Arc<dyn UserProcessor>> {
        self.0.read().get(name).cloned()
    }
}

/// A processor made of an async closure; its futures are polled on the loop.
pub(super) struct FnProcessor<F> {
    name: String,
    env: Env,
    call: F,
}

impl<F> FnProcessor<F> {
    pub(super) const fn new(name: String, env: Env, call: F) -> Self {
        Self { name, env, call }
    }
}

impl<F, A> UserProcessor for FnProcessor<F>
where
    F: Fn(UserRequest) -> A + Send + Sync + 'static,
    A: Future<Output = Result<UserMessage, Status>> + Send + 'static,
{
    fn request_name(&self) -> &str {
        &self.name
    }

    fn handle(&self, request: UserRequest, reply: Replier) {
        let answer = (self.call)(request);
        drop(self.env.on_loop("user request", async move { reply.answer(answer.await) }));
    }
}
