-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), group_by.slt
create table t (v1 int, v2 int);
insert into t values (1,1), (2,1), (3,2), (4,2), (5,3);
select v2 + 1, sum(v1) from t group by v2 + 1;
select sum(v1), v2 + 1 as a, count(*) from t group by a;
select v2, v2 + 1, sum(v1) from t group by v2 + 1, v2;
select v2, v2 + 1, sum(v1) from t group by v2 + 1, v2 order by v2;
select v1 + 1 + count(*) from t group by v1 + 1;
drop table t;
