/// What a histogram is called for routes that have buckets of their own, since a recorder chooses the
/// buckets by the name: the family's word stands before the unit.
pub(crate) fn of_family(name: &str, family: &str) -> String {
    let stem = name.strip_suffix("_seconds").unwrap_or(name);
    format!("{stem}_{family}_seconds")
}
