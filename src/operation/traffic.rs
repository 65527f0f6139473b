use std::sync::Arc;

/// On which side of which protocol requests pass: what decides over names and labels, and over what
/// counts as a failure.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Traffic {
    pub(crate) protocol: Protocol,
    /// Whom this process calls; `None` where it is called.
    pub(crate) dependency: Option<Dependency>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Http,
    Grpc,
    /// A future of the process's own, which may speak anything.
    Call,
}

/// Whom a client calls, and at which height.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Dependency {
    pub(crate) name: Arc<str>,
    pub(crate) call: Call,
}

/// What one measured call is; the `call` label of the metrics of HTTP and gRPC clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    /// What the caller asked for, with all retries.
    Logical,
    /// A single attempt.
    Attempt,
    /// A future, with what it calls.
    Operation(System),
}

/// What a watched future calls: it decides over names and labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum System {
    /// A database, by OpenTelemetry's name of its product.
    Database(Arc<str>),
    /// A messaging system, by OpenTelemetry's name of it.
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
    /// The protocols that its traffic may have.
    pub(crate) fn protocols(of: Option<&Self>) -> &'static [Protocol] {
        match of.map(|dependency| &dependency.call) {
            Some(Call::Operation(_)) => &[Protocol::Call],
            _ => &[Protocol::Http, Protocol::Grpc],
        }
    }

    /// What its futures call.
    pub(crate) fn system(&self) -> Option<&System> {
        match &self.call {
            Call::Operation(system) => Some(system),
            Call::Logical | Call::Attempt => None,
        }
    }
}

/// A [`Traffic`]'s number within a lookout: the side, and in the lowest bit whether it is gRPC. A
/// dependency whose calls are futures has the even number alone.
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
    /// How many there may be: the server, and 63 dependencies.
    pub(crate) const COUNT: usize = 64;

    pub(crate) fn new(number: usize) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number as u8))
    }

    #[inline]
    pub(crate) fn is_client(self) -> bool {
        self != Self::SERVER
    }
}
