//! Whether a rule can decide a field at all, and whether two rules contradict
//! each other.  Asked before a configuration is taken over.

use concord_core::FieldSpec;
use concord_core::schema::{FieldKind, MergeRule, Shape};

/// A rule that cannot decide its field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    #[error("it is a set, which is merged member by member: leave the rule out")]
    Set,
    #[error("an opt-out always wins, whatever a rule says: leave the rule out")]
    Consent,
    #[error("only consents are decided by 'consent'; take latest, hold or owner")]
    NotConsent,
    #[error("'longest' compares texts; take latest, hold or owner")]
    NotText,
    #[error("'most-complete' compares groups such as an address; take latest, hold or owner")]
    NotGroup,
    #[error("'owner' names nobody; list connections in order, or take latest")]
    NoOwner,
    #[error("'{0}' is named twice among the owners; name it once, where it belongs")]
    OwnerTwice(String),
}

/// Whether a rule can decide this field.
pub fn fits(rule: &MergeRule, spec: &FieldSpec) -> Result<(), Misfit> {
    if spec.shape == Shape::Set {
        return Err(Misfit::Set);
    }
    if spec.kind == FieldKind::Consent {
        return match rule {
            MergeRule::Consent => Ok(()),
            _ => Err(Misfit::Consent),
        };
    }
    match rule {
        MergeRule::Consent => Err(Misfit::NotConsent),
        MergeRule::Longest if spec.kind != FieldKind::Text => Err(Misfit::NotText),
        MergeRule::MostComplete if spec.kind != FieldKind::Group => Err(Misfit::NotGroup),
        MergeRule::Owner(owners) if owners.is_empty() => Err(Misfit::NoOwner),
        MergeRule::Owner(owners) => {
            let twice = |(at, owner): (usize, &String)| owners[..at].contains(owner);
            match owners.iter().enumerate().find(|pair| twice(*pair)) {
                Some((_, owner)) => Err(Misfit::OwnerTwice(owner.clone())),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Two connections that one list of owners puts in one order, and another list
/// of the same field in the other.  Each would put its value back in place of
/// the other's for ever.
pub fn contradiction<'a>(one: &'a MergeRule, other: &'a MergeRule) -> Option<(&'a str, &'a str)> {
    let (MergeRule::Owner(one), MergeRule::Owner(other)) = (one, other) else {
        return None;
    };
    let place = |name: &String| other.iter().position(|known| known == name);
    one.iter().enumerate().find_map(|(at, first)| {
        let first_there = place(first)?;
        let second = one[at + 1..]
            .iter()
            .find(|second| place(second).is_some_and(|there| there < first_there))?;
        Some((first.as_str(), second.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemas;

    fn owner(names: &[&str]) -> MergeRule {
        MergeRule::Owner(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_rule_fits_its_field_or_says_why_not() {
        let schemas = schemas::builtin();
        let person = schemas.get("person").unwrap();
        let check = |field: &str, rule: &MergeRule, expect: Result<(), Misfit>| {
            let spec = person.field(field).unwrap();
            assert_eq!(fits(rule, spec), expect, "{field} {rule:?}");
        };
        check("email", &MergeRule::Hold, Ok(()));
        check("job_title", &MergeRule::Longest, Ok(()));
        check("birthday", &MergeRule::Longest, Err(Misfit::NotText));
        check("address", &MergeRule::MostComplete, Ok(()));
        check("job_title", &MergeRule::MostComplete, Err(Misfit::NotGroup));
        check("tags", &MergeRule::Hold, Err(Misfit::Set));
        check("email_consent", &MergeRule::Consent, Ok(()));
        check("email_consent", &MergeRule::Latest, Err(Misfit::Consent));
        check("email", &MergeRule::Consent, Err(Misfit::NotConsent));
        check("email", &owner(&["a", "b"]), Ok(()));
        check("email", &owner(&[]), Err(Misfit::NoOwner));
        let twice = owner(&["a", "b", "a"]);
        check("email", &twice, Err(Misfit::OwnerTwice("a".into())));
    }

    #[test]
    fn owners_contradict_where_two_lists_order_a_pair_differently() {
        let check = |one: &[&str], other: &[&str], expect: Option<(&str, &str)>| {
            let (one, other) = (owner(one), owner(other));
            assert_eq!(contradiction(&one, &other), expect, "{one:?} {other:?}");
        };
        check(&["a", "b"], &["a", "b"], None);
        check(&["a", "b"], &["b", "a"], Some(("a", "b")));
        check(&["a", "b", "c"], &["c", "a"], Some(("a", "c")));
        check(&["a", "b"], &["c", "b"], None);
        check(&["a"], &["b"], None);
        assert_eq!(contradiction(&owner(&["a", "b"]), &MergeRule::Hold), None);
    }
}
