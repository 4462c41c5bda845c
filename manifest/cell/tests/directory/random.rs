//! Random commands: the same commands give the same state byte for byte, a checkpoint in between changes nothing, and what
//! must hold in every state holds.

use std::collections::{BTreeMap, BTreeSet};

use firn_cell::access::KeyHash;
use firn_cell::audit::RECENT;
use firn_cell::op::RequestId;
use firn_cell::tenant::ManifestHead;
use firn_cell::{
    ApiKeyId, Command, Directory, GrantId, Op, Quota, ReadAudit, RequestNumber, Scope, Status, TenantId, Time,
};
use firn_manifest::ids::{ChainHash, Version};
use proptest::prelude::*;

use crate::state::{AT, command, create, empty, kek, key};
use crate::{name, region};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn tenant() -> impl Strategy<Value = TenantId> {
    (0u64..7).prop_map(TenantId)
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![Just(Scope::Operator), tenant().prop_map(Scope::Tenant)]
}

fn text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(NAMES.to_vec())
}

fn gateway() -> impl Strategy<Value = firn_cell::GatewayId> {
    prop::sample::select(vec!["g1", "g2"]).prop_map(|id| id.parse().unwrap())
}

fn any_op() -> impl Strategy<Value = Op> {
    let limit = prop_oneof![Just(None), Just(Some(0)), Just(Some(7)), Just(Some(u64::MAX))];
    let head = ManifestHead { version: Version(3), sha256: ChainHash::of(b"head") };
    prop_oneof![
        4 => (0u64..7, text()).prop_map(|(n, text)| create(n, text)),
        2 => (tenant(), text()).prop_map(|(tenant, text)| Op::RenameTenant { tenant, name: name(text) }),
        1 => tenant().prop_map(|tenant| Op::MoveTenant { tenant, region: region() }),
        1 => tenant().prop_map(|tenant| Op::Suspend { tenant }),
        1 => tenant().prop_map(|tenant| Op::Seal { tenant }),
        2 => tenant().prop_map(|tenant| Op::Resume { tenant }),
        1 => (tenant(), limit).prop_map(|(tenant, limit)| Op::SetQuota {
            tenant,
            limits: BTreeMap::from([(Quota::ResultBytes, limit)])
        }),
        1 => tenant().prop_map(|tenant| Op::SetReadAudit { tenant, level: ReadAudit::All }),
        1 => (tenant(), 0u32..4, 0u32..3).prop_map(|(tenant, g, r)| Op::AddKek { tenant, kek: kek(g, r) }),
        1 => (tenant(), 0u32..4, 0u32..4).prop_map(|(tenant, g, r)| Op::RewrapKek { tenant, kek: kek(g, r) }),
        1 => (tenant(), 0u32..4).prop_map(|(tenant, generation)| Op::RetireKek { tenant, generation }),
        2 => (scope(), 0u8..20).prop_map(|(scope, byte)| Op::CreateKey { scope, key: key(byte) }),
        1 => (scope(), 0u64..9).prop_map(|(scope, id)| Op::RevokeKey { scope, key: ApiKeyId(id) }),
        2 => (tenant(), tenant(), 1u64..3).prop_map(|(grantor, grantee, uses)| Op::Grant {
            grantor,
            grantee,
            table: "t".to_owned(),
            columns: None,
            predicate: None,
            until: None,
            uses: Some(uses)
        }),
        1 => (tenant(), 0u64..9).prop_map(|(grantor, id)| Op::RevokeGrant { grantor, grant: GrantId(id) }),
        1 => (tenant(), 0u64..9).prop_map(|(grantee, id)| Op::UseGrant { grantee, grant: GrantId(id) }),
        2 => (tenant(), gateway()).prop_map(|(tenant, gateway)| Op::AcquireLease {
            tenant,
            gateway,
            address: "h:1".to_owned(),
            ttl_ms: 1000
        }),
        1 => (tenant(), gateway()).prop_map(|(tenant, gateway)| Op::RenewLease { tenant, gateway, ttl_ms: 1000 }),
        1 => (tenant(), gateway()).prop_map(|(tenant, gateway)| Op::ReleaseLease { tenant, gateway }),
        1 => any::<bool>().prop_map(|there| Op::SetRegion {
            region: region(),
            address: there.then(|| "https://eu".to_owned())
        }),
        2 => tenant().prop_map(|tenant| Op::BeginErase { tenant, basis: "request".to_owned() }),
        2 => tenant().prop_map(move |tenant| Op::DestroyKeys { tenant, head: Some(head) }),
        2 => tenant().prop_map(|tenant| Op::FinishErase { tenant, receipt: format!("{{\"t\":{tenant}}}") }),
    ]
}

fn any_command() -> impl Strategy<Value = (Command, Time)> {
    let request = prop::option::weighted(0.3, (0u64..6).prop_map(RequestNumber));
    (any_op(), request, -2_000_000i64..5_000_000).prop_map(|(op, number, offset)| {
        let request = number.map(|number| RequestId { client: "c".parse().unwrap(), number });
        (Command { request, ..command(op) }, Time(AT.0 + offset))
    })
}

/// What must hold in every state.
fn check(directory: &Directory) {
    let mut names = BTreeSet::new();
    let mut folders = BTreeSet::new();
    let mut namespaces = BTreeSet::new();
    for tenant in directory.tenants(None) {
        assert!(folders.insert(tenant.folder.clone()) && namespaces.insert(tenant.namespace));
        assert_eq!(directory.tenant_of(tenant.namespace).unwrap().id, tenant.id);
        assert!(tenant.created_at <= tenant.changed_at && tenant.changed_at <= directory.now());
        assert_eq!(tenant.erasure.is_some(), !tenant.status.alive());
        assert_eq!(tenant.receipt().is_some(), tenant.status == Status::Erased);
        let generations: Vec<u32> = tenant.keks.iter().map(|kek| kek.generation).collect();
        assert!(generations.iter().copied().eq(1..=u32::try_from(generations.len()).unwrap()));
        assert!(tenant.kek().unwrap().retired_at.is_none());
        if tenant.status == Status::Erased {
            assert_eq!(directory.keys(Scope::Tenant(tenant.id)).count(), 0);
            assert_eq!(directory.grants_given(tenant.id).chain(directory.grants_received(tenant.id)).count(), 0);
            continue;
        }
        assert!(names.insert(tenant.name.clone()));
        assert_eq!(directory.named(&tenant.name).unwrap().id, tenant.id);
        for former in &tenant.former_names {
            assert!(names.insert(former.name.clone()), "{} leads to two", former.name);
            assert!(directory.named(&former.name).is_err());
        }
    }
    for scope in [Scope::Operator, Scope::Tenant(TenantId(1))] {
        for key in directory.keys(scope) {
            let found = directory.authenticate(None, &KeyHash(key.hash.0), directory.now());
            let in_service = match scope {
                Scope::Operator => true,
                Scope::Tenant(id) => directory.tenant(id).is_some_and(|tenant| tenant.status.alive()),
            };
            assert_eq!(found.is_ok(), key.good_at(directory.now()) && in_service);
        }
    }
    assert!(directory.audit_since(0).count() <= RECENT);
    let numbers: Vec<u64> = directory.audit_since(0).map(|entry| entry.number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(numbers.last().map_or(1, |last| last + 1), directory.next_audit());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_same_commands_give_the_same_bytes_with_or_without_a_checkpoint(
        commands in prop::collection::vec(any_command(), 0..120),
        cut in 0usize..120,
    ) {
        let (mut whole, mut cut_short) = (empty(), empty());
        for (n, (command, at)) in commands.iter().enumerate() {
            let before = whole.encode().unwrap();
            let foreseen = whole.preview(command, *at);
            prop_assert_eq!(whole.encode().unwrap(), before, "a preview changes nothing");
            let outcome = whole.apply(command, *at);
            prop_assert_eq!(&foreseen, &outcome);
            prop_assert_eq!(&cut_short.apply(command, *at), &outcome);
            if n == cut {
                cut_short = Directory::decode(&cut_short.encode().unwrap()).unwrap();
            }
            check(&whole);
        }
        prop_assert_eq!(whole.encode().unwrap(), cut_short.encode().unwrap());
    }

    #[test]
    fn any_bytes_are_no_state(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        prop_assert!(Directory::decode(&bytes).is_err());
    }

    #[test]
    fn a_changed_state_is_refused_or_is_another_state(
        commands in prop::collection::vec(any_command(), 0..30),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        let mut directory = empty();
        for (command, at) in &commands {
            let _ = directory.apply(command, *at);
        }
        let bytes = directory.encode().unwrap();
        let mut bad = bytes.clone();
        let at = at.index(bytes.len());
        bad[at] = with;
        if let Ok(read) = Directory::decode(&bad) {
            prop_assert_eq!(read.encode().unwrap(), bad);
        }
    }
}
