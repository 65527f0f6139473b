//! The presets. Each file has the names and the labels of one preset.

mod axum_prometheus;
mod go_grpc;
mod grpc_type;
mod labelling;
mod names;
mod otel;
mod preset;
mod selection;
mod spring_boot;

pub(crate) use self::selection::Presets;
pub use self::{grpc_type::GrpcType, preset::Preset};
