/// Returns the name of a histogram for routes with their own buckets. It contains the family before
/// the unit, since a recorder chooses the buckets by the name.
pub(crate) fn of_family(name: &str, family: &str) -> String {
    let stem = name.strip_suffix("_seconds").unwrap_or(name);
    format!("{stem}_{family}_seconds")
}
