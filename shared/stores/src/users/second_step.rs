//! Recovery codes and remembered devices.

use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use twostep_domain::{
    account::{AccountSnapshot, Device},
    ids::UserId,
    time::Timestamp,
};

use super::{TotpStep, UserStore};
use crate::{
    table::{self, number, text},
    transaction::{self, Write},
};

/// A recovery code of an account: its index and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecoveryCode {
    pub index: usize,
    pub hash: String,
}

/// What a second step leaves behind in the account.
#[derive(Default)]
pub struct SecondStepTaken<'a> {
    /// The code that was used up.
    pub recovery_code: Option<&'a StoredRecoveryCode>,
    /// The code of an app that was used up.
    pub totp: Option<&'a TotpStep>,
    /// The device to remember, with its id.
    pub device: Option<(&'a str, &'a Device)>,
    /// The ids of devices to forget.
    pub forgotten: &'a [String],
}

impl UserStore {
    /// The write that replaces the recovery codes of an account that has two-step on. Save it with [`Self::commit`], which
    /// fails with [`ChangeError::Outdated`] if two-step is off by now.
    #[must_use]
    pub fn set_recovery_codes(&self, account: &AccountSnapshot, hashes: &[String]) -> Write {
        let update = self
            .update_unchanged(account)
            .condition_expression("two_step = :on AND epoch = :epoch")
            .update_expression("SET recovery_codes = :codes")
            .expression_attribute_values(":on", AttributeValue::Bool(true))
            .expression_attribute_values(":codes", table::texts(hashes));
        transaction::update(update)
    }

    /// The write that removes a device, if there is one with this id.
    #[must_use]
    pub fn forget_device(&self, user: &UserId, device: &str) -> Write {
        let update = self
            .update(user)
            .condition_expression("attribute_exists(devices.#device)")
            .update_expression("REMOVE devices.#device")
            .expression_attribute_names("#device", device);
        transaction::update(update)
    }

    /// [`Self::unchanged`], and the device was used at `now`.
    #[must_use]
    pub fn device_used(&self, account: &AccountSnapshot, device: &str, token_hash: &str, now: Timestamp) -> Write {
        let update = self
            .update_unchanged(account)
            .condition_expression("epoch = :epoch AND devices.#device.token_hash = :hash")
            .update_expression("SET devices.#device.last_used_at = :now")
            .expression_attribute_names("#device", device)
            .expression_attribute_values(":hash", text(token_hash))
            .expression_attribute_values(":now", number(now.0));
        transaction::update(update)
    }

    /// [`Self::unchanged`], and what the second step leaves behind.
    #[must_use]
    pub fn second_step_taken(&self, account: &AccountSnapshot, taken: &SecondStepTaken<'_>) -> Write {
        if taken.recovery_code.is_none() && taken.totp.is_none() && taken.device.is_none() {
            return self.unchanged(account);
        }
        let mut update = self.update_unchanged(account);
        let mut condition = "epoch = :epoch".to_owned();
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        if let Some(StoredRecoveryCode { index, hash }) = taken.recovery_code {
            let _ = write!(condition, " AND recovery_codes[{index}] = :code");
            update = update.expression_attribute_values(":code", text(hash));
            remove.push(format!("recovery_codes[{index}]"));
        }
        if let Some((id, device)) = taken.device {
            set.push("devices.#device = :device");
            update = update
                .expression_attribute_names("#device", id)
                .expression_attribute_values(":device", AttributeValue::M(table::write(device)));
        }
        if let Some(TotpStep { id, step }) = taken.totp {
            // Of two guesses with the codes of one step, one succeeds.
            condition.push_str(" AND authenticators.#totp.last_step < :step");
            set.push("authenticators.#totp.last_step = :step");
            update = update.expression_attribute_names("#totp", id).expression_attribute_values(":step", number(*step));
        }
        for (index, id) in taken.forgotten.iter().enumerate() {
            update = update.expression_attribute_names(format!("#gone{index}"), id);
            remove.push(format!("devices.#gone{index}"));
        }
        let remove = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
        let set = if set.is_empty() { String::new() } else { format!("SET {}", set.join(", ")) };
        transaction::update(update.condition_expression(condition).update_expression(format!("{set}{remove}")))
    }
}
