use std::sync::Arc;

/// The protocol and the side of requests. It decides the metric names, the labels, and which
/// statuses are failures.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Traffic {
    pub(crate) protocol: Protocol,
    /// The dependency that this process calls; `None` for requests to this process.
    pub(crate) dependency: Option<Dependency>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Http,
    Grpc,
    /// A call as a future, with any protocol.
    Call,
}

/// A dependency, and the kind of calls to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Dependency {
    pub(crate) name: Arc<str>,
    pub(crate) call: Call,
}

/// The kind of a call, which is the `call` label of HTTP and gRPC clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    /// The caller's request, with all retries.
    Logical,
    /// A single attempt.
    Attempt,
    /// A future, with the system that it calls.
    Operation(System),
}

/// The system called by a future. It decides the metric names and labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum System {
    /// A database, with OpenTelemetry's `db_system_name`.
    Database(Arc<str>),
    /// A messaging system, with OpenTelemetry's `messaging_system`.
    Messaging(Arc<str>),
    Other,
}

impl Call {
    /// The `call` label; a future has none.
    pub(crate) fn label(&self) -> Option<&'static str> {
        match self {
            Self::Logical => Some("logical"),
            Self::Attempt => Some("attempt"),
            Self::Operation(_) => None,
        }
    }
}

impl Dependency {
    /// The protocols of a dependency's traffic, or of the server's.
    pub(crate) fn protocols(of: Option<&Self>) -> &'static [Protocol] {
        match of.map(|dependency| &dependency.call) {
            Some(Call::Operation(_)) => &[Protocol::Call],
            _ => &[Protocol::Http, Protocol::Grpc],
        }
    }

    /// The system that its futures call.
    pub(crate) fn system(&self) -> Option<&System> {
        match &self.call {
            Call::Operation(system) => Some(system),
            Call::Logical | Call::Attempt => None,
        }
    }
}

/// The number of a [`Traffic`] within a lookout: the side, with gRPC in the lowest bit. A
/// dependency whose calls are futures only uses the even number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrafficId(u8);

impl TrafficId {
    pub(crate) const HTTP_SERVER: Self = Self::new(Side::SERVER, Protocol::Http);
    pub(crate) const COUNT: usize = Side::COUNT * 2;

    #[inline]
    pub(crate) const fn new(side: Side, protocol: Protocol) -> Self {
        Self(side.0 << 1 | matches!(protocol, Protocol::Grpc) as u8)
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The number of a side: the server, or one of the dependencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side(u8);

impl Side {
    pub(crate) const SERVER: Self = Self(0);
    /// The maximum number of sides: the server and 63 dependencies.
    pub(crate) const COUNT: usize = 64;

    pub(crate) fn new(number: usize) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number as u8))
    }

    #[inline]
    pub(crate) fn is_client(self) -> bool {
        self != Self::SERVER
    }
}
