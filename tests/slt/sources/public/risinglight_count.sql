-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), count.slt
create table t(v int);
insert into t values (1), (2), (3), (4), (5), (6), (7), (8);
select count(*) from t;
select count(*)+1 from t;
select 2*count(*) from t;
select -count(*) from t;
select count(*)+min(v) from t;
delete from t where v = 7;
select count(*) from t where v > 5;
select count(*) from t where 0 = 1;
