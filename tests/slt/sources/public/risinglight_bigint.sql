-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), bigint.slt
create table t (v1 int, v2 bigint);
insert into t values (1,8223372036854775807), (2,2), (3,3), (4,4), (5,9223372036854775807);
select count(v2) from t where v2 > 2;
select min(v2) from t where v2 > 2;
select max(v2) from t where v2 > 2;
select sum(v2) from t where v2 < 10;
drop table t;
