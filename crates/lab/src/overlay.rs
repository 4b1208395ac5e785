//! A fault is laid over the world: tables are joined, lists grow, anything else is replaced.

use toml::{Table, Value};

/// Lays `over` upon `base`.
pub(crate) fn lay(base: &mut Table, over: &Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay(below, above),
            (Some(Value::Array(below)), Value::Array(above)) => below.extend(above.iter().cloned()),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Joins two faults that may not contradict each other.
///
/// # Errors
/// The place where both say something and not the same.
pub(crate) fn join(a: &Table, b: &Table) -> Result<Table, String> {
    let mut both = a.clone();
    for (key, value) in b {
        let joined = match (a.get(key), value) {
            (Some(Value::Table(a)), Value::Table(b)) => {
                Value::Table(join(a, b).map_err(|place| format!("{key}.{place}"))?)
            }
            (Some(Value::Array(a)), Value::Array(b)) => Value::Array([a.clone(), b.clone()].concat()),
            (Some(a), b) if a != b => return Err(key.clone()),
            _ => value.clone(),
        };
        both.insert(key.clone(), joined);
    }
    Ok(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn tables_join_lists_grow_and_the_rest_is_replaced() {
        let mut base = table("a = 1\nlist = [1]\n[t]\nx = 1\ny = 1\n");
        lay(&mut base, &table("a = 2\nlist = [2]\n[t]\ny = 2\n"));
        assert_eq!(base, table("a = 2\nlist = [1, 2]\n[t]\nx = 1\ny = 2\n"));
    }

    #[test]
    fn two_faults_may_not_contradict_each_other() {
        let joined = join(&table("l = [1]\n[t]\nx = 1\n"), &table("l = [2]\n[t]\nx = 1\nz = 3\n")).unwrap();
        assert_eq!(joined, table("l = [1, 2]\n[t]\nx = 1\nz = 3\n"));
        assert_eq!(join(&table("[t]\nx = 1\n"), &table("[t]\nx = 2\n")).unwrap_err(), "t.x");
    }
}
