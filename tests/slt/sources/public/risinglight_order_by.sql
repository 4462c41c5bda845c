-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), order_by.slt
create table t(v1 int not null, v2 int not null);
insert into t values(1, 1), (4, 2), (3, 3), (10, 12), (2, 5);
select v1 from t order by v1 asc;
select v1 from t order by v1 desc;
drop table t;
create table t(v1 int not null, v2 int not null);
insert into t values (1, 0), ( 2, 2), (3, 15), (2, 12), (3, 9), (1, 5);
select v1, v2 from t order by v1 asc, v2 desc;
drop table t;
create table t(v1 int, v2 int);
insert into t values (1, 0), (2, 2), (NULL, 5), (2, NULL);
select v1, v2 from t order by v1 asc, v2 asc;
drop table t;
create table t(v1 int, v2 int);
insert into t values(1, 1), (4, 2), (3, 3), (10, 12), (2, 5);
select v1 as a from t order by a;
drop table t;
