-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), filter_null.slt
create table t(v1 int, v2 int not null);
insert into t values (2, 4), (1, 3), (3, 4), (4, 3);
select * from t where v1 > 1;
select * from t where v1 < 2;
drop table t;
create table t(v1 int, v2 int not null);
insert into t values (2, 4), (null, 3), (3, 4), (4, 3);
select * from t where v1 > 1;
drop table t;
