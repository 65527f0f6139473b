//! Tower layers that watch a service exactly, and raise the alarm seconds after a threshold is
//! breached.

