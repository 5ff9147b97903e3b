//! Records the used permissions and denied calls, one file per run, and finds permissions that no call used.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    evaluation::Grant,
    policy::Effect,
    roles::{Role, Roles},
};
use crate::result::Result;

/// One line of a usage file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    Used { function: String, grant: Grant },
    Denied { function: String, action: String, resource: String, reason: String },
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Used { function, grant } => write!(f, "{function}: {grant}"),
            Self::Denied { function, action, resource, reason } => {
                write!(f, "{function}: {action} on {resource}, {reason}")
            }
        }
    }
}

/// A usage file that a running stack appends to.
pub struct Record(Mutex<(File, BTreeSet<Entry>)>);

impl Record {
    /// # Errors
    /// If the file can't be opened.
    pub fn append_to(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| format!("{} can't be written ({error})", path.display()))?;
        Ok(Self(Mutex::new((file, BTreeSet::new()))))
    }

    /// Adds an entry once.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn add(&self, entry: Entry) -> Result<()> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, known) = &mut *guard;
        if !known.contains(&entry) {
            let line = serde_json::to_string(&entry)? + "\n";
            // Write the line at once, so that it doesn't mix with another process's lines.
            file.write_all(line.as_bytes())?;
            known.insert(entry);
        }
        Ok(())
    }
}

/// All entries of all files in `folder`.
///
/// # Errors
/// If there is no such folder, or a line is malformed.
pub fn read(folder: &Path) -> Result<BTreeSet<Entry>> {
    let mut entries = BTreeSet::new();
    for file in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        for line in fs::read_to_string(file?.path())?.lines() {
            entries.insert(serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?);
        }
    }
    Ok(entries)
}

/// A permission of a function that no call used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unused {
    pub function: String,
    pub grant: Grant,
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.function, self.grant)
    }
}

/// Every allowed pair of an action and a resource, except those that were used and those that only AWS uses.
#[must_use]
pub fn unused(roles: &Roles, entries: &BTreeSet<Entry>) -> Vec<Unused> {
    let mut unused = Vec::new();
    for (function, role) in roles {
        for policy in &role.policies {
            for (place, statement) in policy.statements.iter().enumerate() {
                if statement.effect == Effect::Deny {
                    continue;
                }
                for action in statement.actions.listed() {
                    for resource in statement.resources.listed() {
                        let grant = Grant::new(policy, place, action, resource);
                        let used = Entry::Used { function: function.clone(), grant: grant.clone() };
                        if !entries.contains(&used) && !is_for_aws(role, action, resource) {
                            unused.push(Unused { function: function.clone(), grant });
                        }
                    }
                }
            }
        }
    }
    unused
}

/// Lambda writes a function's logs with the function's role.
const LOG_ACTIONS: [&str; 3] = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"];

/// Lambda's event source mappings read streams and queues with the function's role. The actions count as used by AWS
/// only if the function has such a source.
const SOURCE_ACTIONS: [&str; 7] = [
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
];

/// Lambda also sends records that failed for good with the function's role.
const DESTINATION_ACTIONS: [&str; 1] = ["sqs:SendMessage"];

/// Whether only AWS itself uses the permission.
fn is_for_aws(role: &Role, action: &str, resource: &str) -> bool {
    let is_in = |actions: &[&str]| actions.iter().any(|known| known.eq_ignore_ascii_case(action));
    let service = action.split(':').next().unwrap_or_default();
    let covers = |arn: &String| {
        let same_service = arn.split(':').nth(2) == Some(service);
        same_service && (resource == "*" || resource == arn)
    };
    is_in(&LOG_ACTIONS)
        || (is_in(&SOURCE_ACTIONS) && role.event_sources.iter().any(covers))
        || (is_in(&DESTINATION_ACTIONS) && role.failure_destinations.iter().any(covers))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::iam::{calls, policy::Policy};

    fn roles(event_sources: &[&str]) -> Roles {
        let statement = |actions: &[&str], resources: &[&str]| json!({ "Effect": "Allow", "Action": actions, "Resource": resources });
        let document = json!({ "Version": "2012-10-17", "Statement": [
            statement(&["dynamodb:GetItem", "dynamodb:PutItem"], &["arn:aws:dynamodb:r:1:table/a", "arn:aws:dynamodb:r:1:table/b"]),
            statement(&["logs:PutLogEvents"], &["*"]),
            statement(&["dynamodb:GetRecords"], &["arn:aws:dynamodb:r:1:table/a/stream/x"]),
            statement(&["sqs:SendMessage"], &["arn:aws:sqs:r:1:parked"]),
            json!({ "Effect": "Deny", "Action": "dynamodb:DeleteTable", "Resource": "*" }),
        ] });
        let policies = vec![Policy::parse("P", &document, &calls::condition_keys()).unwrap()];
        let event_sources = event_sources.iter().map(|&source| source.to_owned()).collect();
        let failure_destinations = vec!["arn:aws:sqs:r:1:parked".to_owned()];
        let role = Role { name: "R".into(), policies, boundary: None, event_sources, failure_destinations };
        Roles::from([("f".to_owned(), role)])
    }

    fn used(action: &str, resource: &str) -> Entry {
        let (statement, action, resource) = ("P[0]".to_owned(), action.to_owned(), resource.to_owned());
        Entry::Used { function: "f".into(), grant: Grant { statement, action, resource } }
    }

    #[test]
    fn each_action_on_each_resource_must_be_used_by_that_function() {
        let stream = "arn:aws:dynamodb:r:1:table/a/stream/x";
        let entries = BTreeSet::from([
            used("dynamodb:GetItem", "arn:aws:dynamodb:r:1:table/a"),
            used("dynamodb:PutItem", "arn:aws:dynamodb:r:1:table/b"),
        ]);
        let found =
            |sources: &[&str]| unused(&roles(sources), &entries).iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected = [
            "f: dynamodb:GetItem on arn:aws:dynamodb:r:1:table/b (P[0])",
            "f: dynamodb:PutItem on arn:aws:dynamodb:r:1:table/a (P[0])",
        ];
        assert_eq!(found(&[stream]), expected);
        let without_a_source = found(&[]);
        assert_eq!(without_a_source.len(), 3);
        assert_eq!(without_a_source[2], format!("f: dynamodb:GetRecords on {stream} (P[2])"));
        assert_eq!(found(&["arn:aws:dynamodb:r:1:table/b/stream/x"]), without_a_source, "another table's stream");
    }

    #[test]
    fn a_record_is_read_as_it_was_written_from_all_files() {
        let folder = std::env::temp_dir().join(format!("iam-usage-{}", std::process::id()));
        let one = used("dynamodb:GetItem", "a");
        let other = Entry::Denied {
            function: "g".into(),
            action: "dynamodb:PutItem".into(),
            resource: "b".into(),
            reason: "because".into(),
        };
        let record = Record::append_to(&folder.join("one.jsonl")).unwrap();
        record.add(one.clone()).unwrap();
        record.add(one.clone()).unwrap();
        Record::append_to(&folder.join("other.jsonl")).unwrap().add(other.clone()).unwrap();
        assert_eq!(fs::read_to_string(folder.join("one.jsonl")).unwrap().lines().count(), 1);
        assert_eq!(read(&folder).unwrap(), BTreeSet::from([one, other]));
        fs::remove_dir_all(&folder).unwrap();
        assert!(read(&folder).is_err());
    }
}
