//! An operation in the state file, with its dependency.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::operation::{Call, Dependency, MethodLabel, Operation, Protocol, System, Traffic};

pub(super) fn serialize<S: Serializer>(operation: &Operation, to: S) -> Result<S::Ok, S::Error> {
    SavedOperation::from(operation).serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Operation, D::Error> {
    SavedOperation::deserialize(from).map(Into::into)
}

#[derive(Serialize, Deserialize)]
struct SavedOperation {
    is_grpc: bool,
    dependency: Option<SavedDependency>,
    method: Cow<'static, str>,
    route: Arc<str>,
}

#[derive(Serialize, Deserialize)]
struct SavedDependency {
    name: Arc<str>,
    call: SavedCall,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedCall {
    Logical,
    Attempt,
    Database(Arc<str>),
    Messaging(Arc<str>),
    Other,
}

impl From<&Operation> for SavedOperation {
    fn from(operation: &Operation) -> Self {
        let dependency = operation.traffic().dependency.as_ref();
        Self {
            is_grpc: operation.is_grpc(),
            dependency: dependency.map(|dependency| SavedDependency {
                name: Arc::clone(&dependency.name),
                call: match &dependency.call {
                    Call::Logical => SavedCall::Logical,
                    Call::Attempt => SavedCall::Attempt,
                    Call::Operation(System::Database(name)) => SavedCall::Database(name.clone()),
                    Call::Operation(System::Messaging(name)) => SavedCall::Messaging(name.clone()),
                    Call::Operation(System::Other) => SavedCall::Other,
                },
            }),
            method: operation.method().into(),
            route: operation.shared_route(),
        }
    }
}

impl From<SavedOperation> for Operation {
    fn from(saved: SavedOperation) -> Self {
        let dependency = saved.dependency.map(|SavedDependency { name, call }| {
            let call = match call {
                SavedCall::Logical => Call::Logical,
                SavedCall::Attempt => Call::Attempt,
                SavedCall::Database(name) => Call::Operation(System::Database(name)),
                SavedCall::Messaging(name) => Call::Operation(System::Messaging(name)),
                SavedCall::Other => Call::Operation(System::Other),
            };
            Dependency { name, call }
        });
        let is_call = dependency.as_ref().is_some_and(|dependency| dependency.system().is_some());
        let protocol = match saved.is_grpc {
            true => Protocol::Grpc,
            false if is_call => Protocol::Call,
            false => Protocol::Http,
        };
        let method = MethodLabel::named(&saved.method);
        Self::new(Arc::new(Traffic { protocol, dependency }), method, saved.route)
    }
}
