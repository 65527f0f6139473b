//! The presets. Each file has the names and the labels of one preset.

mod axum_prometheus;
mod go_grpc;
mod grpc_type;
mod labelling;
mod names;
mod otel;
mod outcome_filter;
mod preset;
mod selection;
mod spring_boot;

pub use self::{grpc_type::GrpcType, preset::Preset};
pub(crate) use self::{
    names::Names,
    outcome_filter::{OutcomeFilter, Values},
    selection::Presets,
};
