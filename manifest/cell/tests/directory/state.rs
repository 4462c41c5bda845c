//! The state machine by itself: transitions, refusals, bounds, determinism of single commands.

use std::collections::BTreeMap;

use firn_cell::access::{KeyHash, ScramKey};
use firn_cell::audit::{AuditQuery, RECENT};
use firn_cell::ids::DirectoryId;
use firn_cell::op::{KeyDraft, RequestId};
use firn_cell::state::{OPERATOR_USER, REMEMBERED};
use firn_cell::tenant::{KekRef, Quotas};
use firn_cell::{
    ApiKeyId, Command, Directory, GrantId, Op, Outcome, Quota, ReadAudit, Refusal, Reply, RequestNumber, Role, Scope,
    ScramVerifier, Status, TenantId, Time,
};
use firn_manifest::ids::{ChainHash, NamespaceId};
use uuid::Uuid;

use crate::{id, name, region};

pub const DIRECTORY: DirectoryId = DirectoryId(Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef));
pub const AT: Time = Time(1_700_000_000_000_000);

pub fn empty() -> Directory {
    Directory::new(DIRECTORY, AT)
}

pub fn command(op: Op) -> Command {
    Command { actor: "ops@example.org".parse().unwrap(), request: None, op }
}

pub fn kek(generation: u32, revision: u32) -> KekRef {
    KekRef {
        generation,
        revision,
        wrapped_by: "local:0123456789abcdef".to_owned(),
        digest: ChainHash::of(&[u8::try_from(generation % 256).unwrap(), u8::try_from(revision % 256).unwrap()]),
        created_at: AT,
        retired_at: None,
    }
}

pub fn key(byte: u8) -> KeyDraft {
    KeyDraft {
        role: Role::Writer,
        label: format!("key {byte}"),
        expires_at: None,
        hash: KeyHash([byte; 32]),
        scram: ScramVerifier {
            salt: "00112233445566778899aabbccddeeff".to_owned(),
            iterations: 4096,
            stored: ScramKey([byte; 32]),
            server: ScramKey([byte ^ 1; 32]),
        },
    }
}

pub fn create(n: u64, text: &str) -> Op {
    Op::CreateTenant {
        tenant: id(n),
        namespace: NamespaceId(Uuid::from_u128(n.into())),
        name: name(text),
        region: region(),
        kek: kek(1, 1),
        scram_salt: "00112233445566778899aabbccddeeff".to_owned(),
        quotas: Quotas::default(),
        read_audit: ReadAudit::default(),
        key: None,
    }
}

fn run(directory: &mut Directory, op: Op) -> Outcome {
    directory.apply(&command(op), AT)
}

fn status(directory: &Directory, n: u64) -> Status {
    directory.tenant(id(n)).unwrap().status
}

/// A directory with tenant 1, `acme`, in a status.
fn with(status: Status) -> Directory {
    let mut directory = empty();
    run(&mut directory, create(1, "acme")).unwrap();
    let tenant = id(1);
    let begin = Op::BeginErase { tenant, basis: "request".to_owned() };
    let steps = match status {
        Status::Active => vec![],
        Status::Suspended => vec![Op::Suspend { tenant }],
        Status::Sealed => vec![Op::Seal { tenant }],
        Status::Pending => vec![begin],
        Status::Erasing => vec![begin, Op::DestroyKeys { tenant, head: None }],
        Status::Erased => {
            vec![begin, Op::DestroyKeys { tenant, head: None }, Op::FinishErase { tenant, receipt: "{}".to_owned() }]
        }
    };
    for step in steps {
        run(&mut directory, step).unwrap();
    }
    assert_eq!(self::status(&directory, 1), status);
    directory
}

/// The table of `tenant.rs`, attacked from every status with every command that changes it.
#[test]
fn a_status_changes_as_the_table_says_and_no_other_way() {
    let tenant = id(1);
    for from in Status::ALL {
        let steps = [
            (Op::Suspend { tenant }, Status::Suspended),
            (Op::Seal { tenant }, Status::Sealed),
            (Op::Resume { tenant }, Status::Active),
        ];
        for (op, to) in steps {
            let mut directory = with(from);
            let before = directory.encode().unwrap();
            let outcome = run(&mut directory, op.clone());
            if from == to || from.may_become(to) {
                assert!(outcome.is_ok(), "{from} {}", op.name());
                assert_eq!(status(&directory, 1), to);
            } else {
                assert!(matches!(outcome, Err(Refusal::WrongStatus { status, .. }) if status == from), "{outcome:?}");
                assert_eq!(status(&directory, 1), from);
                assert_eq!(directory.recent_audit(&AuditQuery::default()).0.len(), count(&before));
            }
        }
        let mut directory = with(from);
        let begun = run(&mut directory, Op::BeginErase { tenant, basis: "again".to_owned() });
        assert!(begun.is_ok(), "asking twice is no error");
        assert_eq!(status(&directory, 1), if from.alive() { Status::Pending } else { from });
        let mut directory = with(from);
        let destroyed = run(&mut directory, Op::DestroyKeys { tenant, head: None });
        let may = matches!(from, Status::Pending | Status::Erasing | Status::Erased);
        assert_eq!(destroyed.is_ok(), may, "{from}");
        let mut directory = with(from);
        let finished = run(&mut directory, Op::FinishErase { tenant, receipt: "{\"second\":1}".to_owned() });
        match from {
            Status::Erasing | Status::Erased => {
                finished.unwrap();
                let first = if from == Status::Erased { "{}" } else { "{\"second\":1}" };
                assert_eq!(directory.tenant(tenant).unwrap().receipt(), Some(first), "the first receipt stays");
            }
            _ => assert!(matches!(finished, Err(Refusal::WrongStatus { .. }))),
        }
    }
}

fn count(state: &[u8]) -> usize {
    Directory::decode(state).unwrap().recent_audit(&AuditQuery::default()).0.len()
}

#[test]
fn nothing_of_a_tenant_changes_once_its_erasure_was_begun() {
    let tenant = id(1);
    for from in [Status::Pending, Status::Erasing, Status::Erased] {
        let ops = [
            Op::RenameTenant { tenant, name: name("other") },
            Op::MoveTenant { tenant, region: region() },
            Op::SetQuota { tenant, limits: BTreeMap::from([(Quota::StorageBytes, Some(1))]) },
            Op::SetReadAudit { tenant, level: ReadAudit::All },
            Op::AddKek { tenant, kek: kek(2, 1) },
            Op::RewrapKek { tenant, kek: kek(1, 2) },
            Op::RetireKek { tenant, generation: 1 },
            Op::CreateKey { scope: Scope::Tenant(tenant), key: key(9) },
            Op::AcquireLease { tenant, gateway: "g".parse().unwrap(), address: "h:1".to_owned(), ttl_ms: 1000 },
        ];
        for op in ops {
            let mut directory = with(from);
            let before = directory.tenant(tenant).unwrap().clone();
            let outcome = run(&mut directory, op.clone());
            assert!(matches!(outcome, Err(Refusal::WrongStatus { .. })), "{from} {}: {outcome:?}", op.name());
            assert_eq!(*directory.tenant(tenant).unwrap(), before);
        }
    }
}

#[test]
fn a_name_leads_to_one_tenant_and_a_former_one_to_nobody_else() {
    let mut directory = empty();
    run(&mut directory, create(1, "acme")).unwrap();
    let taken = run(&mut directory, create(2, "acme"));
    assert_eq!(taken, Err(Refusal::NameTaken { name: name("acme"), tenant: id(1), former: false }));
    run(&mut directory, Op::RenameTenant { tenant: id(1), name: name("zenith") }).unwrap();
    let kept = run(&mut directory, create(2, "acme"));
    assert_eq!(kept, Err(Refusal::NameTaken { name: name("acme"), tenant: id(1), former: true }));
    let moved = directory.named(&name("acme")).unwrap_err();
    assert_eq!(moved, Refusal::Renamed { from: name("acme"), to: name("zenith") });
    assert_eq!(directory.named(&name("zenith")).unwrap().folder, name("acme"), "the folder stays");
    run(&mut directory, create(2, "other")).unwrap();
    let onto = run(&mut directory, Op::RenameTenant { tenant: id(2), name: name("acme") });
    assert!(matches!(onto, Err(Refusal::NameTaken { former: true, .. })));
    run(&mut directory, Op::RenameTenant { tenant: id(1), name: name("acme") }).unwrap();
    assert_eq!(directory.named(&name("acme")).unwrap().id, id(1), "its own former name it may have back");
    assert!(matches!(directory.named(&name("zenith")), Err(Refusal::Renamed { .. })));

    for op in [
        Op::BeginErase { tenant: id(1), basis: "request".to_owned() },
        Op::DestroyKeys { tenant: id(1), head: None },
        Op::FinishErase { tenant: id(1), receipt: "{}".to_owned() },
    ] {
        assert!(run(&mut directory, create(3, "acme")).is_err(), "not before it is erased");
        run(&mut directory, op).unwrap();
    }
    run(&mut directory, create(3, "acme")).unwrap();
    run(&mut directory, create(4, "zenith")).unwrap();
    assert_eq!(directory.tenant(id(3)).unwrap().folder, name("acme-3"), "a folder is never given out again");
    assert_eq!(Directory::decode(&directory.encode().unwrap()).unwrap().named(&name("acme")).unwrap().id, id(3));
}

#[test]
fn numbers_and_namespaces_are_given_out_once() {
    let mut directory = empty();
    run(&mut directory, create(1, "a")).unwrap();
    assert_eq!(run(&mut directory, create(1, "b")), Err(Refusal::IdTaken { tenant: id(1) }));
    let Op::CreateTenant { region, kek, scram_salt, quotas, read_audit, key, .. } = create(7, "c") else { panic!() };
    let op = Op::CreateTenant {
        tenant: id(2),
        namespace: NamespaceId(Uuid::from_u128(1)),
        name: name("c"),
        region,
        kek,
        scram_salt,
        quotas,
        read_audit,
        key,
    };
    assert_eq!(run(&mut directory, op), Err(Refusal::IdTaken { tenant: id(2) }), "the namespace is taken");
    assert!(matches!(run(&mut directory, create(0, "d")), Err(Refusal::Invalid { .. })));
    assert!(matches!(run(&mut directory, create(u64::MAX, "d")), Err(Refusal::Invalid { .. })));
    run(&mut directory, create(5, "d")).unwrap();
    run(&mut directory, create(3, "e")).unwrap();
}

#[test]
fn quotas_stay_in_range_and_those_not_named_stay() {
    let mut directory = with(Status::Active);
    let mut set =
        |quota, limit| run(&mut directory, Op::SetQuota { tenant: id(1), limits: BTreeMap::from([(quota, limit)]) });
    set(Quota::StorageBytes, Some(0)).unwrap();
    set(Quota::QueryTimeMs, Some(Quota::MOST)).unwrap();
    for (quota, value) in
        [(Quota::QueryTimeMs, 0), (Quota::StorageBytes, Quota::MOST + 1), (Quota::ResultBytes, u64::MAX)]
    {
        assert_eq!(set(quota, Some(value)), Err(Refusal::QuotaOutOfRange { quota, value }));
    }
    set(Quota::StorageBytes, None).unwrap();
    let quotas = directory.tenant(id(1)).unwrap().quotas.clone();
    assert_eq!((quotas.get(Quota::StorageBytes), quotas.get(Quota::QueryTimeMs)), (None, Some(Quota::MOST)));
}

#[test]
fn kek_generations_and_revisions_rise_by_one() {
    let mut directory = with(Status::Active);
    let tenant = id(1);
    for wrong in [kek(1, 1), kek(3, 1), kek(2, 2)] {
        let outcome = run(&mut directory, Op::AddKek { tenant, kek: wrong });
        assert_eq!(outcome, Err(Refusal::KekChanged { tenant, generation: 1 }));
    }
    run(&mut directory, Op::AddKek { tenant, kek: kek(2, 1) }).unwrap();
    assert!(run(&mut directory, Op::RewrapKek { tenant, kek: kek(1, 3) }).is_err());
    run(&mut directory, Op::RewrapKek { tenant, kek: kek(1, 2) }).unwrap();
    assert!(run(&mut directory, Op::RetireKek { tenant, generation: 2 }).is_err(), "the one in use stays");
    run(&mut directory, Op::RetireKek { tenant, generation: 1 }).unwrap();
    assert!(run(&mut directory, Op::RewrapKek { tenant, kek: kek(1, 3) }).is_err(), "retired");
    let keks: Vec<_> = directory.tenant(tenant).unwrap().keks.iter().map(|k| (k.generation, k.revision)).collect();
    assert_eq!(keks, [(1, 2), (2, 1)]);
}

#[test]
fn a_lease_has_one_holder_until_it_ends() {
    let mut directory = with(Status::Active);
    let tenant = id(1);
    let gateway = |text: &str| text.parse::<firn_cell::GatewayId>().unwrap();
    let acquire = |who: &str| {
        command(Op::AcquireLease { tenant, gateway: gateway(who), address: format!("{who}:1"), ttl_ms: 10_000 })
    };
    let Ok(Reply::Lease(first)) = directory.apply(&acquire("a"), AT) else { panic!() };
    assert_eq!((first.term, first.until), (1, AT.after_ms(10_000)));
    let held = directory.apply(&acquire("b"), AT.after_ms(9_999)).unwrap_err();
    assert!(matches!(held, Refusal::LeaseHeld { ref address, .. } if address == "a:1"), "{held}");
    let renew = |who: &str| command(Op::RenewLease { tenant, gateway: gateway(who), ttl_ms: 10_000 });
    assert!(matches!(directory.apply(&renew("b"), AT), Err(Refusal::LeaseNotHeld { .. })));
    directory.apply(&renew("a"), AT.after_ms(9_999)).unwrap();
    assert!(directory.apply(&acquire("b"), AT.after_ms(15_000)).is_err());
    let Ok(Reply::Lease(taken)) = directory.apply(&acquire("b"), AT.after_ms(19_999)) else { panic!() };
    assert_eq!((taken.term, taken.gateway.as_str()), (2, "b"));
    assert!(matches!(directory.apply(&renew("a"), AT.after_ms(19_999)), Err(Refusal::LeaseNotHeld { .. })));
    directory.apply(&command(Op::ReleaseLease { tenant, gateway: gateway("a") }), AT).unwrap();
    assert_eq!(directory.lease(tenant, directory.now()).unwrap().gateway.as_str(), "b", "not the holder's to release");
    directory.apply(&command(Op::ReleaseLease { tenant, gateway: gateway("b") }), AT).unwrap();
    assert!(directory.lease(tenant, directory.now()).is_none());
    let Ok(Reply::Lease(again)) = directory.apply(&acquire("a"), AT) else { panic!() };
    assert_eq!(again.term, 3, "terms go on rising after a release");
    assert!(directory.recent_audit(&AuditQuery::default()).0.iter().all(|entry| !entry.op.contains("lease")));
}

#[test]
fn grants_end_when_they_are_used_up_expired_or_revoked() {
    let mut directory = with(Status::Active);
    run(&mut directory, create(2, "other")).unwrap();
    let grant = |until, uses| Op::Grant {
        grantor: id(1),
        grantee: id(2),
        table: "public.orders".to_owned(),
        columns: Some(vec!["id".to_owned()]),
        predicate: Some("region = 'eu'".to_owned()),
        until,
        uses,
    };
    let usable = |directory: &Directory, at| directory.grants_for(id(1), id(2), "public.orders", at).count();
    assert!(run(&mut directory, grant(Some(AT), None)).is_err() && run(&mut directory, grant(None, Some(0))).is_err());
    let Ok(Reply::Grant(twice)) = run(&mut directory, grant(None, Some(2))) else { panic!() };
    let uses = Op::UseGrant { grantee: id(2), grant: twice };
    run(&mut directory, uses.clone()).unwrap();
    assert_eq!(usable(&directory, AT), 1);
    run(&mut directory, uses.clone()).unwrap();
    assert!(matches!(run(&mut directory, uses), Err(Refusal::GrantOver { .. })));
    let Ok(Reply::Grant(until)) = run(&mut directory, grant(Some(AT.after_ms(5)), None)) else { panic!() };
    assert_eq!((usable(&directory, AT), usable(&directory, AT.after_ms(5))), (1, 0));
    let foreign = run(&mut directory, Op::RevokeGrant { grantor: id(2), grant: until });
    assert!(matches!(foreign, Err(Refusal::NotFound { .. })), "only the grantor revokes");
    run(&mut directory, Op::RevokeGrant { grantor: id(1), grant: until }).unwrap();
    assert_eq!(usable(&directory, AT), 0);
    let own = Op::Grant {
        grantor: id(1),
        grantee: id(1),
        table: "t".to_owned(),
        columns: None,
        predicate: None,
        until: None,
        uses: None,
    };
    assert!(run(&mut directory, own).is_err());
    let Ok(Reply::Grant(_)) = run(&mut directory, grant(None, None)) else { panic!() };
    run(&mut directory, Op::Suspend { tenant: id(1) }).unwrap();
    assert_eq!(usable(&directory, AT), 0, "a grantor that cannot be read grants nothing");
    assert!(matches!(
        run(&mut directory, Op::UseGrant { grantee: id(2), grant: GrantId(99) }),
        Err(Refusal::NotFound { .. })
    ));
}

#[test]
fn an_unknown_tenant_and_a_wrong_key_cannot_be_told_apart() {
    let mut directory = with(Status::Active);
    run(&mut directory, create(2, "other")).unwrap();
    let Ok(Reply::Key(own)) = run(&mut directory, Op::CreateKey { scope: Scope::Tenant(id(1)), key: key(1) }) else {
        panic!()
    };
    run(&mut directory, Op::CreateKey { scope: Scope::Operator, key: key(2) }).unwrap();
    let who = |directory: &Directory, name: Option<&str>, byte| directory.authenticate(name, &KeyHash([byte; 32]), AT);
    assert_eq!(who(&directory, Some("acme"), 1).unwrap().key, own);
    assert_eq!(who(&directory, None, 1).unwrap().tenant.unwrap().id, id(1));
    assert_eq!(who(&directory, Some("other"), 2).unwrap().scope, Scope::Operator);
    for (name, byte) in [("acme", 9), ("nobody", 9), ("nobody", 1), ("other", 1), ("", 1), ("../acme", 1), ("ACME", 1)]
    {
        let refused = who(&directory, Some(name), byte).unwrap_err();
        assert_eq!(
            (&refused, refused.to_string()),
            (&Refusal::Unauthenticated, Refusal::Unauthenticated.to_string()),
            "{name}"
        );
    }
    run(&mut directory, Op::RenameTenant { tenant: id(1), name: name("zenith") }).unwrap();
    assert!(matches!(who(&directory, Some("acme"), 1), Err(Refusal::Renamed { .. })), "with the key one is told");
    assert_eq!(who(&directory, Some("acme"), 9).unwrap_err(), Refusal::Unauthenticated, "without it one is not");
    assert_eq!(directory.scram_keys("zenith", AT).1.len(), 1);
    assert_eq!(directory.scram_keys(OPERATOR_USER, AT).1.len(), 1);
    assert!(directory.scram_keys("acme", AT).1.is_empty() && directory.scram_keys("nobody", AT).0.is_none());
    let foreign = run(&mut directory, Op::RevokeKey { scope: Scope::Tenant(id(2)), key: own });
    assert!(matches!(foreign, Err(Refusal::NotFound { .. })), "of another tenant");
    run(&mut directory, Op::RevokeKey { scope: Scope::Tenant(id(1)), key: own }).unwrap();
    assert_eq!(who(&directory, Some("zenith"), 1).unwrap_err(), Refusal::Unauthenticated);
    let expiring = KeyDraft { expires_at: Some(AT.after_ms(1)), ..key(3) };
    run(&mut directory, Op::CreateKey { scope: Scope::Tenant(id(1)), key: expiring }).unwrap();
    assert!(who(&directory, Some("zenith"), 3).is_ok());
    let later = directory.authenticate(Some("zenith"), &KeyHash([3; 32]), AT.after_ms(1));
    assert_eq!(later.unwrap_err(), Refusal::Unauthenticated);
    run(&mut directory, Op::BeginErase { tenant: id(1), basis: "b".to_owned() }).unwrap();
    assert_eq!(who(&directory, Some("zenith"), 3).unwrap_err(), Refusal::Unauthenticated, "out of service");
}

#[test]
fn a_repeated_request_is_answered_as_the_first_time_and_the_memory_is_bounded() {
    let mut directory = empty();
    let request = |n| Some(RequestId { client: "cli".parse().unwrap(), number: RequestNumber(n) });
    let first = Command { request: request(0), ..command(create(1, "acme")) };
    let reply = directory.apply(&first, AT).unwrap();
    let again = Command { request: request(0), ..command(create(2, "acme")) };
    assert_eq!(directory.apply(&again, AT), Ok(reply), "and no second tenant");
    assert_eq!(directory.tenants(None).count(), 1);
    let other = Command { request: request(0), ..command(Op::Suspend { tenant: id(1) }) };
    assert!(matches!(directory.apply(&other, AT), Err(Refusal::RequestReused { .. })));
    let refused = Command { request: request(1), ..command(create(2, "acme")) };
    let why = directory.apply(&refused, AT).unwrap_err();
    run(&mut directory, Op::RenameTenant { tenant: id(1), name: name("zenith") }).unwrap();
    assert_eq!(directory.apply(&refused, AT), Err(why), "a refusal is remembered like any answer");
    for n in 2..=u64::try_from(REMEMBERED).unwrap() {
        let seal = Command { request: request(n), ..command(Op::Seal { tenant: id(1) }) };
        directory.apply(&seal, AT).unwrap();
    }
    assert!(matches!(directory.apply(&other, AT), Ok(Reply::Tenant { .. })), "the oldest was forgotten, and no other");
    assert!(matches!(
        directory.apply(&Command { request: request(2), ..other }, AT),
        Err(Refusal::RequestReused { .. })
    ));
}

#[test]
fn every_change_is_audited_with_before_and_after_and_without_secrets() {
    let mut directory = empty();
    let op = match create(1, "acme") {
        Op::CreateTenant { tenant, namespace, name, region, kek, scram_salt, quotas, read_audit, .. } => {
            Op::CreateTenant { tenant, namespace, name, region, kek, scram_salt, quotas, read_audit, key: Some(key(7)) }
        }
        _ => panic!(),
    };
    run(&mut directory, op).unwrap();
    run(&mut directory, Op::Seal { tenant: id(1) }).unwrap();
    run(&mut directory, Op::Seal { tenant: id(1) }).unwrap();
    run(&mut directory, Op::RevokeKey { scope: Scope::Tenant(id(1)), key: ApiKeyId(1) }).unwrap();
    let (trail, more) = directory.recent_audit(&AuditQuery { tenant: Some(id(1)), ..AuditQuery::default() });
    let ops: Vec<_> = trail.iter().map(|entry| (entry.number, entry.op.as_str())).collect();
    assert_eq!(ops, [(4, "revoke_key"), (3, "seal"), (2, "create_tenant"), (1, "create_tenant")]);
    assert!(!more);
    assert_eq!((&trail[1].before["status"], &trail[1].after["status"]), (&"active".into(), &"sealed".into()));
    assert!(trail[3].before.is_null() && trail[0].after["revoked_at"].is_i64());
    let text = serde_json::to_string(&trail.iter().map(|entry| entry.as_ref()).collect::<Vec<_>>()).unwrap();
    for secret in ["0707", "0606", "00112233", "scram", "hash"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    for n in 0..2 * RECENT as u64 {
        let limits = BTreeMap::from([(Quota::StorageBytes, Some(n))]);
        run(&mut directory, Op::SetQuota { tenant: id(1), limits }).unwrap();
    }
    let (trail, more) = directory.recent_audit(&AuditQuery { limit: usize::MAX, ..AuditQuery::default() });
    assert!(trail.len() == RECENT && more, "bounded, and it says that there is more");
}

#[test]
fn what_comes_from_outside_is_bounded() {
    let mut directory = with(Status::Active);
    run(&mut directory, create(2, "other")).unwrap();
    let long = "x".repeat(10_000);
    let control = "a\u{1b}[2J".to_owned();
    let grant = |table: &str, columns, predicate| Op::Grant {
        grantor: id(1),
        grantee: id(2),
        table: table.to_owned(),
        columns,
        predicate,
        until: None,
        uses: None,
    };
    let bad_scram = |salt: &str, iterations| {
        let base = key(3);
        let scram = ScramVerifier { salt: salt.to_owned(), iterations, ..base.scram };
        Op::CreateKey { scope: Scope::Operator, key: KeyDraft { scram, ..key(3) } }
    };
    let ops = vec![
        Op::BeginErase { tenant: id(1), basis: long.clone() },
        Op::BeginErase { tenant: id(1), basis: String::new() },
        Op::BeginErase { tenant: id(1), basis: control.clone() },
        Op::SetRegion { region: region(), address: Some(long.clone()) },
        Op::CreateKey { scope: Scope::Operator, key: KeyDraft { label: control, ..key(3) } },
        Op::CreateKey { scope: Scope::Operator, key: KeyDraft { expires_at: Some(AT), ..key(3) } },
        bad_scram("", 4096),
        bad_scram("00112233445566778899aabbccddeeff", 1),
        bad_scram("00112233445566778899aabbccddeeff", u32::MAX),
        grant(&long, None, None),
        grant("t", Some(vec![]), None),
        grant("t", Some(vec![long.clone()]), None),
        grant("t", None, Some(long.clone())),
        Op::AcquireLease { tenant: id(1), gateway: "g".parse().unwrap(), address: "a".to_owned(), ttl_ms: u64::MAX },
        Op::AcquireLease { tenant: id(1), gateway: "g".parse().unwrap(), address: "a".to_owned(), ttl_ms: 0 },
        Op::AddKek { tenant: id(1), kek: KekRef { wrapped_by: long, ..kek(2, 1) } },
    ];
    for op in ops {
        let outcome = run(&mut directory, op.clone());
        assert!(matches!(outcome, Err(Refusal::Invalid { .. })), "{}: {outcome:?}", op.name());
    }
    for text in ["", &"x".repeat(300), "a\nb"] {
        assert!(text.parse::<firn_cell::Actor>().is_err());
    }
    for missing in [Op::Suspend { tenant: TenantId(99) }, Op::RevokeKey { scope: Scope::Operator, key: ApiKeyId(99) }] {
        assert!(matches!(run(&mut directory, missing), Err(Refusal::NotFound { .. })));
    }
}
