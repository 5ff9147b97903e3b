use serde::Deserialize;

use super::{
    super::{Password, is_outdated, verify},
    *,
};

/// What `tests/hashes/make.py` made with the original libraries.
#[derive(Deserialize)]
struct Vectors {
    hashes: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    made_by: String,
    kind: String,
    password: String,
    value: String,
    key: Option<String>,
}

fn vectors() -> Vec<Vector> {
    let vectors: Vectors = serde_json::from_str(include_str!("../../../../tests/hashes/vectors.json")).unwrap();
    vectors.hashes
}

fn entered(text: &str) -> Password {
    Password::read(&text.to_owned().into()).unwrap()
}

#[test]
fn hashes_of_the_original_libraries_fit_their_passwords_alone() {
    let mut kinds = Vec::new();
    for Vector { made_by, kind, password, value, key } in vectors() {
        let kind: HashKind = kind.parse().unwrap();
        kinds.push(<&str>::from(kind));
        let hash = import(kind, &value, key.as_deref()).unwrap_or_else(|_| panic!("{made_by}: {value}"));
        assert!(verify(&hash, &entered(&password)), "{made_by}: {value}");
        assert!(!verify(&hash, &entered(&format!("{password}x"))) || password.len() >= 72, "{made_by}");
        assert!(!verify(&hash, &entered("")), "{made_by}");
        assert!(is_outdated(&hash), "{made_by}");
        assert_eq!(export(&hash), Some((kind, value, key)), "{made_by}");
    }
    for kind in ["argon2", "bcrypt", "scrypt", "pbkdf2", "django", "phpass", "hmac_sha256"] {
        assert!(kinds.contains(&kind), "no vector of {kind}");
    }
}

#[test]
fn bcrypt_ends_at_seventy_two_bytes_as_its_libraries_do() {
    let long = vectors().into_iter().find(|vector| vector.kind == "bcrypt" && vector.password.len() == 72).unwrap();
    let hash = import(HashKind::Bcrypt, &long.value, None).unwrap();
    assert!(verify(&hash, &entered(&format!("{}and more", long.password))));
    assert!(!verify(&hash, &entered(&long.password[..71])));
    assert!(!verify(&hash, &entered(&format!("{}\0", long.password))));
}

#[test]
fn a_password_is_tried_as_it_was_entered() {
    // "é" as two characters, which macOS sends from some fields.
    let decomposed = "cafe\u{301} au lait";
    let hash = |password: &str| {
        let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"key"), password.as_bytes());
        let digit = |byte: u8| char::from_digit(u32::from(byte), 16).unwrap();
        let hex: String = signed.as_ref().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        import(HashKind::HmacSha256, &hex, Some("key")).unwrap()
    };
    assert!(verify(&hash(decomposed), &entered(decomposed)));
    assert!(verify(&hash("caf\u{e9} au lait"), &entered(decomposed)));
    assert!(!verify(&hash(decomposed), &entered("cafe au lait")));
}

#[test]
fn costs_that_exhaust_are_refused_before_they_are_paid() {
    let salt = "c2FsdHNhbHRzYWx0";
    let hash = "aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    let bcrypt = |cost: u32| format!("$2b${cost:02}$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
    assert!(import(HashKind::Bcrypt, &bcrypt(12), None).is_ok());
    for (kind, value) in [
        (HashKind::Bcrypt, bcrypt(31)),
        (HashKind::Bcrypt, bcrypt(15)),
        (HashKind::Bcrypt, bcrypt(3)),
        (HashKind::Scrypt, format!("$scrypt$ln=30,r=8,p=1${salt}${hash}")),
        (HashKind::Scrypt, format!("$scrypt$ln=14,r=8,p=1000000${salt}${hash}")),
        (HashKind::Scrypt, format!("$scrypt$ln=14,r=4294967295,p=1${salt}${hash}")),
        (HashKind::Argon2, format!("$argon2id$v=19$m=4194304,t=1,p=1${salt}${hash}")),
        (HashKind::Argon2, format!("$argon2id$v=19$m=65536,t=1000,p=1${salt}${hash}")),
        (HashKind::Pbkdf2, format!("$pbkdf2-sha256$i=1000000000,l=32${salt}${hash}")),
        (HashKind::Pbkdf2, format!("$pbkdf2-sha256$1000${salt}${}", hash.repeat(20))),
        (HashKind::Django, format!("pbkdf2_sha256$1000000000$salt${hash}=")),
        (HashKind::Phpass, "$P$zabcdefgh0123456789012345678901".to_owned()),
    ] {
        assert_eq!(import(kind, &value, None), Err(InvalidHash), "{value}");
        let started = PasswordHash(value.clone());
        assert!(!verify(&started, &entered("password")), "{value}");
    }
}

#[test]
fn what_is_no_hash_of_its_kind_is_refused() {
    for vector in vectors() {
        let kind: HashKind = vector.kind.parse().unwrap();
        let value = &vector.value;
        let other = if kind == HashKind::Django { HashKind::Pbkdf2 } else { HashKind::Django };
        let key = vector.key.as_deref();
        assert!(import(other, value, key).is_err(), "another kind");
        for cut in [0, 1, value.len() / 2] {
            assert!(import(kind, &value[..cut], key).is_err(), "{value} cut at {cut}");
        }
        assert!(import(kind, &format!("{value}\n"), key).is_err());
        assert!(import(kind, &format!("{value}é"), key).is_err());
    }
    for (value, key) in [("00", Some("k")), ("zz", Some("k")), (&*"0".repeat(64), None), (&*"0".repeat(64), Some(""))] {
        assert!(import(HashKind::HmacSha256, value, key).is_err());
    }
    assert!(import(HashKind::Bcrypt, "", None).is_err());
}

#[test]
fn a_text_that_is_no_hash_costs_as_much_as_an_unknown_address_and_fits_nothing() {
    let nonsense = PasswordHash("plain text".to_owned());
    assert!(is_outdated(&nonsense) && !verify(&nonsense, &entered("plain text")));
}
