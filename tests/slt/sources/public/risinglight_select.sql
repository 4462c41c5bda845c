-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), select.slt
create table t(v1 int);
insert into T values (1);
select V1 from T;
drop table T;
create table t(v1 int not null, v2 int not null, v3 int not null);
insert into t values(1,4,2), (2,3,3), (3,4,4), (4,3,5);
select * from t;
select v1, v2 from t;
select v1 + v2 from t;
select sum(v1), sum(v2) from t;
select sum(v1), count(v3), min(v3), max(v1) from t group by v2, v2;
select count(v3) = min(v3) from t group by v2;
select count(v3), v2 from t group by v2;
select v2 from t group by v2;
select 1 + 0.1;
select v2 from (select 1, 2::int) as t(v1, v2);
select 1+2;
select * from t where v1 = 3;
select sum(v1) from t where v1 > 3;
select sum(v1) from t where v1 > 4;
select 1 from t;
drop table t;
create table t(v1 int not null);
insert into t values(1), (2);
insert into t values(3), (4);
select v1 from t;
drop table t;
create table t(v1 timestamp, v2 timestamp);
insert into t values('2007-02-01 15:04:05', '2007-02-01 15:04:05'),
('2007-02-02 15:04:05', '2007-02-02 15:04:05'), ('2007-02-03 15:04:05',
'2007-02-03 15:04:05');
select * from t;
drop table t;
create table t(v1 int not null, v2 int not null, v3 int not null);
insert into t values(1,1,2), (1,1,4), (1,2,4), (2,2,2);
select v1 from t group by v1;
select distinct v1 from t;
select v1, v2 from t group by v1, v2;
select distinct v1, v2 from t;
select v1, v2 from t where v3 > 2 group by v1, v2;
select distinct v1, v2 from t where v3 > 2;
select distinct min(v2) from t group by v1;
select distinct min(v2) from t where v2 > 1 group by v1;
select distinct min(v2) from t where v1 > 1 group by v1;
select distinct min(v2)+1 from t group by v1;
select distinct min(v2+1) from t group by v1;
drop table t;
create table t(v1 smallint not null, v2 smallint not null);
insert into t values(22222, 22222);
drop table t;
select 10000 + 10000;
select 10000 - 1000000;
select 123 * 654321::int;
select 12345 / 321;
select 10000.00 + 234.567;
select 10000.00 - 234.56;
select 654.321 * 123.456;
select 100.0 / 8.0;
-- differs: literals with an exponent are DOUBLE PRECISION
select 1.702823466e+308 + 1.702823466e+308;
-- differs: literals with an exponent are DOUBLE PRECISION
select -1.702823466e+308 -1.702823466e+308;
-- differs: literals with an exponent are DOUBLE PRECISION
select 1.702823466e+308 * 1.702823466e+308;
create table t(v1 int null);
insert into t values(null);
select * from t;
drop table t;
