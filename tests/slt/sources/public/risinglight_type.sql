-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), type.slt
create table test1 (a boolean);
INSERT INTO test1 VALUES (TRUE);
INSERT INTO test1 VALUES (false);
select * from test1 order by a;
drop table test1;
create table t (v1 date not null);
insert into t values('2020-01-01');
select v1 from t where v1 < date '2021-01-01';
drop table t;
